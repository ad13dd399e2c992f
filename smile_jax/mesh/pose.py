"""Frontalisation: turning a scan to face the viewer, with landmarks or without.

Raw scans are as the person sat. Without landmarks, yaw and roll come from the face's
plane of symmetry and pitch from the lie of the face around the nose; every constant is
this project's choice, tuned on scans made from ICT-FaceKit heads of known pose.
Lengths are millimetres.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Float32
from scipy.spatial import KDTree
from scipy.spatial.transform import Rotation

from smile_jax.mesh.ball_means import ball_means
from smile_jax.mesh.cameras import Framing, used_points
from smile_jax.mesh.face_crop import Ball
from smile_jax.mesh.nose_tip import top_of_nose
from smile_jax.mesh.pitch_fit import fit_lean
from smile_jax.mesh.raster import vertex_normals
from smile_jax.mesh.types import Mesh, MeshError

# The face in its own axes: from the nose tip to the middle of the picture, its size.
_CENTER_FROM_TIP = np.array([0.0, -6.0, -36.0])
_EXTENT = 190.0

_CELL = 4.0  # scans are thinned to one point a cell
_APART = 50.0  # lie two guesses at the nose tip
_NOSE_RADIUS = 25.0  # of the neighbourhood above which the nose rises
_FACE_RADIUS = 75.0  # of the region that is symmetric
_PITCH_RADIUS = 85.0
_RIDGE = 5.0  # half width of what lies on the plane of symmetry
_OUTLYING = 6.0  # mm, off the plane through a face
_STILL = 5e-4  # radians, a turn after which no other follows
_ONE_IN = 3  # cells of the face, that are aligned to its mirror image
_STEEPEST = 0.5  # cosine of the largest angle between nose and +z
_SYMMETRIC = 3.0  # mm, mean misfit of a face and its mirror image
_SURE = 1.8  # mm, a misfit with which one need not look for another plane
_SAME_PLANE = 0.9998  # cosine of 1 degree: two starts led to the same
_OFF_PLANE = 12.0  # mm, a nose tip lies no farther from the plane of symmetry
_AS_STEEP = 0.7  # what rises by this share of the steepest may be the nose
# In a frontal face the line from the middle of the mouth's corners up to the eyes leans
# back by this angle.
_EYES_MOUTH_TILT_DEG = 10.6


@dataclasses.dataclass(frozen=True)
class Pose:
    """The rotation of a head to the front, and where its face is then.

    Attributes:
      rotation: (3, 3) from the face's axes to the scan's, for column vectors.
      framing: of the face after `frontalize`.
    """

    rotation: Float32[np.ndarray, "3 3"]
    framing: Framing

    @property
    def turned_deg(self) -> float:
        """How far the head is off the front."""
        return degrees_between(np.eye(3), self.rotation.astype(np.float64))


@dataclasses.dataclass(frozen=True)
class Placement:
    """How a head is shown.

    Attributes:
      pose: by which it is turned to the front; None: it stays as it is.
      framing: of its pictures, once it is turned.
      ball: of what is shown, once it is turned; None shows all.
    """

    pose: Pose | None
    framing: Framing
    ball: Ball | None = None


def placed_by(pose: Pose, *, turn: bool, crop: bool) -> Placement:
    """Shows the face that a pose is of, turned to the front or not, cut or not."""
    if not crop:
        return Placement(pose if turn else None, pose.framing)
    rotation = np.eye(3) if turn else pose.rotation.astype(np.float64)
    x, y, z = (float(c) for c in pose.framing.center - rotation @ _CENTER_FROM_TIP)
    # The nose is in the middle, so that what is seen hangs little on the rotation.
    framing = Framing((x, y, z + _CENTER_FROM_TIP[2]), _EXTENT)
    return Placement(pose if turn else None, framing, Ball((x, y, z)))


def on_the_nose(mesh: Mesh, pose: Pose) -> Pose:
    """A pose by delivered landmarks, framed by the nose's tip as found ones are."""
    rotation = pose.rotation.astype(np.float64)
    tip = pose.framing.center - rotation @ _CENTER_FROM_TIP
    return pose_at(rotation, top_of_nose(mesh, rotation, tip))


