"""Polygons and strips as triangles, and triangles over the points that they use."""

import numpy as np


def fan(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Polygons as triangles around their first corners.

    Args:
      lengths: (p,) corners of each polygon.

    Returns:
      (m, 3) places of the triangles' corners among all corners, and (m,) the polygon of
      each triangle.
    """
    triangles = np.maximum(lengths - 2, 0)
    of_polygon = np.repeat(np.arange(len(lengths)), triangles)
    starts = (np.cumsum(lengths) - lengths)[of_polygon]
    before = np.cumsum(triangles) - triangles
    within = np.arange(triangles.sum()) - before[of_polygon]
    corners = np.stack([starts, starts + within + 1, starts + within + 2], axis=1)
    return corners, of_polygon


def unstrip(index: np.ndarray) -> np.ndarray:
    """The triangles of strips that -1 ends; those of equal corners are left out.

    Args:
      index: (n,) corners.

    Returns:
      (m, 3), of which each second one of a strip is turned.
    """
    if len(index) < 3:
        return np.empty((0, 3), index.dtype)
    ends = index == -1
    run = np.arange(len(index)) - np.maximum.accumulate(
        np.where(ends, np.arange(len(index)) + 1, 0)
    )
    faces = np.stack([index[:-2], index[1:-1], index[2:]], axis=1)
    odd = run[:-2] % 2 == 1
    faces[odd] = faces[odd][:, [1, 0, 2]]
    a, b, c = faces.T
    keep = ~(ends[:-2] | ends[1:-1] | ends[2:]) & (a != b) & (b != c) & (c != a)
    return np.ascontiguousarray(faces[keep])


def pack(faces: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces over the points that they use alone.

    Args:
      faces: (m, 3) indices.
      count: points that there are.

    Returns:
      (count,) bool, which points are used, and (m, 3) int32 indices into these.
    """
    used = np.zeros(count, bool)
    used[faces.ravel()] = True
    number = np.cumsum(used) - 1
    return used, np.ascontiguousarray(number[faces], np.int32)
