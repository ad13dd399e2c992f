"""Captions from geometry: what a face does against its first frame, in FACS' words.

No label goes in: displacements of meshes in correspondence are measured in millimetres
and become phrases. Measures and thresholds are this project's choice, tuned on
ICT-FaceKit people other than those of the tests; docs/text.md has precision and recall.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from smile_jax.mesh.types import Mesh, MeshError

NEUTRAL = "a face at rest"

# Of the 68 Multi-PIE landmarks: nose bridge and eye corners hold still.
_STILL = (27, 28, 29, 36, 39, 42, 45)
_EYE_CORNERS_MM = 89.0  # lengths are scaled to this distance of the outer ones
_CHEEK_MM = 7.0  # radius of the region that is a cheek

Measures = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Phrase:
    """A phrase, the action units that it tells of, and when it is said."""

    text: str
    actions: frozenset[str]
    amount: Callable[[Measures], float]  # mm
    threshold: float  # mm


def _phrase(
    text: str, actions: str, threshold: float, amount: Callable[[Measures], float]
) -> Phrase:
    return Phrase(text, frozenset(actions.split()), amount, threshold)


# Upwards and outwards are positive. What another action moves along is subtracted.
PHRASES = (
    _phrase("inner brows raised", "AU1", 1.0, lambda m: m["inner"] - 0.58 * m["outer"]),
    _phrase("outer brows raised", "AU2", 0.7, lambda m: m["outer"] - 0.29 * m["inner"]),
    _phrase("brows drawn together", "AU4", 0.8, lambda m: -m["brow_out"]),
    _phrase("upper eyelids raised", "AU5", 0.7, lambda m: m["upper_lid"]),
    _phrase(
        "eyes narrowed", "AU6 AU7", 0.3, lambda m: m["lower_lid"] - 0.17 * m["ala"]
    ),
    _phrase(
        "cheeks raised",
        "AU6 AU9 AU10 AU12",
        2.0,
        lambda m: m["cheek"],
    ),
    _phrase(
        "nose wrinkled",
        "AU9",
        7.5,
        lambda m: m["cheek"] + m["ala"] - m["inner"] - 0.5 * m["corner"],
    ),
    _phrase(
        "upper lip raised",
        "AU9 AU10 AU25",
        0.6,
        lambda m: m["upper_lip"] - 0.17 * m["corner"],
    ),
    _phrase("lip corners pulled up", "AU12", 2.5, lambda m: _smile(m)),
    _phrase(
        "lip corners pulled down",
        "AU15",
        1.1,
        lambda m: 0.48 * min(m["chin"], 0) - m["corner"] - 0.47 * m["corner_out"],
    ),
    _phrase(
        "lips stretched sideways",
        "AU20",
        3.5,
        lambda m: m["corner_out"] if _smile(m) < 2.5 else 0.0,
    ),
    _phrase("lips pressed together", "AU17 AU24", 0.6, lambda m: -m["mouth_height"]),
    _phrase("chin raised", "AU17", 2.2, lambda m: m["chin_boss"]),
    _phrase("lips parted", "AU9 AU10 AU25 AU26", 2.8, lambda m: m["gap"]),
    _phrase("jaw dropped", "AU26", 5.0, lambda m: -m["chin"]),
)


def _smile(m: Measures) -> float:
    """Corners that go up on their own and outwards."""
    return min(m["corner"] - 0.9 * m["upper_lip"], 2 * m["corner_out"])


def caption(measures: Measures) -> str:
    """The phrases that hold, in a fixed order, joined by commas.

    Example:
      >>> caption(measure_motion(frames[0], frames[12]))
      'lip corners pulled up, cheeks raised'
    """
    held = [p.text for p in PHRASES if p.amount(measures) > p.threshold]
    return ", ".join(held) or NEUTRAL


def largest_motion(measured: Sequence[Measures]) -> Measures:
    """The measures of the frame that moved most: the apex."""
    return max(measured, key=lambda m: sum(value * value for value in m.values()))


class Motion:
    """Measures frames against the first one.

    Args:
      first: a face at rest with the 68 Multi-PIE landmarks.

    Raises:
      MeshError: it has other landmarks.
    """

    def __init__(self, first: Mesh) -> None:
        if first.landmarks is None or len(first.landmarks) != 68:
            found = 0 if first.landmarks is None else len(first.landmarks)
            raise MeshError(
                f"captions need the 68 Multi-PIE landmarks; the mesh has {found}"
            )
        self._vertices = first.vertices.astype(np.float64)
        self._landmarks = first.landmarks.astype(np.float64)
        self._axes = _face_axes(self._landmarks)
        width = np.linalg.norm(self._landmarks[45] - self._landmarks[36])
        self._scale = _EYE_CORNERS_MM / width
        self._cheeks = np.concatenate(
            [self._cheek(lid, lip) for lid, lip in ((41, 48), (46, 54))]
        )

    def measure(self, frame: Mesh) -> dict[str, float]:
        """Movements in mm of a face of average size; up and outwards are positive.

        Raises:
          MeshError: the frame is not in correspondence with the first.
        """
        if len(frame.vertices) != len(self._vertices) or frame.landmarks is None:
            raise MeshError(
                "captions need meshes in correspondence: the first frame has "
                f"{len(self._vertices)} points, this one {len(frame.vertices)}"
            )
        still = list(_STILL)
        now = frame.landmarks.astype(np.float64)
        origin, target = (x[still].mean(axis=0) for x in (now, self._landmarks))
        turn, _ = Rotation.align_vectors(
            self._landmarks[still] - target, now[still] - origin
        )

        def moved(points: np.ndarray, before: np.ndarray) -> np.ndarray:
            motion = turn.apply(points - origin) + target - before
            return motion @ self._axes * self._scale

        cheek = moved(frame.vertices[self._cheeks], self._vertices[self._cheeks])
        return _measures(moved(now, self._landmarks), cheek)

    def _cheek(self, lid: int, lip: int) -> np.ndarray:
        """Points between the lower eyelid and the mouth's corner."""
        center = 0.6 * self._landmarks[lid] + 0.4 * self._landmarks[lip]
        apart = (self._vertices - center) @ self._axes * self._scale
        near = np.linalg.norm(apart[:, :2], axis=1) < _CHEEK_MM
        if not near.any():
            raise MeshError("captions: no points between the eyes and the mouth")
        surface = apart[near, 2].max() - _CHEEK_MM  # not the inside of the head
        return np.flatnonzero(near & (apart[:, 2] > surface))


