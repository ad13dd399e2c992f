"""Landmark schemes, and what each of them says of the 68 points of Multi-PIE.

`FACE_POINTS` rows: the 68 (Gross et al., "Multi-PIE", 2010, as 300-W numbers them from
0), then both sides of the nose's saddle, which some schemes have in place of its ridge.
Left and right are the face's own. What a scheme does not have is not known: NaN, never
a guess.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from smile_jax.mesh.landmarks import Landmarks
from smile_jax.mesh.types import MeshError

FACE_POINTS = 70
SADDLE_RIGHT, SADDLE_LEFT = 68, 69

FacePoints = Float[np.ndarray, "70 3"]

# Bosphorus' labels, in lower case; "peaks" are the nostrils' outer ends.
_BOSPHORUS = {
    "outer right eyebrow": 17,
    "middle of the right eyebrow": 19,
    "inner right eyebrow": 21,
    "inner left eyebrow": 22,
    "middle of the left eyebrow": 24,
    "outer left eyebrow": 26,
    "outer right eye corner": 36,
    "inner right eye corner": 39,
    "inner left eye corner": 42,
    "outer left eye corner": 45,
    "nose saddle right": SADDLE_RIGHT,
    "nose saddle left": SADDLE_LEFT,
    "right nose peak": 31,
    "nose tip": 30,
    "left nose peak": 35,
    "right mouth corner": 48,
    "upper lip outer middle": 51,
    "left mouth corner": 54,
    "upper lip inner middle": 62,
    "lower lip inner middle": 66,
    "lower lip outer middle": 57,
    "chin middle": 8,
}

# Rows of MediaPipe's 478 (468 without the irises) that lie where the 68 do. From memory
# of a table that is in common use.
_MEDIAPIPE = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152),
    *(377, 378, 365, 397, 288, 323, 454, 389),
    *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)  # fmt: skip

# The 49 are the 68 without jaw line and inner corners of the mouth.
INNER_49 = tuple(i for i in range(17, 68) if i not in (60, 64))


def face_points(landmarks: Landmarks) -> FacePoints:
    """The points of a face that a scheme has, at their places among `FACE_POINTS`.

    Args:
      landmarks: in three dimensions, of a scheme of `SCHEMES`.

    Raises:
      MeshError: the scheme is not known, or has another number of points.
    """
    if landmarks.scheme not in SCHEMES:
        raise MeshError(
            f"landmarks of the scheme {landmarks.scheme!r} say nothing of a face's "
            f"points; known: {', '.join(SCHEMES)}"
        )
    points = np.asarray(landmarks.points, np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise MeshError(f"landmarks of {points.shape} are not in three dimensions")
    if landmarks.valid is not None:
        points = np.where(np.asarray(landmarks.valid)[:, None], points, np.nan)
    found = np.full((FACE_POINTS, 3), np.nan)
    SCHEMES[landmarks.scheme](found, points, landmarks)
    return found


def bosphorus_labels(points: np.ndarray) -> dict[str, np.ndarray]:
    """Returns Multi-PIE's points that Bosphorus has, by lower-case label."""
    return {label: points[row] for label, row in _BOSPHORUS.items() if row < 68}


def _by_rows(*rows: int) -> Callable:
    """A scheme whose i-th point is at `rows[i]`."""

    def place(found: FacePoints, points: np.ndarray, landmarks: Landmarks) -> None:
        _check_count(points, (len(rows),), landmarks.scheme)
        found[list(rows)] = points

    return place


def _mediapipe(found: FacePoints, points: np.ndarray, landmarks: Landmarks) -> None:
    _check_count(points, (468, 478), landmarks.scheme)
    found[:68] = points[list(_MEDIAPIPE)]


def _bosphorus(found: FacePoints, points: np.ndarray, landmarks: Landmarks) -> None:
    for label, point in zip(landmarks.labels, points, strict=True):
        if (row := _BOSPHORUS.get(label.lower())) is not None:
            found[row] = point


def _check_count(points: np.ndarray, counts: tuple[int, ...], scheme: str) -> None:
    if len(points) not in counts:
        wanted = " or ".join(map(str, counts))
        raise MeshError(f"{len(points)} landmarks, {scheme!r} has {wanted}")


