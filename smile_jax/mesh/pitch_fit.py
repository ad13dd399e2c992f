"""A compiled robust fit, a few times for every head that is turned by its surface."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def fit_lean(points, scale, rounds):
    """Fits a roof z = a y + b |x| + c to points, and returns how it leans back: a.

    It is 0 for too few points, or for points on a line.

    Args:
      points: (n, 3) float64.
      scale: of what is an outlier; a point with residual r has weight
        1 / (1 + (r / scale)^2)^2 in the next round.
      rounds: of fitting; the first has equal weights.
    """
    fit = np.zeros(3)
    for number in range(rounds):
        left, right = np.zeros((3, 3)), np.zeros(3)
        for i in range(len(points)):
            row = (points[i, 1], abs(points[i, 0]), 1.0)
            z = points[i, 2]
            weight = 1.0
            if number:
                gap = z - (fit[0] * row[0] + fit[1] * row[1] + fit[2])
                weight = 1 / (1 + (gap / scale) ** 2)
            for a in range(3):
                right[a] += weight * weight * row[a] * z
                for b in range(a + 1):
                    left[a, b] += weight * weight * row[a] * row[b]
        for a in range(3):
            for b in range(a):
                left[b, a] = left[a, b]
        if abs(np.linalg.det(left)) < 1e-9 * max(left[2, 2], 1.0) ** 3:
            return 0.0  # a line or less, which leans nowhere
        fit[:] = np.linalg.solve(left, right)
    return fit[0]
