"""Who is trained on and who is tested: always split by subject."""

import numpy as np


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


def split_records(
    subjects: np.ndarray, records: np.ndarray, folds: dict[str, int], fold: int
) -> tuple[np.ndarray, np.ndarray]:
    """Divides records into those of the other folds (train) and of `fold` (test)."""
    in_test = np.array([folds[str(name)] == fold for name in subjects[records]], bool)
    return records[~in_test], records[in_test]
