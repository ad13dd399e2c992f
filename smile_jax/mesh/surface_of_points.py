"""A surface through a point cloud: a smooth distance to it, and marching cubes.

Hoppe et al., "Surface reconstruction from unorganized points", SIGGRAPH 1992, with the
distances to several tangent planes averaged (Shen et al., SIGGRAPH 2004).
"""

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from scipy.spatial import cKDTree

from smile_jax.core.extras import needed_for
from smile_jax.mesh.polygons import pack

FEWEST = 300  # points that a face can be known by
# This project's choices.
SMOOTHING = 4.0  # square of a kernel over noise and spacing: normals of 6 degrees
_MOST = 120_000  # points; of more, those in a cell are averaged
_NEIGHBOURS = 16  # that tell noise and spacing
_LEAST, _MOST_NEAR = 16, 160  # neighbours that a distance is averaged over
_LONE = 6.0  # spacings from the next points, of what is no surface
_CELLS = 200  # of the grid along the longest side, at most
_MOST_CELLS = 8 << 20
# The surface ends where the middle of so many points is farther than this share of the
# farthest of them (at the edge of a plane it is 0.42), or so many spacings above them.
_AROUND, _INSIDE, _NEAR = 16, 0.5, 0.5
_AT_ONCE = 50_000


def surface_of(
    points: Float[np.ndarray, "n 3"], colors: Float[np.ndarray, "n 3"] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, int]:
    """Reconstructs the surface that points were measured on.

    Args:
      points: at least `FEWEST`, in any unit, with noise; lone ones are left out.
      colors: of the points.

    Returns:
      Vertices (v, 3) float32, faces (m, 3) int32, colours of the vertices, and how many
      points were left out.

    Raises:
      ValueError: they are no surface.
    """
    with needed_for("a point cloud", "scanners"):
        from skimage.measure import marching_cubes

    kept = _without_lone(np.asarray(points, np.float64))
    lost = len(points) - int(kept.sum())
    colors = None if colors is None else colors[kept]
    source = np.asarray(points, np.float64)[kept]
    if len(source) < FEWEST:
        raise ValueError(f"{len(source)} of them have neighbours")
    points = _thinned(source)
    tree = cKDTree(points)
    spacing, noise = _spacing_and_noise(points, tree)
    width = max(spacing, np.sqrt(SMOOTHING * noise * spacing))
    count = int(np.clip(4 * np.pi * (width / spacing) ** 2, _LEAST, _MOST_NEAR))
    near = tree.query(points, min(count, len(points) - 1), workers=-1)[1]
    normals = _turned_alike(points, _planes(points, near)[1], near[:, :12])
    low, high = points.min(axis=0), points.max(axis=0)
    cell = max(0.8 * spacing, width / 2, float((high - low).max()) / _CELLS)
    margin = 3 * cell
    while np.prod((high - low + 2 * margin) / cell + 1) > _MOST_CELLS:
        cell *= 1.25
    shape = np.ceil((high - low + 2 * margin) / cell).astype(int) + 1
    origin = low - margin
    where = _cells_beside(points, origin, cell, shape)
    centres = origin + cell * np.stack(np.unravel_index(where, shape), axis=1)
    volume = np.full(int(np.prod(shape)), cell, np.float32)
    for start in range(0, len(where), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        apart, index = tree.query(centres[part], near.shape[1], workers=-1)
        weights = np.exp(-0.5 * (apart / width) ** 2) + 1e-12
        planes = np.einsum(
            "nkc,nkc->nk", centres[part][:, None] - points[index], normals[index]
        )
        volume[where[part]] = (weights * planes).sum(axis=1) / weights.sum(axis=1)
    mask = np.zeros(int(np.prod(shape)), bool)
    mask[where] = True
    try:
        vertices, faces, _, _ = marching_cubes(
            volume.reshape(shape), 0.0, mask=mask.reshape(shape)
        )
    except (RuntimeError, ValueError) as error:  # no surface inside of the mask
        raise ValueError(str(error)) from error
    vertices = origin + cell * vertices
    apart, index = tree.query(vertices, _AROUND, workers=-1)
    off = vertices - points[index].mean(axis=1)
    height = np.abs(np.einsum("nc,nc->n", off, normals[index[:, 0]]))
    inside = np.linalg.norm(off, axis=1) <= _INSIDE * apart[:, -1]
    beside = inside & (height <= _NEAR * spacing + noise)
    used, faces = pack(faces[beside[faces].all(axis=1)], len(vertices))
    return (
        vertices[used].astype(np.float32),
        faces,
        None if colors is None else colors[cKDTree(source).query(vertices[used])[1]],
        lost,
    )


def _spacing_and_noise(points: np.ndarray, tree: cKDTree) -> tuple[float, float]:
    """How far points are from each other, and from the surface, in their middle.

    A surface with one point in each square of the spacing has k of them in a circle of
    area k spacings squared.
    """
    apart, near = tree.query(points, _NEIGHBOURS, workers=-1)
    radius = float(np.median(apart[:, -1]))
    values, _ = _planes(points, near)
    spacing = radius * np.sqrt(np.pi / _NEIGHBOURS)
    free = _NEIGHBOURS / (_NEIGHBOURS - 3)  # what a plane's fit leaves
    noise = float(np.sqrt(free * np.median(np.maximum(values[:, 0], 0))))
    return max(spacing, 1e-12), noise


def _planes(points: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spread (n, 3) of neighbours, rising, and normals (n, 3) of either sign."""
    around = points[near] - points[near].mean(axis=1, keepdims=True)
    spread = np.einsum("nki,nkj->nij", around, around) / near.shape[1]
    values, vectors = np.linalg.eigh(spread)
    return values, vectors[:, :, 0]


def _without_lone(points: np.ndarray) -> np.ndarray:
    """Which points are some of a surface's: finite, distinct, with others beside."""
    kept = np.isfinite(points).all(axis=1) & (np.abs(points) < 1e9).all(axis=1)
    inside = np.flatnonzero(kept)
    kept[:] = False
    if len(inside) >= FEWEST:
        kept[inside[np.unique(points[inside], axis=0, return_index=True)[1]]] = True
    if kept.sum() < FEWEST:
        return kept
    apart, _ = cKDTree(points[kept]).query(points[kept], 5, workers=-1)
    far = apart[:, 4] > _LONE * max(float(np.median(apart[:, 4])), 1e-12)
    kept[np.flatnonzero(kept)[far]] = False
    return kept


def _thinned(points: np.ndarray) -> np.ndarray:
    """Means of the points in the cells of a grid, where there are too many."""
    if len(points) <= _MOST:
        return points
    apart, _ = cKDTree(points).query(points, 2, workers=-1)
    cell = 2 * float(np.median(apart[:, 1])) * np.sqrt(len(points) / _MOST)
    place = np.floor((points - points.min(axis=0)) / cell).astype(np.int64)
    _, of_cell, counts = np.unique(
        place, axis=0, return_inverse=True, return_counts=True
    )
    of_cell = of_cell.reshape(-1)
    sums = [np.bincount(of_cell, points[:, axis]) for axis in range(3)]
    return np.stack(sums, axis=1) / counts[:, None]


def _turned_alike(
    points: np.ndarray, normals: np.ndarray, near: np.ndarray
) -> np.ndarray:
    """The normals with signs that agree between neighbours, outward as a whole."""
    n, k = near.shape
    first = np.repeat(np.arange(n), k)
    second = near.ravel()
    alike = np.einsum("ec,ec->e", normals[first], normals[second])
    cost = 1.0 + 1e-6 - np.abs(alike)
    graph = coo_matrix((cost, (first, second)), shape=(n, n)).tocsr()
    tree = minimum_spanning_tree(graph.maximum(graph.T))
    signs = np.zeros(n)
    centre = points.mean(axis=0)
    outward = np.einsum("nc,nc->n", normals, points - centre)
    left = np.arange(n)
    while len(left):  # a tree for each piece of the cloud
        order, before = breadth_first_order(tree, left[0], directed=False)
        signs[order[0]] = 1.0
        parents = before[order[1:]]
        turns = np.sign(np.einsum("nc,nc->n", normals[order[1:]], normals[parents]))
        for child, parent, turn in zip(
            order[1:].tolist(), parents.tolist(), turns.tolist(), strict=True
        ):
            signs[child] = signs[parent] * (turn or 1.0)
        if (signs[order] * outward[order]).sum() < 0:
            signs[order] *= -1
        left = left[signs[left] == 0]
    return normals * signs[:, None]


def _cells_beside(
    points: np.ndarray, origin: np.ndarray, cell: float, shape: np.ndarray
) -> np.ndarray:
    """Flat indices of the grid's corners within two cells of a point."""
    place = np.unique(np.floor((points - origin) / cell).astype(np.int64), axis=0)
    steps = np.stack(np.meshgrid(*[np.arange(-1, 3)] * 3, indexing="ij"), axis=-1)
    found = np.zeros(int(np.prod(shape)), bool)
    for step in steps.reshape(-1, 3):
        beside = np.clip(place + step, 0, shape - 1)
        found[np.ravel_multi_index(beside.T, shape)] = True
    return np.flatnonzero(found)