def degrees_between(
    one: Float[np.ndarray, "3 3"], other: Float[np.ndarray, "3 3"]
) -> float:
    """The angle between two rotations."""
    cosine = (np.trace(one.T @ other) - 1) / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


@dataclasses.dataclass(frozen=True)
class Anchors:
    """Landmarks that fix a pose, (3,) each, in mm.

    Attributes:
      eyes: the middle of the corners of each, in any order.
      mouth: the middle of its corners.
      nose_tip: the tip, or what lies near it; only the framing depends on it.
    """

    eyes: tuple[np.ndarray, np.ndarray]
    mouth: np.ndarray
    nose_tip: np.ndarray

    def scaled(self, factor: float) -> "Anchors":
        """Returns the anchors with lengths multiplied."""
        first, second = self.eyes
        return Anchors(
            eyes=(first * factor, second * factor),
            mouth=self.mouth * factor,
            nose_tip=self.nose_tip * factor,
        )


def frontalize(mesh: Mesh, pose: Pose) -> Mesh:
    """Turns a mesh by the inverse of a pose, about the middle of its face."""
    center = np.asarray(pose.framing.center, np.float32)
    vertices = (mesh.vertices - center) @ pose.rotation + center
    landmarks = mesh.landmarks
    if landmarks is not None:
        landmarks = (landmarks - center) @ pose.rotation + center
    return dataclasses.replace(
        mesh, vertices=np.ascontiguousarray(vertices, np.float32), landmarks=landmarks
    )


def pose_from_anchors(anchors: Anchors) -> Pose:
    """Pose from landmarks: x along the eyes, y from the mouth up.

    Raises:
      MeshError: eyes and mouth lie on one line.
    """
    first, second = sorted(anchors.eyes, key=lambda point: point[0])
    x = second - first
    y = (first + second) / 2 - anchors.mouth
    z = np.cross(x, y)
    if not np.linalg.norm(z) > 1e-3 * np.linalg.norm(x) * np.linalg.norm(y):
        raise MeshError("the landmarks of eyes and mouth lie on one line")
    x, z = x / np.linalg.norm(x), z / np.linalg.norm(z)
    axes = np.stack([x, np.cross(z, x), z], axis=1)
    tilt = Rotation.from_euler("x", _EYES_MOUTH_TILT_DEG, degrees=True).as_matrix()
    return pose_at(axes @ tilt, anchors.nose_tip)


def pose_from_surface(mesh: Mesh) -> Pose:
    """Pose of a face scan in mm without landmarks.

    The nose tip is the point that rises most above its neighbourhood and looks forward;
    the face around it is aligned to its own mirror image (trimmed point-to-plane ICP),
    which gives the plane of symmetry; in that plane the face is turned until a robust
    plane through it stands upright.

    Args:
      mesh: a scan or head, turned by up to about 45 degrees.

    Returns:
      The pose. On scans of ICT-FaceKit heads within 30 degrees of yaw and pitch: see
      docs/data.md for the measured error.

    Raises:
      MeshError: no symmetric face was found.
    """
    points, normals = _thin(mesh)
    tree = KDTree(points)
    tips = _nose_tips(points, normals)
    if not tips:
        raise MeshError("no face found: nothing rises and looks forward as a nose")
    best = (np.inf, np.zeros(3), np.zeros(3))
    for tip, forward in tips:
        before = np.zeros(3)
        for start in _starts(forward):
            misfit, lateral = _symmetry(points, normals, tree, tip, start)
            # Not a plane that divides brow from chin.
            if lateral[0] > 0.6 and misfit < best[0]:
                best = misfit, lateral, tip
            if best[0] < _SURE or lateral @ before > _SAME_PLANE:
                break
            before = lateral
        if best[0] < _SURE:
            break
    misfit, lateral, on_plane = best
    if misfit > _SYMMETRIC:
        raise MeshError(
            f"no symmetric face found (misfit {misfit:.1f} mm); is the scan in mm, and "
            "does it face +z? Else build with pose='as_is'"
        )
    # Lips and chin rise as the nose does and are as symmetric; the nose is above them.
    poses = [
        _level(points, lateral, tip, forward)
        for tip, forward in tips
        if abs((tip - on_plane) @ lateral) < _OFF_PLANE
    ]
    if not poses:
        raise MeshError("no face found: no nose on its plane of symmetry")
    steepest = max(rise for rise, _, _ in poses)
    high = [pose for pose in poses if pose[0] > _AS_STEEP * steepest]
    _, axes, tip = max(high, key=lambda pose: pose[2][1])
    return pose_at(axes, tip)


