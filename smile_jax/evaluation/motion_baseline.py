"""The motion baseline: how far each region of the face moved, without any picture."""

import numpy as np
from jaxtyping import Float, Int

from smile_jax.mesh.displacement import motion_of


def motion_features(
    motion: Float[np.ndarray, "n t regions"], numbers: Int[np.ndarray, "n t"]
) -> Float[np.ndarray, "n f"]:
    """Returns features of n clips by their `motion` alone, in mm.

    Each region at the frame of most motion and on the mean, and quantiles of the whole
    face over time.

    Args:
      motion: of records.
      numbers: of their frames, -1 where there is none.
    """
    rows = []
    for regions, frames in zip(motion, numbers, strict=True):
        regions = regions[frames >= 0]
        whole = motion_of(regions)
        over_time = np.quantile(whole, (0, 0.25, 0.5, 0.75, 0.9, 1))
        rows.append([*regions[whole.argmax()], *regions.mean(axis=0), *over_time])
    return np.log1p(np.asarray(rows, np.float32))
