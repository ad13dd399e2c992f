"""Pigments of heads that come without albedo, painted by their landmarks."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from smile_jax.faces.families.face_model import EYES, MOUTH, SKIN, TEETH

MOUTH_COLOR, GUMS_COLOR = (0.35, 0.12, 0.12), (0.6, 0.25, 0.25)
TEETH_COLOR, EYE_COLOR = (0.9, 0.88, 0.8), (0.9, 0.9, 0.88)
_IRIS_COLOR, _PUPIL_COLOR = (0.3, 0.2, 0.12), (0.03, 0.03, 0.03)
_IRIS_MM, _PUPIL_MM = 5.8, 2.2  # radii
_BROW_MM, _LIP_MM, _INNER_LIP_MM = 3.5, 3.0, 4.0


def paint_eyeball(
    colors: Float32[np.ndarray, "k 3"], points: Float32[np.ndarray, "k 3"]
) -> None:
    """Paints iris and pupil of one eye, looking along z; a clear cornea covers them."""
    center = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = np.linalg.norm((points - center)[:, :2], axis=1)
    front = points[:, 2] > center[2]
    colors[front & (radius < _IRIS_MM)] = _IRIS_COLOR
    colors[front & (radius < _PUPIL_MM)] = _PUPIL_COLOR


def paint_head(
    mean: Float32[np.ndarray, "n 3"],
    parts: UInt8[np.ndarray, "n"],
    eyeballs: Sequence[Bool[np.ndarray, "n"]],
    landmarks: Int32[np.ndarray, "68"],
) -> dict[str, np.ndarray]:
    """Pigment weights and fixed colours of a head, as fields of `FaceModel`.

    Args:
      mean: mm.
      parts: of the points.
      eyeballs: which points are of each.
      landmarks: of the head.
    """
    skin = (parts == SKIN).astype(np.float32)
    colors = np.empty((len(mean), 3), np.float32)
    for part, color in (
        (SKIN, MOUTH_COLOR),
        (MOUTH, MOUTH_COLOR),
        (TEETH, TEETH_COLOR),
        (EYES, EYE_COLOR),
    ):
        colors[parts == part] = color
    for eye in eyeballs:
        painted = colors[eye]
        paint_eyeball(painted, mean[eye])
        colors[eye] = painted
    lips, brows = lips_and_brows(mean, skin, landmarks)
    return {"skin": skin, "lips": lips, "brows": brows, "base_colors": colors}


def lips_and_brows(
    mean: Float32[np.ndarray, "n 3"],
    skin: Float32[np.ndarray, "n"],
    landmarks: Int32[np.ndarray, "68"],
) -> tuple[Float32[np.ndarray, "n"], Float32[np.ndarray, "n"]]:
    """Weights of lips and brows in [0, 1], along the landmarks' lines."""
    face = mean * skin[:, None] + 1e6 * (1 - skin[:, None])
    brows = np.maximum(
        _near_polyline(face, mean[landmarks[17:22]], _BROW_MM),
        _near_polyline(face, mean[landmarks[22:27]], _BROW_MM),
    )
    outer, inner = mean[landmarks[48:60]], mean[landmarks[60:68]]
    lips = np.zeros(len(mean), np.float32)
    for half in (slice(0, 7), slice(6, 12)):
        lips = np.maximum(lips, _near_polyline(face, outer[half], _LIP_MM))
    lips = np.maximum(lips, _near_polyline(face, inner, _INNER_LIP_MM))
    return lips * skin, brows * skin


def _near_polyline(points: np.ndarray, line: np.ndarray, radius: float) -> np.ndarray:
    """Soft weight in [0, 1], 1/2 at `radius` mm from the line."""
    nearest = np.full(len(points), np.inf)
    for a, b in itertools.pairwise(line):
        along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        gap = np.linalg.norm(points - a - along[:, None] * (b - a), axis=1)
        nearest = np.minimum(nearest, gap)
    return (1 / (1 + (nearest / radius) ** 6)).astype(np.float32)
