"""How far a face has moved since a first scan, by region of its picture.

The head may move: what stays of the motion is what a rigid one does not explain. Scans
in correspondence are compared point by point, others by the distance of their surfaces,
which does not see skin that slides along itself.
"""

import numpy as np
from jaxtyping import Float, Float32
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from smile_jax.mesh.cameras import Framing, used_points
from smile_jax.mesh.raster import vertex_normals
from smile_jax.mesh.types import Mesh

GRID = 8  # regions a side of the picture
REGIONS = GRID * GRID
_POINTS = 4000  # of the face that are looked at
_FEWEST = 5  # points of a region that is measured
_KEPT = 1.5  # times the median residual: points that the head's motion is read off
_FITS, _SEARCHES = 3, 8  # fits with points in correspondence, and without
_MOST_MOVED = 4  # regions that say how much a face has moved as a whole


class Displacement:
    """Compares scans of one head with the first of them.

    Args:
      first: turned to the front, in mm.
      framing: of its picture, whose square is divided into `GRID` x `GRID` regions.
    """

    def __init__(self, first: Mesh, framing: Framing) -> None:
        center, half = np.asarray(framing.center), framing.extent / 2
        normals = vertex_normals(first.vertices, first.faces)
        apart = first.vertices - center
        inside = (np.abs(apart[:, :2]) < half).all(axis=1) & (apart[:, 2] > -half)
        inside &= normals[:, 2] > 0
        inside &= used_points(first)
        places = np.flatnonzero(inside)
        if len(places) > _POINTS:
            places = np.random.default_rng(0).permutation(places)[:_POINTS]
        self._first, self._places, self._half = first, places, half
        self._points = first.vertices[places].astype(np.float64)
        self._normals = normals[places].astype(np.float64)
        cells = ((apart[places, :2] / half + 1) / 2 * GRID).astype(int)
        self._region = cells[:, 1].clip(0, GRID - 1) * GRID + cells[:, 0].clip(
            0, GRID - 1
        )
        self._count = np.bincount(self._region, minlength=REGIONS)

    def __call__(self, mesh: Mesh) -> Float32[np.ndarray, "regions"]:
        """Millimetres that each region has moved, row by row from the chin up; 0 where
        there is no face."""
        if not len(self._points):
            return np.zeros(REGIONS, np.float32)
        moved = self._by_point(mesh) if self._alike(mesh) else self._by_surface(mesh)
        sums = [
            np.bincount(self._region, column, minlength=REGIONS) for column in moved.T
        ]
        means = np.stack(sums) / np.maximum(self._count, 1)
        measured = self._count >= _FEWEST
        return np.where(measured, np.linalg.norm(means, axis=0), 0).astype(np.float32)

    def _alike(self, mesh: Mesh) -> bool:
        first = self._first
        return len(mesh.vertices) == len(first.vertices) and (
            mesh.faces is first.faces or np.array_equal(mesh.faces, first.faces)
        )

    def _by_point(self, mesh: Mesh) -> Float[np.ndarray, "n 3"]:
        points = mesh.vertices[self._places].astype(np.float64)
        held = np.ones(len(points), bool)
        for _ in range(_FITS):
            laid = _laid_onto(points, points[held], self._points[held])
            apart = np.linalg.norm(laid - self._points, axis=1)
            held = apart <= _KEPT * np.median(apart) + 1e-9
        return laid - self._points

    def _by_surface(self, mesh: Mesh) -> Float[np.ndarray, "n 1"]:
        tree = cKDTree(mesh.vertices[used_points(mesh)].astype(np.float64))
        points, normals = self._points, self._normals
        for _ in range(_SEARCHES):
            distance = _distance(tree, points, normals)
            size = np.abs(distance)
            held = size <= _KEPT * np.median(size) + 1e-9
            # The head's motion: the small one that closes distances along normals.
            middle = points.mean(axis=0)
            arms = np.cross(points[held] - middle, normals[held])
            columns = np.concatenate([arms, normals[held]], axis=1)
            solved = np.linalg.lstsq(columns, distance[held], rcond=None)[0]
            turn = Rotation.from_rotvec(solved[:3]).as_matrix()
            points = (points - middle) @ turn.T + middle + solved[3:]
            normals = normals @ turn.T
        return _distance(tree, points, normals)[:, None]


def _distance(
    tree: cKDTree, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n"]:
    """Along its normal, from each point to the surface nearest to it."""
    _, nearest = tree.query(points)
    return ((tree.data[nearest] - points) * normals).sum(axis=1)


def motion_of(
    regions: Float[np.ndarray, "t regions"],
) -> Float[np.ndarray, "t"]:
    """Millimetres that a face has moved as a whole in each frame: root mean square of
    the regions that moved most."""
    most = np.sort(regions, axis=-1)[..., -_MOST_MOVED:]
    return np.sqrt((most**2).mean(axis=-1))


def _laid_onto(
    all_points: np.ndarray, moving: np.ndarray, fixed: np.ndarray
) -> np.ndarray:
    """All points after the rigid motion that lays some of them onto others."""
    origin, target = moving.mean(axis=0), fixed.mean(axis=0)
    turn, _ = Rotation.align_vectors(fixed - target, moving - origin)
    return (all_points - origin) @ turn.as_matrix().T + target
