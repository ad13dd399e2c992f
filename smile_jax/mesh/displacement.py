"""Displacement of a face since a first scan, by region of its picture.

The head may move: what stays of the motion is what a rigid one does not explain. Scans
in correspondence are compared point by point, others by the distance of their surfaces,
which does not see skin that slides along itself.
"""

import dataclasses
import functools

import numpy as np
import scipy.sparse
from jaxtyping import Float, Float32
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from smile_jax.mesh.cameras import Framing, used_points
from smile_jax.mesh.raster import vertex_normals
from smile_jax.mesh.types import Mesh, MeshError

GRID = 8  # regions a side of the picture
REGIONS = GRID * GRID
_POINTS = 4000  # of the face that are looked at
_FEWEST = 5  # points of a region that is measured
_KEPT = 1.5  # times the median residual: points that the head's motion is read off
_FITS, _SEARCHES = 3, 8  # fits with points in correspondence, and without
_MOST_MOVED = 4  # regions that say how much a face has moved as a whole
_ROUNDS = 8  # of averaging over neighbours: a few mm
_FARTHEST_MM = 10.0  # from the first surface: beyond, the first scan did not see it


@dataclasses.dataclass(frozen=True)
class RigidMotion:
    """A rotation, then a shift in mm."""

    turn: Float[np.ndarray, "3 3"]
    shift: Float[np.ndarray, "3"]

    def __call__(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Moves points."""
        return points @ self.turn.T + self.shift

    def inverse(self) -> "RigidMotion":
        """Returns the motion back."""
        return RigidMotion(self.turn.T, -self.shift @ self.turn)


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

    def __call__(
        self, mesh: Mesh, head: RigidMotion | None = None
    ) -> Float32[np.ndarray, "regions"]:
        """Returns the millimetres each region has moved, row by row from the chin up.

        It is 0 where there is no face. `head` is the result of `head_of`, if it is
        known.
        """
        if not len(self._points):
            return np.zeros(REGIONS, np.float32)
        moved = self._moved(mesh, head or self.head_of(mesh))
        sums = [
            np.bincount(self._region, column, minlength=REGIONS) for column in moved.T
        ]
        means = np.stack(sums) / np.maximum(self._count, 1)
        measured = self._count >= _FEWEST
        return np.where(measured, np.linalg.norm(means, axis=0), 0).astype(np.float32)

    def misfit(self, mesh: Mesh) -> float:
        """Returns the median distance of two faces in mm, whatever the heads did.

        It is taken over the points that are looked at.

        Frames of one sequence that follow each other are 0.08 to 0.34 mm apart, other
        people 0.87 to 3.61 (`experiments/unseen_heads.py`).
        """
        if not len(self._points):
            return float("inf")
        moved = self._moved(mesh, self.head_of(mesh))
        return float(np.median(np.linalg.norm(moved, axis=1)))

    def _moved(self, mesh: Mesh, head: RigidMotion) -> Float[np.ndarray, "p k"]:
        """Returns the movement of measured points, along three axes or normals."""
        if self.alike(mesh):
            return head(mesh.vertices[self._places]) - self._points
        points = head.inverse()(self._points)
        return _distance(_tree(mesh), points, self._normals @ head.turn)[:, None]

    def of_points(
        self, mesh: Mesh, head: RigidMotion | None = None
    ) -> Float32[np.ndarray, "n 3"]:
        """Returns the millimetres each point has moved, averaged over the skin around.

        A scanner's noise is as large as a micro-expression. For a scan that is not in
        correspondence with the first one: from that one's surface, along its normals.
        """
        still = (head or self.head_of(mesh))(mesh.vertices.astype(np.float64))
        if self.alike(mesh):
            apart, average = still - self._first.vertices, self._average
        else:
            apart, average = self._off_surface(still), _neighbours_mean(mesh)
        moved = apart.astype(np.float32)
        for _ in range(_ROUNDS):
            moved = average @ moved
        return moved

    def _off_surface(
        self, points: Float[np.ndarray, "n 3"]
    ) -> Float[np.ndarray, "n 3"]:
        """Returns vectors from the first scan's surface to points, along its normals.

        They are 0 where the surface has nothing near.
        """
        tree, normals = self._surface
        far, nearest = tree.query(points)
        n = normals[nearest]
        distance = ((points - tree.data[nearest]) * n).sum(axis=1, keepdims=True)
        return np.where(far[:, None] < _FARTHEST_MM, distance * n, 0)

    @functools.cached_property
    def _surface(self) -> tuple[cKDTree, Float[np.ndarray, "n 3"]]:
        """Points of the first scan, and the normals there."""
        first = self._first
        normals = vertex_normals(first.vertices, first.faces)[used_points(first)]
        return _tree(first), normals.astype(np.float64)

    def strain(
        self, mesh: Mesh, moved: Float[np.ndarray, "n 3"]
    ) -> Float32[np.ndarray, "n"]:
        """Returns how much the skin about each point is stretched or squeezed.

        The root of the mean square relative change of the edges there: like optical
        strain of micro-expressions, a size without a sign.

        Args:
          mesh: that has moved.
          moved: of `of_points`.

        Raises:
          MeshError: the scan is not in correspondence with the first one.
        """
        if not self.alike(mesh):
            raise MeshError(
                "it has other points or triangles than its sequence's first frame: how "
                "skin is strained is known of meshes in correspondence alone; leave "
                "strain out of the channels"
            )
        now = self._first.vertices + moved
        a, b, before = self._edges
        after = np.linalg.norm(now[a] - now[b], axis=1)
        square = ((after - before) / np.maximum(before, 1e-6)) ** 2
        ends, count = np.concatenate([a, b]), len(now)
        total = np.bincount(ends, np.tile(square, 2), minlength=count)
        number = np.bincount(ends, minlength=count)
        return np.sqrt(total / np.maximum(number, 1)).astype(np.float32)

    @functools.cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Both ends of each triangle's edges, and how long they were at first."""
        points = self._first.vertices
        a, b = _edge_ends(self._first)
        return a, b, np.linalg.norm(points[a] - points[b], axis=1)

    @functools.cached_property
    def _average(self) -> scipy.sparse.csr_matrix:
        return _neighbours_mean(self._first)

    def alike(self, mesh: Mesh) -> bool:
        """Returns True if a scan has the first one's points and triangles."""
        first = self._first
        return len(mesh.vertices) == len(first.vertices) and (
            mesh.faces is first.faces or np.array_equal(mesh.faces, first.faces)
        )

    def head_of(self, mesh: Mesh) -> RigidMotion:
        """The rigid motion that lays a scan's head onto the first one's."""
        if not len(self._points):
            return RigidMotion(np.eye(3), np.zeros(3))
        if self.alike(mesh):
            points = mesh.vertices[self._places].astype(np.float64)
            held = np.ones(len(points), bool)
            for _ in range(_FITS):
                head = _fitted(points[held], self._points[held])
                apart = np.linalg.norm(head(points) - self._points, axis=1)
                held = apart <= _KEPT * np.median(apart) + 1e-9
            return head
        tree, points, normals = _tree(mesh), self._points, self._normals
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
        return _fitted(points, self._points)


def _neighbours_mean(mesh: Mesh) -> scipy.sparse.csr_matrix:
    """Returns the matrix that averages each point with its neighbours on edges."""
    count = len(mesh.vertices)
    a, b = _edge_ends(mesh)
    edges = scipy.sparse.coo_matrix((np.ones(len(a)), (a, b)), (count, count)).tocsr()
    near = ((edges + edges.T) > 0).astype(np.float64) + scipy.sparse.identity(count)
    weights = scipy.sparse.diags(1 / np.asarray(near.sum(axis=1)).ravel())
    return (weights @ near).tocsr().astype(np.float32)


def _edge_ends(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of each triangle's three edges."""
    return mesh.faces.ravel(), mesh.faces[:, [1, 2, 0]].ravel()


def _tree(mesh: Mesh) -> cKDTree:
    return cKDTree(mesh.vertices[used_points(mesh)].astype(np.float64))


def _distance(
    tree: cKDTree, points: Float[np.ndarray, "n 3"], normals: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n"]:
    """Along its normal, from each point to the surface nearest to it."""
    _, nearest = tree.query(points)
    return ((tree.data[nearest] - points) * normals).sum(axis=1)


def motion_of(
    regions: Float[np.ndarray, "t regions"],
) -> Float[np.ndarray, "t"]:
    """Returns the millimetres that a face has moved as a whole in each frame.

    That is the root mean square of the regions that moved most.
    """
    most = np.sort(regions, axis=-1)[..., -_MOST_MOVED:]
    return np.sqrt((most**2).mean(axis=-1))


def _fitted(
    moving: Float[np.ndarray, "n 3"], fixed: Float[np.ndarray, "n 3"]
) -> RigidMotion:
    """The rigid motion that lays points onto others, by least squares."""
    origin, target = moving.mean(axis=0), fixed.mean(axis=0)
    # Kabsch' solution; SciPy's align_vectors takes several times as long.
    left, _, right = np.linalg.svd((moving - origin).T @ (fixed - target))
    left[:, 2] *= np.linalg.det(left @ right)  # a rotation, no mirror
    turn = (left @ right).T
    return RigidMotion(turn, target - origin @ turn.T)
