"""Spotting: intervals in which something is expressed, counted as MEGC counts them.

See et al., "MEGC 2019", FG 2019: an interval that is found is right if its overlap over
union with one that is labelled is at least 0.5; each labelled one is found once.
Counts are summed over all videos before precision, recall and F1 are taken.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

Interval = tuple[int, int]  # first and last frame, both in it


@dataclasses.dataclass(frozen=True)
class IntervalCounts:
    """Counts of intervals, over videos of a total length in minutes."""

    hits: int = 0
    found: int = 0
    labelled: int = 0
    minutes: float = 0.0

    def __add__(self, other: "IntervalCounts") -> "IntervalCounts":
        return IntervalCounts(
            self.hits + other.hits,
            self.found + other.found,
            self.labelled + other.labelled,
            self.minutes + other.minutes,
        )

    def scores(self) -> dict[str, float]:
        """Returns "f1", "precision", "recall" and "false_per_minute".

        A score is 0 where its denominator is.
        """
        f1 = 2 * self.hits / max(self.found + self.labelled, 1)
        wrong = self.found - self.hits
        return {
            "f1": f1,
            "precision": self.hits / max(self.found, 1),
            "recall": self.hits / max(self.labelled, 1),
            "false_per_minute": wrong / self.minutes if self.minutes else 0.0,
        }


def overlap(a: Interval, b: Interval) -> float:
    """Returns the intersection over union of two intervals, in frames."""
    both = min(a[1], b[1]) - max(a[0], b[0]) + 1
    either = max(a[1], b[1]) - min(a[0], b[0]) + 1
    return max(both, 0) / either if both > 0 else 0.0


def count(
    found: Sequence[Interval],
    labelled: Sequence[Interval],
    minutes: float,
    least: float = 0.5,
) -> IntervalCounts:
    """Hits of one video: pairs of at least `least` overlap, the best of all first."""
    pairs = sorted(
        (
            (overlap(f, t), i, j)
            for i, f in enumerate(found)
            for j, t in enumerate(labelled)
        ),
        reverse=True,
    )
    taken: tuple[set[int], set[int]] = set(), set()
    hits = 0
    for share, i, j in pairs:
        if share >= least and i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            hits += 1
    return IntervalCounts(hits, len(found), len(labelled), minutes)


def intervals_of(
    said: Bool[np.ndarray, "t"], *, shortest: int = 1, gap: int = 0
) -> list[Interval]:
    """Runs of frames that are said to be in an interval.

    Args:
      said: of each frame.
      shortest: frames of a run that counts.
      gap: frames between two runs that are one.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], said.astype(np.int8), [0]])))
    runs: list[Interval] = []
    for first, end in edges.reshape(-1, 2).tolist():
        if runs and first - runs[-1][1] - 1 <= gap:
            runs[-1] = runs[-1][0], end - 1
        else:
            runs.append((first, end - 1))
    return [run for run in runs if run[1] - run[0] + 1 >= shortest]


def smoothed(curve: Float[np.ndarray, "t"], frames: int) -> Float[np.ndarray, "t"]:
    """A moving mean over so many frames, shorter at the ends."""
    if frames < 2:
        return curve
    kernel = np.ones(min(frames, len(curve)))
    sums = np.convolve(curve, kernel, mode="same")
    return sums / np.convolve(np.ones(len(curve)), kernel, mode="same")
