"""Where heads are: their eyes are where those of other families are."""

import numpy as np
from jaxtyping import Float32, UInt8

from smile_jax.faces.families.face_model import EYES

_EYES_AT_MM = np.array([0.0, 34.0, 60.0], np.float32)  # between the eyeballs


def at_the_eyes(
    points: Float32[np.ndarray, "n 3"], parts: UInt8[np.ndarray, "n"]
) -> Float32[np.ndarray, "n 3"]:
    """Moves a head in mm so that the point between its eyeballs is where it should be.

    Args:
      points: with eyeballs on both sides of x = 0.
      parts: of `FaceModel`.
    """
    eyes = points[parts == EYES]
    sides = [eyes[eyes[:, 0] > 0], eyes[eyes[:, 0] <= 0]]
    middles = [(eye.min(axis=0) + eye.max(axis=0)) / 2 for eye in sides]
    return (points - np.mean(middles, axis=0) + _EYES_AT_MM).astype(np.float32)
