"""The mean face of the families, and how it is laid onto landmarks.

Lengths of the template are millimetres of a face of average size: 89 mm between the
outer corners of its eyes.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from smile_jax.mesh.pose import Pose, pose_at
from smile_jax.mesh.types import MeshError

# The 68 points from the nose's tip, in the axes that `pose_of` gives: the mean of the
# four families' mean heads, made symmetric.
TEMPLATE = np.array(
    [
        (-71.4, 29.2, -91.7), (-70.6, 9.3, -85.5), (-67.4, -10.1, -79.5),
        (-63.4, -28.2, -76.2), (-55.3, -51.1, -75.9), (-41.4, -66.0, -62.9),
        (-29.4, -73.4, -50.0), (-15.8, -76.4, -37.3), (0.0, -79.4, -34.6),
        (15.8, -76.4, -37.3), (29.4, -73.4, -50.0), (41.4, -66.0, -62.9),
        (55.3, -51.1, -75.9), (63.4, -28.2, -76.2), (67.4, -10.1, -79.5),
        (70.6, 9.3, -85.5), (71.4, 29.2, -91.7), (-54.1, 49.9, -51.9),
        (-46.8, 55.2, -42.7), (-35.0, 57.6, -34.0), (-24.1, 57.5, -29.0),
        (-10.1, 53.2, -26.2), (10.1, 53.2, -26.2), (24.1, 57.5, -29.0),
        (35.0, 57.6, -34.0), (46.8, 55.2, -42.7), (54.1, 49.9, -51.9),
        (0.0, 34.3, -24.6), (0.0, 22.8, -16.7), (0.0, 12.6, -9.0),
        (0.0, 0.0, 0.0), (-12.5, -13.4, -20.1), (-6.5, -13.5, -15.3),
        (0.0, -14.8, -15.1), (6.5, -13.5, -15.3), (12.5, -13.4, -20.1),
        (-44.5, 32.4, -45.0), (-37.7, 36.5, -38.7), (-27.4, 37.5, -36.9),
        (-17.8, 31.0, -36.8), (-26.7, 28.5, -35.9), (-37.1, 28.2, -38.5),
        (17.8, 31.0, -36.8), (27.4, 37.5, -36.9), (37.7, 36.5, -38.7),
        (44.5, 32.4, -45.0), (37.1, 28.2, -38.5), (26.7, 28.5, -35.9),
        (-24.4, -35.6, -28.3), (-16.3, -29.2, -19.2), (-7.3, -25.6, -15.0),
        (0.0, -26.9, -13.4), (7.3, -25.6, -15.0), (16.3, -29.2, -19.2),
        (24.4, -35.6, -28.3), (17.7, -41.4, -23.0), (8.8, -44.9, -19.5),
        (0.0, -45.4, -18.0), (-8.8, -44.9, -19.5), (-17.7, -41.4, -23.0),
        (-21.3, -35.4, -28.2), (-8.6, -34.4, -21.0), (0.0, -34.4, -19.5),
        (8.6, -34.4, -21.0), (21.3, -35.4, -28.2), (9.8, -35.1, -21.3),
        (0.0, -35.1, -19.7), (-9.8, -35.1, -21.3),
    ]
)  # fmt: skip
# The point on the other side of the face.
MIRROR = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48,
    59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
)  # fmt: skip

NOSE_TIP = 30
_ROUNDS = 6
_OUTLYING = 5.0  # mm, beyond which a landmark counts half
# Lips and chin move, the jaw line is cut or hidden: how much parts of a face count.
_COUNTS = np.concatenate(
    [np.full(17, 0.2), np.full(10, 0.7), np.ones(21), np.full(20, 0.5)]
)
_FEWEST = 6  # landmarks that fix a face


@dataclasses.dataclass(frozen=True)
class TemplateFit:
    """Where the template lies: point = scale * template @ rotation.T + tip.

    Attributes:
      rotation: (3, 3) from the face's axes to the scan's, for column vectors.
      tip: (3,) of the nose.
      scale: units of the scan a millimetre of an average face.
      misfit_mm: median distance of landmarks from it, in millimetres of that face.
    """

    rotation: Float[np.ndarray, "3 3"]
    tip: Float[np.ndarray, "3"]
    scale: float
    misfit_mm: float


def pose_by_landmarks(points: Float[np.ndarray, "68 3"]) -> Pose:
    """Returns a head's pose by landmarks that came with it, in mm, as found ones give.

    Raises:
      MeshError: too few of them are known.
    """
    fit = fit_template(points, np.ones(len(points)))
    if fit is None:
        raise MeshError("too few of its landmarks are known")
    known = np.isfinite(points[NOSE_TIP]).all()
    tip = points[NOSE_TIP].astype(np.float64) if known else fit.tip
    return pose_at(fit.rotation, tip)


def fit_template(
    points: Float[np.ndarray, "68 3"], weights: Float[np.ndarray, "68"]
) -> TemplateFit | None:
    """Lays the template onto landmarks by a similarity (Umeyama, PAMI 1991), robustly.

    Args:
      points: in any unit; NaN where not known.
      weights: at least 0.

    Returns:
      None where too few points are known.
    """
    known = np.isfinite(points).all(axis=1) & (weights > 0)
    if known.sum() < _FEWEST:
        return None
    moving, fixed = TEMPLATE[known], points[known].astype(np.float64)
    base = (weights * _COUNTS)[known]
    share = base
    for _ in range(_ROUNDS):
        share = share / share.sum()
        from_, to = share @ moving, share @ fixed
        p, q = moving - from_, fixed - to
        u, singular, v = np.linalg.svd(q.T @ (share[:, None] * p))
        signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
        rotation = (u * signs) @ v
        spread = (share * (p**2).sum(axis=1)).sum()
        scale = float((singular * signs).sum() / spread)
        if not scale > 0:
            return None
        apart = np.linalg.norm(q - scale * p @ rotation.T, axis=1) / scale
        share = base / (1 + (apart / _OUTLYING) ** 2)
    tip = to - scale * rotation @ from_
    return TemplateFit(rotation, tip, scale, float(np.median(apart)))