def _face_axes(landmarks: Float[np.ndarray, "68 3"]) -> Float[np.ndarray, "3 3"]:
    """Columns: to the face's left, up, forward."""
    left = landmarks[[42, 45]].mean(axis=0) - landmarks[[36, 39]].mean(axis=0)
    up = landmarks[[36, 39, 42, 45]].mean(axis=0) - landmarks[[48, 54]].mean(axis=0)
    left = left / np.linalg.norm(left)
    up = up - (up @ left) * left
    up = up / np.linalg.norm(up)
    return np.stack([left, up, np.cross(left, up)], axis=1)


def _measures(
    d: Float[np.ndarray, "68 3"], cheek: Float[np.ndarray, "n 3"]
) -> dict[str, float]:
    """Means over both sides of the face."""

    def up(*points: int) -> float:
        return float(d[list(points), 1].mean())

    def out(right: int, left: int) -> float:
        return float(d[left, 0] - d[right, 0]) / 2

    inner_up, inner_low = up(61, 62, 63), up(65, 66, 67)
    return {
        "inner": up(20, 21, 22, 23),
        "outer": up(17, 18, 25, 26),
        "brow_out": (out(20, 23) + out(21, 22)) / 2,
        "upper_lid": up(37, 38, 43, 44),
        "lower_lid": up(40, 41, 46, 47),
        "ala": up(31, 35),
        "cheek": float(cheek[:, 1].mean()),
        "upper_lip": up(50, 51, 52),
        "corner": up(48, 54),
        "corner_out": out(48, 54),
        "mouth_height": up(50, 51, 52) - up(56, 57, 58),
        "gap": inner_up - inner_low,
        "chin": up(7, 8, 9),
        "chin_boss": up(7, 8, 9) * 0.4 + up(56, 57, 58) * 0.6,
    }
