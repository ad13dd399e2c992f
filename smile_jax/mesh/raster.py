"""Compiled z-buffer kernels: triangles to pixels, pixels to attributes.

Why a z-buffer of our own: `experiments/benchmarks/render.py` measures it against
Open3D's ray caster and pyrender, and it needs no OpenGL, no display and no system
library. Coordinates are snapped to 1/256 pixel and edge functions are exact integers,
so triangles that share an edge neither overlap nor leave a gap.
"""

import numba
import numpy as np

_SUBPIXELS = 256
_HALF = _SUBPIXELS // 2
# Points farther off screen than this many pixels would overflow the edge functions.
_FAR_PIXELS = 1 << 20


@numba.njit(cache=True, nogil=True)
def vertex_normals(vertices, faces):
    """Area-weighted smooth normals, (n, 3) float32 unit vectors (0 for lone points)."""
    normals = np.zeros((len(vertices), 3), np.float32)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        vx = vertices[c, 0] - vertices[a, 0]
        vy = vertices[c, 1] - vertices[a, 1]
        vz = vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
    for i in range(len(normals)):
        x, y, z = normals[i, 0], normals[i, 1], normals[i, 2]
        length = np.sqrt(x * x + y * y + z * z)
        if length > 0:
            normals[i, 0], normals[i, 1], normals[i, 2] = (
                x / length,
                y / length,
                z / length,
            )
    return normals


@numba.njit(cache=True, nogil=True)
def snap(points):
    """Pixel coordinates (column, row) as integers in 1/256 pixel, (n, 2) int64."""
    out = np.empty((len(points), 2), np.int64)
    limit = np.float32(_FAR_PIXELS)
    for i in range(len(points)):
        for axis in range(2):
            # Clamped, so that products of coordinates fit into 64 bits.
            value = min(max(points[i, axis], -limit), limit)
            out[i, axis] = np.int64(np.floor(value * _SUBPIXELS + np.float32(0.5)))
    return out


@numba.njit(cache=True, nogil=True)
def rasterize(snapped, nearness, faces, needs_positive, show_backs, best, triangle, w):
    """Fills the z-buffer of one view.

    Args:
      snapped: (n, 2) int64 from `snap`.
      nearness: (n,) float32, larger is nearer, linear in screen space.
      faces: (m, 3) int32; front faces are counter-clockwise with y up.
      needs_positive: skip triangles with a corner at nearness <= 0 (behind the camera).
      show_backs: draw back faces too.
      best: (h, w) float32, filled with -inf; receives nearness.
      triangle: (h, w) int32, filled with -1; receives the face index.
      w: (h, w, 2) float32; receives the screen-space weights of corners 1 and 2.
    """
    height, width = best.shape
    for f in range(len(faces)):
        i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = snapped[i0, 0], snapped[i0, 1]
        x1, y1 = snapped[i1, 0], snapped[i1, 1]
        x2, y2 = snapped[i2, 0], snapped[i2, 1]
        # First and last column and row whose pixel centre the bounding box reaches.
        left = max((min(x0, x1, x2) + _HALF - 1) >> 8, 0)
        right = min((max(x0, x1, x2) - _HALF) >> 8, width - 1)
        top = max((min(y0, y1, y2) + _HALF - 1) >> 8, 0)
        bottom = min((max(y0, y1, y2) - _HALF) >> 8, height - 1)
        # Most triangles of a fine scan cover no pixel's centre: they end here.
        if left > right or top > bottom:
            continue
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0 or (area > 0 and not show_backs):
            continue
        n0, n1, n2 = nearness[i0], nearness[i1], nearness[i2]
        if needs_positive and (n0 <= 0 or n1 <= 0 or n2 <= 0):
            continue
        flip = 1 if area > 0 else -1
        # Back faces are flipped, so that inside is positive for both.
        inverse = np.float32(1.0 / (area * flip))
        # Edge k runs opposite corner k; its function is positive inside.
        ax0, ay0 = flip * (x2 - x1), flip * (y2 - y1)
        ax1, ay1 = flip * (x0 - x2), flip * (y0 - y2)
        ax2, ay2 = flip * (x1 - x0), flip * (y1 - y0)
        # Of an edge's two directions exactly one owns the pixels on it.
        bias0 = 0 if ay0 < 0 or (ay0 == 0 and ax0 > 0) else -1
        bias1 = 0 if ay1 < 0 or (ay1 == 0 and ax1 > 0) else -1
        bias2 = 0 if ay2 < 0 or (ay2 == 0 and ax2 > 0) else -1
        px, first = (left << 8) + _HALF, (top << 8) + _HALF
        row0 = ax0 * (first - y1) - ay0 * (px - x1)
        row1 = ax1 * (first - y2) - ay1 * (px - x2)
        row2 = ax2 * (first - y0) - ay2 * (px - x0)
        for r in range(top, bottom + 1):
            e0, e1, e2 = row0, row1, row2
            for c in range(left, right + 1):
                # Or'ing the signs: one branch a pixel in place of three.
                if (e0 + bias0) | (e1 + bias1) | (e2 + bias2) >= 0:
                    w1, w2 = np.float32(e1) * inverse, np.float32(e2) * inverse
                    near = n0 + w1 * (n1 - n0) + w2 * (n2 - n0)
                    if near > best[r, c]:
                        best[r, c] = near
                        triangle[r, c] = f
                        w[r, c, 0], w[r, c, 1] = w1, w2
                e0 -= ay0 << 8
                e1 -= ay1 << 8
                e2 -= ay2 << 8
            row0 += ax0 << 8
            row1 += ax1 << 8
            row2 += ax2 << 8


