"""Is one method better than another, or were these people and seeds lucky?"""

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

_LEVEL = 0.95


@dataclasses.dataclass(frozen=True)
class Difference:
    """Difference between two methods' accuracies, ours minus theirs.

    Attributes:
      mean: over all runs and clips.
      low, high: 95 per cent interval.
      p: two-sided, of there being no difference; None if nothing tells how much runs
        differ (one run of a method on a single fold): the interval is then over people
        alone, and infinite of one person.
    """

    mean: float
    low: float
    high: float
    p: float | None


class FoldCounts(NamedTuple):
    """Answers of two methods on the same test people.

    Attributes:
      ours, theirs: right answers of each run and person.
      clips: number of clips of each person.
    """

    ours: Float[np.ndarray, "runs people"]
    theirs: Float[np.ndarray, "others people"]
    clips: Float[np.ndarray, "people"]


class _Component(NamedTuple):
    """An estimated variance of the difference, and its degrees of freedom."""

    variance: float
    freedom: float


def difference(folds: Sequence[FoldCounts]) -> Difference:
    """Estimates the difference of two methods over new people and new runs.

    Two sources of chance are known: other test people, who are the same for both
    methods, and other runs (seeds), which are not: seed 0 of one method has nothing in
    common with seed 0 of another. So the variance of the difference is

        s_ours^2 / R_ours + s_theirs^2 / R_theirs + s_people^2 / P,

    with s^2 of the scores of runs, as in Welch's t test, and of the people's paired
    differences less what their answers vary by from run to run, which the first two
    terms hold already. It is estimated by mean squares, and its degrees of freedom by
    Satterthwaite ("An Approximate Distribution of Estimates of Variance Components",
    1946). If some fold has a single run of a method, or a single person, folds are the
    replicates.

    Args:
      folds: the test folds; no person is in two of them.

    Raises:
      ValueError: there is no clip.
    """
    total = sum(float(fold.clips.sum()) for fold in folds)
    if not total:
        raise ValueError("no clip was answered by both methods")
    means = [_mean(fold) for fold in folds]
    shares = [float(fold.clips.sum()) / total for fold in folds]
    mean = float(np.dot(means, shares))
    runs = min(min(len(fold.ours), len(fold.theirs)) for fold in folds)
    people = min(len(fold.clips) for fold in folds)
    if len(folds) > 1 and min(runs, people) == 1:
        return Difference(mean, *_student(mean, [_of_folds(means, shares, mean)]))
    if people == 1:
        return Difference(mean, -math.inf, math.inf, None)
    if runs == 1:
        low, high, _ = _student(mean, [_of_people(folds[0], total)])
        return Difference(mean, low, high, None)
    return Difference(mean, *_student(mean, _of_runs_and_people(folds, total)))


def _student(mean: float, parts: Sequence[_Component]) -> tuple[float, float, float]:
    """Interval and p by Student's t, of variances that add up."""
    variance = sum(part.variance for part in parts)
    if variance <= 0:  # the same answers in each run and of each person
        return mean, mean, float(mean == 0)
    spread = sum(part.variance**2 / part.freedom for part in parts)
    freedom = variance**2 / spread
    deviation = math.sqrt(variance)
    reach = float(stats.t.ppf((1 + _LEVEL) / 2, freedom)) * deviation
    p = 2 * float(stats.t.sf(abs(mean) / deviation, freedom))
    return mean - reach, mean + reach, p


def _of_runs_and_people(folds: Sequence[FoldCounts], total: float) -> list[_Component]:
    """Components of the variance where each method has several runs in each fold."""
    runs, people, doubled = [], [], []
    for fold in folds:
        people.append(_of_people(fold, total))
        for right in (fold.ours, fold.theirs):
            runs.append(_of_runs(right, total))
            doubled.append(_of_residuals(right, fold.clips, total))
    of_runs, of_people, twice = (
        sum(part.variance for part in parts) for parts in (runs, people, doubled)
    )
    # A source whose estimate is negative is left out: it is not larger than noise.
    if of_people <= twice:
        return runs
    if of_runs < twice:
        return people
    negative = [_Component(-part.variance, part.freedom) for part in doubled]
    return [*runs, *people, *negative]


def _of_runs(right: np.ndarray, total: float) -> _Component:
    """Variance of a method's mean over its runs in a fold."""
    count = len(right)
    scores = right.sum(axis=1) / total
    return _Component(float(scores.var(ddof=1)) / count, count - 1)


def _of_people(fold: FoldCounts, total: float) -> _Component:
    """Variance of a fold's difference over its people, noise of runs in it."""
    clips, count = fold.clips, len(fold.clips)
    weights = clips / total
    found = (fold.ours.mean(axis=0) - fold.theirs.mean(axis=0)) / np.maximum(clips, 1)
    away = weights * (found - np.average(found, weights=weights))
    return _Component(float(away @ away) * count / (count - 1), count - 1)


def _of_residuals(right: np.ndarray, clips: np.ndarray, total: float) -> _Component:
    """The noise of single answers, which `_of_runs` and `_of_people` both hold."""
    runs, people = right.shape
    weights = clips / total
    scores = right / np.maximum(clips, 1)
    of_run = np.average(scores, axis=1, weights=weights)
    away = scores - of_run[:, None] - scores.mean(axis=0) + of_run.mean()
    freedom = (runs - 1) * (people - 1)
    squares = float(((weights * away) ** 2).sum())
    return _Component(squares * people / (runs * freedom), freedom)


def _of_folds(
    means: Sequence[float], shares: Sequence[float], mean: float
) -> _Component:
    """Variance of a mean over folds, each with people and runs of its own."""
    count = len(means)
    away = np.asarray(shares) * (np.asarray(means) - mean)
    return _Component(float(away @ away) * count / (count - 1), count - 1)


def _mean(fold: FoldCounts) -> float:
    """Difference of the accuracies in a fold."""
    clips = max(float(fold.clips.sum()), 1.0)
    ours, theirs = (right.sum(axis=1).mean() for right in (fold.ours, fold.theirs))
    return float(ours - theirs) / clips
