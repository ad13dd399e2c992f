"""Scores of groups of people: whom does a method serve worse, and by how much?"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from smile_jax.evaluation.metrics import calibration_of


@dataclasses.dataclass(frozen=True)
class Answers:
    """A method's answers for n test clips.

    Attributes:
      subjects: who is shown.
      right: whether the answer is.
      confidence: its probability.
    """

    subjects: Sequence[str]
    right: Bool[np.ndarray, "n"]
    confidence: Float[np.ndarray, "n"]


@dataclasses.dataclass(frozen=True)
class Group:
    """Scores of one group: people, clips, accuracy, expected calibration error."""

    people: int
    clips: int
    accuracy: float
    calibration_error: float


@dataclasses.dataclass(frozen=True)
class GroupScores:
    """Scores by group.

    Attributes:
      groups: by name.
      worst: name of the group of the lowest accuracy.
      gap: best less worst accuracy.
      low, high: 95 per cent interval of that gap between these two groups, by drawing
        people of each; from below 0 on, the gap may be chance.
    """

    groups: Mapping[str, Group]
    worst: str
    gap: float
    low: float
    high: float


def by_group(
    answers: Answers, group_of: Mapping[str, str], rounds: int = 2000
) -> GroupScores | None:
    """Scores of each group; None of fewer than two groups.

    Args:
      answers: of all test clips.
      group_of: person -> group; people without one are left out.
      rounds: of the bootstrap.
    """
    own = np.array([group_of.get(name, "") for name in answers.subjects])
    names = sorted(set(own) - {""})
    if len(names) < 2:
        return None
    groups, drawn = {}, {}
    rng = np.random.default_rng(0)
    for name in names:
        mine = own == name
        right, sure = answers.right[mine], answers.confidence[mine]
        subjects = np.array(answers.subjects)[mine]
        people, person = np.unique(subjects, return_inverse=True)
        error, _ = calibration_of(sure, right)
        groups[name] = Group(len(people), len(right), float(right.mean()), error)
        count = len(people)
        times = rng.multinomial(count, [1 / count] * count, size=rounds)
        hits, clips = np.bincount(person, right), np.bincount(person)
        drawn[name] = times @ hits / (times @ clips)
    worst, best = (f(groups, key=lambda n: groups[n].accuracy) for f in (min, max))
    low, high = np.quantile(drawn[best] - drawn[worst], [0.025, 0.975])
    gap = groups[best].accuracy - groups[worst].accuracy
    return GroupScores(groups, worst, gap, float(low), float(high))


def thirds(values: Mapping[str, float], names: Sequence[str]) -> dict[str, str]:
    """Person -> one of three names, the lowest third first, of numbers of people."""
    people = sorted(values, key=values.__getitem__)
    return {
        person: names[min(3 * i // len(people), 2)] for i, person in enumerate(people)
    }
