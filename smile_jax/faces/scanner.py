"""A virtual face scanner: what a camera in front of a head measures, as a grid."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from smile_jax.mesh import Framing, Mesh, raster, render_views
from smile_jax.mesh.bosphorus import grid_faces
from smile_jax.mesh.polygons import pack

# Neighbouring points farther apart than this many spacings lie on different surfaces.
_MAX_STEP = 6.0


@dataclasses.dataclass(frozen=True)
class Scan:
    """A range image with its texture.

    Attributes:
      points: (rows, columns, 3) in mm, row 0 at the bottom.
      uv: (rows, columns, 2) of the points in the texture, v up.
      valid: (rows, columns) whether something was measured.
      spacing: mm between neighbours.
      texture: (h, w, 3) image.
    """

    points: Float32[np.ndarray, "rows columns 3"]
    uv: Float32[np.ndarray, "rows columns 2"]
    valid: Bool[np.ndarray, "rows columns"]
    spacing: float
    texture: UInt8[np.ndarray, "h w 3"]

    def mesh(self) -> Mesh:
        """Neighbours joined by triangles where no step in depth parts them.

        Points that no triangle uses are left out.
        """
        faces = grid_faces(self.valid)
        vertices = self.points[self.valid]
        z = vertices[faces, 2]
        faces = faces[np.ptp(z, axis=1) < _MAX_STEP * self.spacing]
        used, packed = pack(faces, len(vertices))
        uv = self.uv[self.valid][used]
        return Mesh(vertices=vertices[used], faces=packed, uv=uv, uv_faces=packed)


def scan_head(
    mesh: Mesh,
    *,
    framing: Framing,
    points: int,
    texture_size: int,
    crop: float | None = None,
) -> Scan:
    """Scans a head from the front.

    Args:
      mesh: a head with vertex colours, facing +z.
      framing: what the scanner sees.
      points: about how many points to measure.
      texture_size: height and width of the texture in pixels.
      crop: keep only points within this share of the framing's half extent from its
        centre line, as in a cropped face; None keeps all.
    """
    coarse = _depth(mesh, framing, 64)
    share = max(_visible(coarse, framing, crop).mean(), 1e-3)
    size = max(round(float(np.sqrt(points / share))), 2)
    depth = _depth(mesh, framing, size)
    valid = _visible(depth, framing, crop)
    spacing = framing.extent / size
    where = (np.arange(size) + 0.5) / size
    u, v = np.meshgrid(where, where)
    grid = np.stack(
        [
            framing.center[0] + (u - 0.5) * framing.extent,
            framing.center[1] + (v - 0.5) * framing.extent,
            framing.center[2] + np.nan_to_num(depth),
        ],
        axis=-1,
    )
    views = render_views(mesh, (0.0,), texture_size, framing=framing)
    return Scan(
        points=grid.astype(np.float32),
        uv=np.stack([u, v], axis=-1).astype(np.float32),
        valid=valid,
        spacing=spacing,
        texture=views["texture"][0],
    )


@dataclasses.dataclass(frozen=True)
class DepthSensor:
    """A depth camera on the z axis that looks at the origin.

    Attributes:
      height, width: of its image, in pixels.
      focal: length in pixels; the principal point is the middle.
      distance_mm: from the origin.
    """

    height: int = 480
    width: int = 640
    focal: float = 600.0
    distance_mm: float = 550.0

    def depth(self, mesh: Mesh) -> Float32[np.ndarray, "h w"]:
        """What it measures of a mesh in mm, without noise.

        Returns:
          mm along its axis, row 0 at the top; 0 where nothing is.
        """
        nearness, triangle = self._see(mesh)
        return np.where(triangle >= 0, 1 / nearness, 0).astype(np.float32)

    def visible_part(self, mesh: Mesh) -> Mesh:
        """The triangles that it sees any of, without materials."""
        _, triangle = self._see(mesh)
        faces = mesh.faces[np.unique(triangle[triangle >= 0])]
        used, packed = pack(faces, len(mesh.vertices))
        colors = None if mesh.colors is None else mesh.colors[used]
        return Mesh(mesh.vertices[used], packed, colors=colors)

    def _see(self, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
        """1 / depth and the triangle of each pixel, -1 where there is none."""
        ahead = np.float32(self.distance_mm) - mesh.vertices[:, 2]
        near = (1 / np.maximum(ahead, 1)).astype(np.float32)
        columns = self.width / 2 + self.focal * mesh.vertices[:, 0] * near
        rows = self.height / 2 - self.focal * mesh.vertices[:, 1] * near
        pixels = np.stack([columns, rows], axis=1).astype(np.float32)
        best = np.full((self.height, self.width), -np.inf, np.float32)
        triangle = np.full((self.height, self.width), -1, np.int32)
        weights = np.empty((self.height, self.width, 2), np.float32)
        faces = mesh.faces.view(np.uint32)
        raster.rasterize(
            raster.snap(pixels), near, faces, True, True, best, triangle, weights
        )
        return best, triangle


def _depth(mesh: Mesh, framing: Framing, size: int) -> np.ndarray:
    """(size, size) depth, row 0 at the bottom; NaN where nothing is."""
    buffers = render_views(mesh, (0.0,), size, framing=framing)
    return np.where(buffers["mask"][0], buffers["depth"][0], np.nan)[::-1]


def _visible(depth: np.ndarray, framing: Framing, crop: float | None) -> np.ndarray:
    valid = np.isfinite(depth)
    if crop is not None:
        where = 2 * (np.arange(len(depth)) + 0.5) / len(depth) - 1
        x, y = np.meshgrid(where, where)
        valid &= (x / crop) ** 2 + (y / crop) ** 2 < 1
    return valid
