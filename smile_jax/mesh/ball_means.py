"""Compiled sums over the neighbourhoods of all points of a cloud."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def ball_means(points, values, radius, wanted):
    """Means over the balls around some of the points.

    Args:
      points: (n, 3) float64; few to each cube of side `radius`.
      values: (n, k) float64.
      radius: of the balls.
      wanted: (n,) bool, of which points.

    Returns:
      (means (n, k), how many points each ball holds (n,)); 0 for other points.
    """
    n, k = values.shape
    low = np.array([points[:, 0].min(), points[:, 1].min(), points[:, 2].min()])
    cell = np.empty((n, 3), np.int64)
    shape = np.ones(3, np.int64)
    for i in range(n):
        for a in range(3):
            cell[i, a] = np.int64((points[i, a] - low[a]) / radius)
            shape[a] = max(shape[a], cell[i, a] + 1)
    # Points sorted by cell: those of cell c are order[start[c]:start[c + 1]].
    start = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    key = np.empty(n, np.int64)
    for i in range(n):
        key[i] = (cell[i, 0] * shape[1] + cell[i, 1]) * shape[2] + cell[i, 2]
        start[key[i] + 1] += 1
    start = np.cumsum(start)
    order = np.argsort(key, kind="mergesort")
    means = np.zeros((n, k))
    count = np.zeros(n, np.int64)
    for i in range(n):
        if not wanted[i]:
            continue
        for x in range(max(cell[i, 0] - 1, 0), min(cell[i, 0] + 2, shape[0])):
            for y in range(max(cell[i, 1] - 1, 0), min(cell[i, 1] + 2, shape[1])):
                row = (x * shape[1] + y) * shape[2]
                first = start[row + max(cell[i, 2] - 1, 0)]
                last = start[row + min(cell[i, 2] + 2, shape[2])]
                for at in range(first, last):
                    j = order[at]
                    distance = 0.0
                    for a in range(3):
                        distance += (points[j, a] - points[i, a]) ** 2
                    if distance <= radius * radius:
                        count[i] += 1
                        for v in range(k):
                            means[i, v] += values[j, v]
        for v in range(k):
            means[i, v] /= count[i]
    return means, count