def _level(
    points: np.ndarray, lateral: np.ndarray, tip: np.ndarray, forward: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """(how far the nose rises in mm, the face's axes, the nose tip at the top)."""
    axes = _upright(points - tip, lateral, forward)
    for _ in range(5):
        x, _y, z = ((points - tip) @ axes).T
        near = np.linalg.norm(points - tip, axis=1) < _FACE_RADIUS
        ridge = near & (np.abs(x) < _RIDGE)
        nose = points[np.argmax(np.where(ridge, z, -np.inf))]
        if np.linalg.norm(nose - tip) < _CELL:
            break
        tip = nose
        axes = _upright(points - tip, lateral, axes[:, 2])
    distance = np.linalg.norm(points - tip, axis=1)
    around = (distance > _NOSE_RADIUS) & (distance < 2 * _NOSE_RADIUS)
    rise = -np.median(((points - tip) @ axes)[around, 2]) if around.any() else 0.0
    return float(rise), axes, tip


def pose_at(axes: Float[np.ndarray, "3 3"], tip: Float[np.ndarray, "3"]) -> Pose:
    """The pose of a face by its axes (columns) and the tip of its nose, in mm."""
    x, y, z = (float(c) for c in tip + axes @ _CENTER_FROM_TIP)
    framing = Framing(center=(x, y, z), extent=_EXTENT)
    return Pose(rotation=axes.astype(np.float32), framing=framing)


def _thin(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Mean point and normal of each cell of a grid; float64, so sums are exact."""
    used = used_points(mesh)
    vertices = mesh.vertices[used]
    size = np.ptp(vertices.astype(np.float64), axis=0).max()
    if not 10 * _CELL < size < 1000 * _CELL:
        raise MeshError(
            f"a mesh of {size:.3g} mm is no head; set unit_mm to the millimetres of "
            "the file's unit"
        )
    cells = np.floor((vertices - vertices.min(axis=0)) / _CELL).astype(np.int64)
    key = (cells[:, 0] * 1024 + cells[:, 1]) * 1024 + cells[:, 2]
    _, cell, count = np.unique(key, return_inverse=True, return_counts=True)
    normals = vertex_normals(mesh.vertices, mesh.faces.view(np.uint32))[used]

    def mean(values: np.ndarray) -> np.ndarray:
        columns = [np.bincount(cell, values[:, k]) / count for k in range(3)]
        return np.stack(columns, axis=1)

    return mean(vertices), _unit(mean(normals))


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, 1e-9)


def _nose_tips(
    points: np.ndarray, normals: np.ndarray, most: int = 5
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The points that rise most above their surroundings, and where they look."""
    both = np.concatenate([points, normals], axis=1)
    # Of points that look forward themselves, as the top of a nose does.
    ahead = normals[:, 2] > 0
    if not ahead.any():
        return []
    means, count = ball_means(points, both, _NOSE_RADIUS, ahead)
    middle, forward = means[:, :3], _unit(means[:, 3:])
    height = ((points - middle) * forward).sum(axis=1)
    # Not the rim of the scan, where half of the neighbourhood is missing.
    rim = count < 0.6 * np.median(count[ahead])
    height[rim | ~ahead | (forward[:, 2] < _STEEPEST)] = -np.inf
    tips: list[int] = []
    while len(tips) < most and np.isfinite(height).any():
        tips.append(int(height.argmax()))
        height[np.linalg.norm(points - points[tips[-1]], axis=1) <= _APART] = -np.inf
    return [(points[i], forward[i]) for i in tips]


def _least_squares(
    columns: Float[np.ndarray, "n k"], values: np.ndarray, weight: np.ndarray
) -> Float[np.ndarray, "k"]:
    """Weighted, by the normal equations: few unknowns, far from singular."""
    weighted = columns * (weight * weight)[:, None]
    return np.linalg.lstsq(columns.T @ weighted, weighted.T @ values, rcond=None)[0]


def _starts(forward: np.ndarray) -> list[np.ndarray]:
    """Guesses of the lateral axis: level, and turned about the vertical."""
    level = _unit(np.cross([0.0, 1.0, 0.0], forward))
    up = np.cross(forward, level)
    return [
        Rotation.from_rotvec(np.deg2rad(turn) * up).apply(level)
        for turn in (0.0, -20.0, 20.0)
    ]


def _symmetry(
    points: np.ndarray,
    normals: np.ndarray,
    tree: KDTree,
    tip: np.ndarray,
    lateral: np.ndarray,
    iterations: int = 30,
    trim: float = 0.75,
) -> tuple[float, np.ndarray]:
    """Aligns the face to its mirror image; returns (misfit in mm, lateral axis)."""
    near = np.linalg.norm(points - tip, axis=1)
    face = points[near < _FACE_RADIUS]
    # By place, not by row: a scan that was rounded is sampled at the same places.
    cells = np.floor(face / _CELL).astype(np.int64)
    sample = face[cells.sum(axis=1) % _ONE_IN == 0]
    if len(sample) < 6:  # a face has hundreds; fewer fix no plane
        return float("inf"), lateral
    linear = np.eye(3) - 2 * np.outer(lateral, lateral)
    shift = tip - linear @ tip
    for _ in range(iterations):
        image = sample @ linear.T + shift
        distance, nearest = tree.query(image)
        kept = distance <= np.quantile(distance, trim)
        p, q, n = image[kept], points[nearest[kept]], normals[nearest[kept]]
        center = p.mean(axis=0)
        gap = ((q - p) * n).sum(axis=1)
        weight = 1 / (1 + (gap / 2) ** 2)
        jacobian = np.concatenate([np.cross(p - center, n), n], axis=1)
        step = _least_squares(jacobian, gap, weight)
        turn = Rotation.from_rotvec(step[:3]).as_matrix()
        linear = turn @ linear
        shift = center + turn @ (shift - center) + step[3:]
        if np.linalg.norm(step[:3]) < _STILL:
            break
    distance, _ = tree.query(face @ linear.T + shift)
    misfit = distance[distance <= np.quantile(distance, trim)].mean()
    # The axis that the map reverses.
    axis = np.linalg.eigh((linear + linear.T) / 2)[1][:, 0]
    return float(misfit), axis * np.sign(axis[0])


def _upright(
    points: Float[np.ndarray, "n 3"], lateral: np.ndarray, forward: np.ndarray
) -> np.ndarray:
    """Axes (columns) of the face, pitched so that a plane through it is upright."""
    forward = _unit(forward - lateral * (lateral @ forward))
    axes = np.stack([lateral, np.cross(forward, lateral), forward], axis=1)
    near = points[np.linalg.norm(points, axis=1) < _PITCH_RADIUS]
    for _ in range(20):
        tilt = float(np.arctan(fit_lean(near @ axes, _OUTLYING, 5)))
        axes = axes @ Rotation.from_euler("x", tilt).as_matrix()
        if abs(tilt) < _STILL:
            break
    return axes
