"""Is one method better than another, or were these people and seeds lucky?"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of two methods' accuracies, ours less theirs.

    Attributes:
      mean: over all runs and clips.
      low, high: 95 per cent interval.
      p: two-sided, of there being no difference.
    """

    mean: float
    low: float
    high: float
    p: float


def paired_bootstrap(
    right: Float[np.ndarray, "runs people"],
    clips: Float[np.ndarray, "runs people"],
    rounds: int = 100_000,
) -> Difference:
    """Draws people, and runs, with replacement: clips of a person are not independent,
    nor are answers of one run (Efron and Tibshirani, "An Introduction to the
    Bootstrap", 1993; of two levels, Davison and Hinkley, 1997). One fewer are drawn
    than there are, which makes the variance that of a mean of so few (Rao and Wu,
    "Resampling Inference with Complex Survey Data", 1988): of three runs that would be
    a third too small. Of one run the interval is of people alone.

    Args:
      right: of each pair of runs (of one seed and fold) and each person, how many clips
        more our method had right than theirs.
      clips: how many there were; 0 where the person was not in that fold.
      rounds: of the bootstrap.
    """
    rng = np.random.default_rng(0)
    runs, people = right.shape
    drawn_runs = _counts(rng, rounds, runs)
    drawn_people = _counts(rng, rounds, people)
    hits = np.vecdot(drawn_runs @ right, drawn_people)
    total = np.vecdot(drawn_runs @ clips, drawn_people)
    found = hits / np.maximum(total, 1)
    low, high = np.quantile(found, [0.025, 0.975])
    # Add one: no number of rounds shows that something cannot be.
    tail = min((found <= 0).sum(), (found >= 0).sum()) + 1
    return Difference(
        mean=float(right.sum() / clips.sum()),
        low=float(low),
        high=float(high),
        p=float(min(2 * tail / (rounds + 1), 1.0)),
    )


def _counts(rng: np.random.Generator, rounds: int, of: int) -> np.ndarray:
    """How often each was drawn."""
    return rng.multinomial(max(of - 1, 1), [1 / of] * of, size=rounds).astype(float)


def holm(p: Sequence[float]) -> list[float]:
    """p of several comparisons such that the chance of any wrong claim is kept (Holm,
    "A Simple Sequentially Rejective Multiple Test Procedure", 1979)."""
    order = np.argsort(p)
    scaled = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(scaled), 1.0)
    found = np.empty(len(p))
    found[order] = adjusted
    return found.tolist()
