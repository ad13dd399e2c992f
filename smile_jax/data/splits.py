"""Splits by subject: people to train on and people to test on."""

import numpy as np


def drawn_people(subjects: np.ndarray, count: int, seed: int) -> set[str]:
    """Draws `count` people, or all if 0.

    Raises:
      ValueError: there are fewer.
    """
    names = np.unique(subjects)
    if count > len(names):
        raise ValueError(f"data.people={count}: the dataset has {len(names)}")
    # Another stream than that of folds, which shuffles those who are drawn.
    order = np.random.default_rng([seed, 1]).permutation(len(names))
    return {str(names[i]) for i in order[: count or len(names)]}


def subject_folds(subjects: np.ndarray, folds: int, seed: int) -> dict[str, int]:
    """Assigns every subject to one of `folds` test folds of nearly equal size.

    Args:
      subjects: (n,) subject name of each record.
      folds: number of folds, at least 2.
      seed: of the shuffling of subjects.

    Returns:
      Subject name -> fold.

    Raises:
      ValueError: fewer subjects than folds.
    """
    names = np.unique(subjects)
    if not 2 <= folds <= len(names):
        raise ValueError(
            f"cannot make {folds} subject-independent folds of {len(names)} subjects; "
            f"choose 2 to {len(names)}"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    return {str(names[subject]): i % folds for i, subject in enumerate(order)}


def released_folds(
    subjects: np.ndarray, numbers: np.ndarray, folds: int
) -> dict[str, int]:
    """The folds that a release names, counted from 0 in the order of their numbers.

    Args:
      subjects: (n,) subject name of each record.
      numbers: (n,) its fold in the release.
      folds: how many there are.

    Raises:
      ValueError: a person is in two folds or in none (a negative number), or there are
        more or fewer of them.
    """
    known = np.unique(numbers)
    if len(known) != folds or known.min() < 0:
        raise ValueError(
            f"the records name the folds {known.tolist()}, and data.folds={folds}"
            + (" (-1: a clip of no fold)" if known.min() < 0 else "")
        )
    found: dict[str, int] = {}
    for name, number in zip(subjects, np.searchsorted(known, numbers), strict=True):
        other = found.setdefault(str(name), int(number))
        if other != number:
            raise ValueError(
                f"{name} is in the folds {known[other]} and {known[number]} of the "
                "release: people would be on both sides"
            )
    return found


def split_records(
    subjects: np.ndarray, records: np.ndarray, folds: dict[str, int], fold: int
) -> tuple[np.ndarray, np.ndarray]:
    """Divides records into those of the other folds (train) and of `fold` (test)."""
    in_test = np.array([folds[str(name)] == fold for name in subjects[records]], bool)
    return records[~in_test], records[in_test]