@numba.njit(cache=True, nogil=True)
def shade(
    snapped,
    nearness,
    perspective,
    faces,
    vertex_normal,
    rotation,
    colors,
    uv,
    uv_faces,
    pixels,
    layout,
    plain,
    material,
    light,
    best,
    triangle,
    w,
    normal,
    texture,
    grey,
):
    """Interpolates attributes for the covered pixels of one view.

    `colors` (n, 3), `uv` (k, 2) and `uv_faces` (m, 3) may be empty. Of each material
    `layout` (k, 3) has where its image begins in `pixels` (p, 3) uint8, its height (0:
    no image) and width, and `plain` (k, 3) uint8 its colour; `material` (m,) says which
    a face has, and is empty where all have the first. An image counts before vertex
    colours, and these before the plain colour. Writes `normal` (camera axes, towards
    the viewer), `texture` uint8, `grey` [0, 1].
    """
    height, width = best.shape
    textured, colored, single = len(uv_faces) > 0, len(colors) > 0, len(material) == 0
    for r in range(height):
        for c in range(width):
            f = triangle[r, c]
            if f < 0:
                continue
            i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
            w1, w2 = w[r, c, 0], w[r, c, 1]
            # Weights are linear on the screen; attributes are on the surface.
            if perspective:
                w1 = w1 * nearness[i1] / best[r, c]
                w2 = w2 * nearness[i2] / best[r, c]
                w0 = (1 - w[r, c, 0] - w[r, c, 1]) * nearness[i0] / best[r, c]
                total = w0 + w1 + w2
                w1, w2 = w1 / total, w2 / total
            w0 = np.float32(1) - w1 - w2
            area = (snapped[i1, 0] - snapped[i0, 0]) * (
                snapped[i2, 1] - snapped[i0, 1]
            ) - (snapped[i2, 0] - snapped[i0, 0]) * (snapped[i1, 1] - snapped[i0, 1])
            side = np.float32(-1) if area > 0 else np.float32(1)
            nx = side * (
                w0 * vertex_normal[i0, 0]
                + w1 * vertex_normal[i1, 0]
                + w2 * vertex_normal[i2, 0]
            )
            ny = side * (
                w0 * vertex_normal[i0, 1]
                + w1 * vertex_normal[i1, 1]
                + w2 * vertex_normal[i2, 1]
            )
            nz = side * (
                w0 * vertex_normal[i0, 2]
                + w1 * vertex_normal[i1, 2]
                + w2 * vertex_normal[i2, 2]
            )
            # Interpolated normals are shorter than 1 where the surface bends.
            length = np.sqrt(nx * nx + ny * ny + nz * nz)
            if length > 0:
                nx, ny, nz = nx / length, ny / length, nz / length
            x = rotation[0, 0] * nx + rotation[0, 1] * ny + rotation[0, 2] * nz
            y = rotation[1, 0] * nx + rotation[1, 1] * ny + rotation[1, 2] * nz
            z = rotation[2, 0] * nx + rotation[2, 1] * ny + rotation[2, 2] * nz
            normal[r, c, 0], normal[r, c, 1], normal[r, c, 2] = x, y, z
            lit = max(x * light[0] + y * light[1] + z * light[2], np.float32(0))
            grey[r, c] = np.float32(0.15) + np.float32(0.85) * lit
            # The image before the colours: scans that have both have coarse ones.
            m = 0 if single else material[f]
            if textured and layout[m, 1] > 0:
                t0, t1, t2 = uv_faces[f, 0], uv_faces[f, 1], uv_faces[f, 2]
                u = w0 * uv[t0, 0] + w1 * uv[t1, 0] + w2 * uv[t2, 0]
                v = w0 * uv[t0, 1] + w1 * uv[t1, 1] + w2 * uv[t2, 1]
                first, rows, columns = layout[m, 0], layout[m, 1], layout[m, 2]
                _sample(pixels, first, rows, columns, u, v, texture[r, c])
            elif colored:
                for k in range(3):
                    value = w0 * colors[i0, k] + w1 * colors[i1, k] + w2 * colors[i2, k]
                    texture[r, c, k] = np.uint8(
                        min(max(value, np.float32(0)), np.float32(1)) * 255
                        + np.float32(0.5)
                    )
            else:
                for k in range(3):
                    texture[r, c, k] = plain[m, k]


@numba.njit(cache=True, inline="always")
def _sample(pixels, first, height, width, u, v, out):
    """Bilinear texture lookup, u right and v up in [0, 1], edges clamped."""
    x = min(max(u * width - 0.5, 0.0), width - 1.0)
    y = min(max((1.0 - v) * height - 0.5, 0.0), height - 1.0)
    x0, y0 = int(x), int(y)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    fx, fy = x - x0, y - y0
    upper, lower = first + y0 * width, first + y1 * width
    for k in range(3):
        above = pixels[upper + x0, k] * (1 - fx) + pixels[upper + x1, k] * fx
        below = pixels[lower + x0, k] * (1 - fx) + pixels[lower + x1, k] * fx
        out[k] = np.uint8(above * (1 - fy) + below * fy + 0.5)
