"""Consensus of several guesses of one point."""

import numpy as np
from jaxtyping import Float

_TOLERANCE_MM = 4.0  # guesses so far from the others count half
_ROUNDS = 10


def robust_means(
    guesses: Float[np.ndarray, "V L 3"], weights: Float[np.ndarray, "V L"]
) -> tuple[Float[np.ndarray, "L 3"], Float[np.ndarray, "V L"]]:
    """Robust means over V guesses of L points (Cauchy weights).

    Args:
      guesses: in mm; NaN where there is none.
      weights: at least 0; where all are 0, so is the point NaN.

    Returns:
      The points, and how much each guess counts: from 1 where it is at the point to 0.
    """
    known = np.isfinite(guesses).all(axis=-1)
    weights = np.where(known, weights, 0.0)
    filled = np.where(known[..., None], guesses, 0.0)
    # From the guess that the others support most, not from a mean that one can pull.
    apart = np.linalg.norm(filled[:, None] - filled[None], axis=-1)
    support = (weights[None] * _counts(apart)).sum(axis=1) * (weights > 0)
    first = np.argmax(support, axis=0)
    points = np.take_along_axis(filled, first[None, :, None], axis=0)[0]
    for _ in range(_ROUNDS):
        counts = _counts(np.linalg.norm(filled - points, axis=-1))
        share = (weights * counts)[..., None]
        points = (share * filled).sum(axis=0) / np.maximum(share.sum(axis=0), 1e-12)
    nowhere = weights.sum(axis=0) <= 0
    points[nowhere] = np.nan
    return points, np.where(known & ~nowhere, counts, 0.0)


def _counts(apart: np.ndarray) -> np.ndarray:
    return 1 / (1 + (apart / _TOLERANCE_MM) ** 2)
