"""Movements of landmarks in mm, against the person's face at rest.

Meshes need not be in correspondence. A face is compared with a reference of the same
person, in axes of the face, after what holds still (nose and eye corners) has been laid
onto each other; so the head may move. Three things can be the reference, and which one
it was is kept with what is measured: the first frame of a sequence, the median of the
person's scans, or the face model's idea of the person at rest.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from smile_jax.faces.families.face_model import LinearFaceModel
from smile_jax.mesh.landmark_schemes import (
    SADDLE_LEFT,
    SADDLE_RIGHT,
    FacePoints,
    face_points,
)
from smile_jax.mesh.landmarks import Landmarks
from smile_jax.mesh.types import Mesh, MeshError

# What holds still while a face moves: the nose's ridge and tip, corners of the eyes.
_STILL = (27, 28, 29, 30, 36, 39, 42, 45, SADDLE_RIGHT, SADDLE_LEFT)
_EYE_CORNERS_MM = 89.0  # lengths are scaled to this distance of the outer ones
_PATCH_MM = 7.0  # radius of a region of skin whose relief is measured
# Left and right cheek: below the lid by this share of the way to the mouth's corner.
_CHEEKS, _BELOW_LID = ((47, 54), (41, 48)), 0.2
_CHEEK_MM = 40.0  # around each, of the surface that is kept
_MIN_STILL = 5  # of the points that hold still; corners of eyes alone are on a line

FIRST, PERSON, MODEL = "first frame", "person", "face model"

# Movement by name: (2,) left and right side of the face in mm; NaN where not known.
Measures = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class ScanPoints:
    """The points of one scan that are measured.

    Attributes:
      points: (70, 3) of `smile_jax.mesh.landmark_schemes`, NaN where not known.
      vertices: (n, 3) of its surface, near the cheeks.
    """

    points: FacePoints
    vertices: Float[np.ndarray, "n 3"]


def scan_points(mesh: Mesh, landmarks: Landmarks | None = None) -> ScanPoints:
    """Returns the points of a scan, by given landmarks or its own (Multi-PIE's 68).

    Raises:
      MeshError: it has none, or too few that hold still.
    """
    if landmarks is None:
        if mesh.landmarks is None:
            raise MeshError("its movements cannot be measured: it has no landmarks")
        landmarks = Landmarks(mesh.landmarks, scheme="multipie68")
    points = face_points(landmarks)
    known = np.isfinite(points[list(_STILL)]).all(axis=1).sum()
    if known < _MIN_STILL or not np.isfinite(points[[36, 45, 48, 54]]).all():
        raise MeshError(
            f"its movements cannot be measured: {known} of the {len(_STILL)} landmarks "
            f"that hold still are known, {_MIN_STILL} are needed, eyes and mouth too"
        )
    return ScanPoints(points, mesh.vertices[_near_cheeks(points, mesh.vertices)])


def _near_cheeks(points: FacePoints, vertices: np.ndarray) -> np.ndarray:
    """Which of a scan's points are looked at, whatever the face does."""
    near = np.zeros(len(vertices), bool)
    for lid, corner in _CHEEKS:
        center = points[lid] + _BELOW_LID * (points[corner] - points[lid])
        if np.isfinite(center).all():
            apart = vertices - center.astype(np.float32)
            near |= np.einsum("ij,ij->i", apart, apart) < _CHEEK_MM**2
    return near


class Reference:
    """A face at rest, against which others are measured.

    Args:
      points: of that face, in mm.
      kind: `FIRST`, `PERSON` or `MODEL`.
      scans: of that person, whose median surface is that of the cheeks; none where the
        surface at rest is not known.
    """

    def __init__(
        self, points: FacePoints, kind: str, scans: Sequence[ScanPoints]
    ) -> None:
        self.kind = kind
        self._points = points
        self._axes = _face_axes(points)
        self._scale = _EYE_CORNERS_MM / np.linalg.norm(points[45] - points[36])
        self._origin = points[list(_STILL)]
        self._at_rest = np.full(2, np.nan)
        if scans:
            reliefs = [self._relief(self._onto(scan)[1]) for scan in scans]
            self._at_rest = _median(np.stack(reliefs))

    def measure(self, scan: ScanPoints) -> Measures:
        """Measures movements in mm, scaled to a face of average size.

        Up, outwards and forwards are positive.
        """
        points, vertices = self._onto(scan)
        moved = (points - self._points) @ self._axes * self._scale
        return _measures(moved, self._relief(vertices) - self._at_rest)

    def _onto(self, scan: ScanPoints) -> tuple[np.ndarray, np.ndarray]:
        """Points and vertices of a scan, laid onto this face by what holds still."""
        turn, origin, target = aligned(scan.points, self._points)
        points = (scan.points - origin) @ turn.T + target
        return points, (scan.vertices - origin) @ turn.T + target

    def _relief(self, vertices: np.ndarray) -> np.ndarray:
        """Returns how far each cheek comes forward, at places that hold still."""
        found = np.full(2, np.nan)
        for side, (lid, corner) in enumerate(_CHEEKS):
            down = self._points[corner] - self._points[lid]
            center = self._points[lid] + _BELOW_LID * down
            if not np.isfinite(center).all():
                continue
            apart = (vertices - center) @ self._axes * self._scale
            near = np.linalg.norm(apart[:, :2], axis=1) < _PATCH_MM
            if not near.any():
                continue
            apart = apart[near]
            surface = apart[apart[:, 2] > apart[:, 2].max() - _PATCH_MM]
            columns = np.column_stack([surface[:, :2], np.ones(len(surface))])
            if len(surface) > 5:  # a plane, read at the centre
                found[side] = np.linalg.lstsq(columns, surface[:, 2], rcond=None)[0][2]
        return found


def first_frame(scan: ScanPoints) -> Reference:
    """A sequence begins at rest."""
    return Reference(scan.points, FIRST, [scan])


def person_at_rest(scans: Sequence[ScanPoints]) -> Reference:
    """Returns the median of a person's scans, whatever they show.

    No label says which one is neutral.

    Raises:
      MeshError: fewer than three, of which there is no median to trust.
    """
    if len(scans) < 3:
        raise MeshError(
            f"{len(scans)} scans of this person: at rest a face is the median of at "
            "least three"
        )
    middle = scans[0].points
    for _ in range(3):
        laid = []
        for scan in scans:
            turn, origin, target = aligned(scan.points, middle)
            laid.append((scan.points - origin) @ turn.T + target)
        middle = _median(np.stack(laid))
    return Reference(middle, PERSON, scans)


def modelled_at_rest(scan: ScanPoints, model: LinearFaceModel) -> Reference:
    """The model's face of this person with the expression taken off.

    Identity and actions are fitted to the landmarks together, by least squares with
    both held near to none (one standard deviation, full activation); what the actions
    do not explain is the person. One scan is enough, and who has a face far from the
    model's is measured badly.
    """
    points = model.mean[model.landmarks].astype(np.float64)
    modes = model.identity[:, model.landmarks].astype(np.float64)
    actions = np.stack([a[model.landmarks] for a in model.actions.values()])
    padded = np.full_like(scan.points, np.nan)
    padded[: len(points)] = points
    known = np.isfinite(scan.points[: len(points)]).all(axis=1)
    rest = padded.copy()
    basis = np.concatenate([modes, actions.astype(np.float64)])
    for _ in range(3):
        turn, origin, target = aligned(scan.points, rest)
        laid = (scan.points - origin) @ turn.T + target
        columns = basis[:, known].reshape(len(basis), -1).T
        wanted = (laid[: len(points)] - points)[known].ravel()
        pull = np.diag([1.0] * len(modes) + [4.0] * len(actions))
        solved = np.linalg.solve(columns.T @ columns + pull, columns.T @ wanted)
        person = np.tensordot(solved[: len(modes)], modes, axes=1)
        rest[: len(points)] = points + person
    return Reference(rest, MODEL, [])


def aligned(moving: FacePoints, fixed: FacePoints) -> tuple[np.ndarray, ...]:
    """(rotation, its centre, where that goes) that lays still points onto others."""
    still = list(_STILL)
    known = np.isfinite(moving[still] + fixed[still]).all(axis=1)
    if known.sum() < 3:
        raise MeshError("too few landmarks that hold still are known of both faces")
    p, q = moving[still][known], fixed[still][known]
    origin, target = p.mean(axis=0), q.mean(axis=0)
    turn, _ = Rotation.align_vectors(q - target, p - origin)
    return turn.as_matrix(), origin, target


def _median(values: np.ndarray) -> np.ndarray:
    """Over the first axis, of what is known."""
    known = np.isfinite(values).any(axis=0)
    filled = np.where(known, values, 0.0)
    return np.where(known, np.nanmedian(filled, axis=0), np.nan)


def _face_axes(points: FacePoints) -> Float[np.ndarray, "3 3"]:
    """Columns: to the face's left, up, forward."""
    corners = points[[36, 39, 42, 45]]
    left = np.nanmean(corners[2:], axis=0) - np.nanmean(corners[:2], axis=0)
    up = np.nanmean(corners, axis=0) - points[[48, 54]].mean(axis=0)
    left = left / np.linalg.norm(left)
    up = up - (up @ left) * left
    up = up / np.linalg.norm(up)
    return np.stack([left, up, np.cross(left, up)], axis=1)


def _measures(d: FacePoints, cheeks: np.ndarray) -> Measures:
    """Movements by name, left and right."""

    def up(left: tuple[int, ...], right: tuple[int, ...]) -> np.ndarray:
        return np.array([_mean(d[list(side), 1]) for side in (left, right)])

    def out(left: tuple[int, ...], right: tuple[int, ...]) -> np.ndarray:
        return np.array([_mean(d[list(left), 0]), -_mean(d[list(right), 0])])

    upper_lip, lower_lip = up((51, 52), (50, 51)), up((56, 57), (57, 58))
    inner_up, inner_low = up((62, 63), (61, 62)), up((65, 66), (66, 67))
    chin = up((7, 8, 9), (7, 8, 9))
    return {
        "inner": up((22, 23), (20, 21)),
        "outer": up((25, 26), (17, 18)),
        "brow_out": out((22, 23), (20, 21)),
        "upper_lid": up((43, 44), (37, 38)),
        "lower_lid": up((46, 47), (40, 41)),
        "ala": up((35,), (31,)),
        "cheek": cheeks,
        "upper_lip": upper_lip,
        "corner": up((54,), (48,)),
        "corner_out": out((54,), (48,)),
        "mouth_height": upper_lip - lower_lip,
        "gap": inner_up - inner_low,
        "chin": chin,
        "chin_boss": 0.4 * chin + 0.6 * lower_lip,
    }


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