def _binghamton(found: FacePoints, points: np.ndarray, landmarks: Landmarks) -> None:
    """83 points: eyes 8 each, brows 10 each, nose 12, mouth 20, face 15, by contour.

    Rows of the contours are from memory, and which point of one is which is not known:
    they are told by where they lie, in axes of the face, so that order and side may be
    any.
    """
    _check_count(points, (83,), landmarks.scheme)
    eyes, brows = (points[0:8], points[8:16]), (points[16:26], points[26:36])
    nose, mouth, face = points[36:48], points[48:68], points[68:83]
    middles = [eye.mean(axis=0) for eye in eyes]
    if middles[0][0] > middles[1][0]:  # the face's right is where x is smaller
        eyes, middles = eyes[::-1], middles[::-1]
    left = middles[1] - middles[0]
    up = (middles[0] + middles[1]) / 2 - mouth.mean(axis=0)
    left = left / np.linalg.norm(left)
    up = up - (up @ left) * left
    axes = np.stack([left, up / np.linalg.norm(up)], axis=1)
    if brows[0].mean(axis=0) @ left > brows[1].mean(axis=0) @ left:
        brows = brows[::-1]

    _contour(found, eyes[0], axes, (36, 39), (37, 38), (41, 40))
    _contour(found, eyes[1], axes, (42, 45), (43, 44), (47, 46))
    for brow, rows in zip(brows, (range(17, 22), range(22, 27)), strict=True):
        _, above, below = _halves(brow, axes)
        places = (0, 1 / 4, 1 / 2, 3 / 4, 1)
        found[list(rows)] = (_at(above, axes, places) + _at(below, axes, places)) / 2
    across, height = (nose @ axes).T
    order = np.argsort(height)
    low, high = order[: len(order) // 2], order[-2:]
    found[31], found[35] = (nose[low[pick(across[low])]] for pick in _ENDS)
    found[SADDLE_RIGHT], found[SADDLE_LEFT] = (
        nose[high[pick(across[high])]] for pick in _ENDS
    )
    lower = (59, 58, 57, 56, 55)
    _contour(found, mouth[:12], axes, (48, 54), (49, 50, 51, 52, 53), lower)
    _contour(found, mouth[12:], axes, (60, 64), (61, 62, 63), (67, 66, 65))
    found[8] = face[np.argmin(face @ axes[:, 1])]


_ENDS = (np.argmin, np.argmax)  # of what lies across: the right one, the left one


def _contour(
    found: FacePoints,
    contour: np.ndarray,
    axes: np.ndarray,
    ends: tuple[int, int],
    upper: tuple[int, ...],
    lower: tuple[int, ...],
) -> None:
    """Places a closed contour's ends, and points over its halves, right to left."""
    corners, above, below = _halves(contour, axes)
    found[list(ends)] = corners
    places = tuple(i / (len(upper) + 1) for i in range(1, len(upper) + 1))
    found[list(upper)] = _at(above, axes, places)
    found[list(lower)] = _at(below, axes, places)


def _halves(contour: np.ndarray, axes: np.ndarray) -> tuple[np.ndarray, ...]:
    """(both ends, upper and lower chain from end to end) of a closed contour."""
    across, height = (contour @ axes).T
    ends = [int(np.argmin(across)), int(np.argmax(across))]
    chord = np.interp(across, across[ends], height[ends])
    rest = np.delete(np.arange(len(contour)), ends)
    # A shut mouth's contour is a line: its order is all that tells upper from lower.
    ranked = rest[np.argsort(height[rest] - chord[rest])]
    below, above = ranked[: len(rest) // 2], ranked[len(rest) // 2 :]
    chains = []
    for chosen in (above, below):
        chain = [ends[0], *chosen[np.argsort(across[chosen])], ends[1]]
        chains.append(contour[chain])
    return contour[ends], *chains


def _at(chain: np.ndarray, axes: np.ndarray, places: tuple[float, ...]) -> np.ndarray:
    """Points at shares of the way across a chain."""
    across = chain @ axes[:, 0]
    at = across[0] + (across[-1] - across[0]) * np.asarray(places)
    return np.stack([np.interp(at, across, chain[:, k]) for k in range(3)], axis=1)


SCHEMES: dict[str, Callable] = {
    "multipie68": _by_rows(*range(68)),
    "multipie49": _by_rows(*INNER_49),
    "binghamton83": _binghamton,
    "bosphorus": _bosphorus,
    "mediapipe": _mediapipe,
}
