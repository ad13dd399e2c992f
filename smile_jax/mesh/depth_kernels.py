"""Compiled: depth images without their sensor's noise."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def smooth(depth, focal, sigma, jump, farthest):
    """Fits a plane around each pixel and takes its depth there.

    Args:
      depth: (h, w) float64, 0 where nothing was measured.
      focal: in pixels.
      sigma: of the weights, in units of depth on the surface.
      jump: neighbours that are this much nearer or farther are of another surface.
      farthest: pixels of a window's half side, at most.

    Returns:
      (h, w) float64; along one direction of a window alone it is their mean.
    """
    height, width = depth.shape
    out = np.zeros((height, width))
    for r in range(height):
        for c in range(width):
            middle = depth[r, c]
            if middle <= 0:
                continue
            spacing = middle / focal
            reach = min(max(int(np.ceil(2 * sigma / spacing)), 1), farthest)
            scale = -0.5 * (spacing / sigma) ** 2
            # Weighted sums of 1, u, v, u2, uv, v2 and of z, uz, vz.
            s, su, sv, suu, suv, svv = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            sz, suz, svz = 0.0, 0.0, 0.0
            for v in range(max(-reach, -r), min(reach, height - 1 - r) + 1):
                for u in range(max(-reach, -c), min(reach, width - 1 - c) + 1):
                    z = depth[r + v, c + u]
                    if z <= 0 or abs(z - middle) > jump:
                        continue
                    w = np.exp(scale * (u * u + v * v))
                    z -= middle
                    s += w
                    su += w * u
                    sv += w * v
                    suu += w * u * u
                    suv += w * u * v
                    svv += w * v * v
                    sz += w * z
                    suz += w * u * z
                    svz += w * v * z
            out[r, c] = middle + sz / s
            # Cramer's rule, about the mean; what is flat in one direction is a mean.
            uu, vv = suu - su * su / s, svv - sv * sv / s
            uv = suv - su * sv / s
            uz, vz = suz - su * sz / s, svz - sv * sz / s
            det = uu * vv - uv * uv
            if det > 1e-6 * s * s:
                a, b = (uz * vv - vz * uv) / det, (vz * uu - uz * uv) / det
                out[r, c] = middle + (sz - a * su - b * sv) / s
    return out
