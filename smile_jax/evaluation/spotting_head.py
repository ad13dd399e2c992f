"""A small head that finds expressions in long recordings, and what it must beat."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from smile_jax.evaluation.base import people_folds
from smile_jax.evaluation.binary_probe import choose_strength, probabilities
from smile_jax.evaluation.spotting_scores import (
    Interval,
    IntervalCounts,
    count,
    intervals_of,
    smoothed,
)

_STRENGTHS = (1e-3, 1e-2, 1e-1)  # C of the head
# Settings that training people choose among: of the curve, and of what is an interval.
_SMOOTH_S, _SHORTEST_S, _GAP_S = (0.0, 0.1, 0.3), (0.05, 0.1, 0.2), (0.0, 0.1, 0.3)
_QUANTILES = np.linspace(0.5, 0.995, 34)  # of the training curves: the threshold
_LOCAL_S = 2.0  # seconds around a frame, whose median is what goes on anyway
_DRAWS = 100  # of chance
_MICRO_S = 0.6  # the longest micro-expression, and a frame or two


@dataclasses.dataclass(frozen=True)
class Recording:
    """A long sequence, and what is to be found in it.

    Attributes:
      name, subject: of it.
      rate_hz: frames a second.
      motion: (t,) millimetres that the face has moved, of each frame.
      labelled: (onset, offset) of each expression.
      places: (w,) frames at which there is a feature, rising.
      features: (w, f) of the window around each.
    """

    name: str
    subject: str
    rate_hz: float
    motion: Float[np.ndarray, "t"]
    labelled: tuple[Interval, ...]
    places: np.ndarray
    features: Float[np.ndarray, "w f"]

    @property
    def minutes(self) -> float:
        """The length of the recording in minutes."""
        return len(self.motion) / self.rate_hz / 60

    def inside(self) -> np.ndarray:
        """Returns (t,) True for each frame in an expression."""
        found = np.zeros(len(self.motion), bool)
        for first, last in self.labelled:
            found[first : last + 1] = True
        return found

    def stretched(self, values: Float[np.ndarray, "w"]) -> Float[np.ndarray, "t"]:
        """Interpolates values at `places` to every frame."""
        return np.interp(np.arange(len(self.motion)), self.places, values)


@dataclasses.dataclass(frozen=True)
class SpottingRule:
    """Rule by which a curve becomes intervals: threshold, smoothing, joining, length.

    Attributes:
      threshold: of the smoothed curve.
      smooth_s, shortest_s, gap_s: seconds; see `spotting_scores`.
    """

    threshold: float
    smooth_s: float
    shortest_s: float
    gap_s: float

    def intervals(
        self, curve: Float[np.ndarray, "t"], rate_hz: float
    ) -> list[Interval]:
        """Returns the intervals of one recording."""
        smooth = smoothed(curve, round(self.smooth_s * rate_hz))
        return intervals_of(
            smooth >= self.threshold,
            shortest=max(1, round(self.shortest_s * rate_hz)),
            gap=round(self.gap_s * rate_hz),
        )


def motion_curve(recording: Recording) -> Float[np.ndarray, "t"]:
    """Returns how much more a face moves than around that time; the baseline."""
    half = max(1, round(_LOCAL_S / 2 * recording.rate_hz))
    padded = np.pad(recording.motion, half, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return recording.motion - np.median(around, axis=1)


def head_curves(
    train: Sequence[Recording], test: Sequence[Recording]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Probability of being in an expression, at each frame of each recording.

    Those of the training people are by heads that did not see them; strength is chosen
    so as well.
    """
    x = np.concatenate([r.features for r in train])
    y = np.concatenate([r.inside()[r.places] for r in train])
    owner = np.repeat(np.arange(len(train)), [len(r.places) for r in train])
    people = np.array([r.subject for r in train])[owner]
    folds = people_folds(people)
    strength, held_out = choose_strength(x, y, folds, _STRENGTHS, balanced=True)
    own = [r.stretched(held_out[owner == i]) for i, r in enumerate(train)]
    ends = np.cumsum([len(r.places) for r in test])
    asked = np.concatenate([r.features for r in test])
    answers = np.split(probabilities(x, y, asked, strength, balanced=True), ends[:-1])
    return own, [r.stretched(p) for r, p in zip(test, answers, strict=True)]


def choose_rule(
    recordings: Sequence[Recording], curves: Sequence[Float[np.ndarray, "t"]]
) -> SpottingRule:
    """Chooses the spotting rule with the best F1 on training people."""
    best, chosen = -1.0, SpottingRule(1.0, 0.0, 0.0, 0.0)
    for smooth_s in _SMOOTH_S:
        smooth = [
            smoothed(c, round(smooth_s * r.rate_hz))
            for r, c in zip(recordings, curves, strict=True)
        ]
        levels = np.quantile(np.concatenate(smooth), _QUANTILES)
        for threshold, shortest, gap in itertools.product(levels, _SHORTEST_S, _GAP_S):
            rule = SpottingRule(float(threshold), smooth_s, shortest, gap)
            f1 = count_intervals(recordings, curves, rule).scores()["f1"]
            if f1 > best:
                best, chosen = f1, rule
    return chosen


def count_intervals(
    recordings: Sequence[Recording],
    curves: Sequence[Float[np.ndarray, "t"]],
    rule: SpottingRule,
) -> IntervalCounts:
    """Counts found, missed and false intervals over all recordings."""
    parts = (
        count(rule.intervals(c, r.rate_hz), r.labelled, r.minutes)
        for r, c in zip(recordings, curves, strict=True)
    )
    return sum(parts, IntervalCounts())


def chance_counts(
    train: Sequence[Recording], test: Sequence[Recording], seed: int = 0
) -> IntervalCounts:
    """Returns mean counts of random intervals.

    Over 100 draws of intervals as long and as frequent as those of the training people.
    """
    lengths = [b - a + 1 for r in train for a, b in r.labelled]
    a_minute = len(lengths) / sum(r.minutes for r in train)
    rng = np.random.default_rng(seed)
    total = IntervalCounts()
    for _ in range(_DRAWS):
        for r in test:
            found = []
            for _ in range(rng.poisson(a_minute * r.minutes)):
                length = lengths[rng.integers(len(lengths))]
                first = int(rng.integers(max(len(r.motion) - length, 1)))
                found.append((first, first + length - 1))
            total += count(found, r.labelled, r.minutes)
    return total


def scores_by_kind(
    recordings: Sequence[Recording],
    curves: Sequence[Float[np.ndarray, "t"]],
    rule: SpottingRule,
) -> dict[str, dict[str, float]]:
    """Scores micro- and macro-expressions apart, by interval length."""
    scores = {}
    for kind in ("micro", "macro"):
        total = IntervalCounts()
        for r, c in zip(recordings, curves, strict=True):
            found, labelled = (
                [i for i in some if _kind(i, r) == kind]
                for some in (rule.intervals(c, r.rate_hz), r.labelled)
            )
            total += count(found, labelled, r.minutes)
        scores[kind] = total.scores()
    return scores


def _kind(interval: Interval, recording: Recording) -> str:
    seconds = (interval[1] - interval[0] + 1) / recording.rate_hz
    return "micro" if seconds <= _MICRO_S else "macro"
