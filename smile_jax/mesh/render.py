"""`render_views`: a mesh to depth, normal, texture, grey and mask images of V views."""

import io
import pathlib
import warnings
from collections.abc import Sequence

import numpy as np

from smile_jax.mesh import raster
from smile_jax.mesh.cameras import (
    Framing,
    Projection,
    depth_from_nearness,
    frame_mesh,
    project,
    view_rotation,
)
from smile_jax.mesh.types import Mesh, MeshError

MAX_VIEWS = 9
# Formats of the datasets' textures: Pillow would start other programs for some others.
_IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
_MOST_PIXELS = 4096 * 4096  # of a texture; with its copies, a quarter of a GB

# Direction towards the light of the `shaded` buffer, in camera axes: upper left.
_LIGHT = np.array([-0.3, 0.5, 0.81], np.float32)


def render_views(
    mesh: Mesh,
    yaws_deg: Sequence[float] = (-30.0, 0.0, 30.0),
    size: int = 224,
    *,
    pitch_deg: float = 0.0,
    framing: Framing | None = None,
    projection: Projection = "orthographic",
    show_backs: bool = True,
    texture: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Renders square images of a mesh from several yaws. Axes: see `cameras`.

    Args:
      mesh: a clean mesh.
      yaws_deg: one to nine camera yaws V in degrees.
      size: image height and width S in pixels.
      pitch_deg: camera pitch in degrees, for all views.
      framing: what to show; by default `frame_mesh(mesh)`.
      projection: "orthographic" or "perspective".
      show_backs: draw back faces, with normals turned to the viewer. Scans are open
        surfaces, so the default draws them; False culls them.
      texture: (h, w, 3) uint8 image to use in place of the file at `mesh.texture`.

    Returns:
      `depth` (V, S, S) float32 in world units, 0 where nothing is;
      `normals` (V, S, S, 3) float32 unit vectors in camera axes, 0 where nothing is;
      `texture` (V, S, S, 3) uint8: the texture image, else vertex colours, else grey;
      `shaded` (V, S, S) float32 in [0, 1]: Lambert shading under one light;
      `mask` (V, S, S) bool: what the mesh covers.

    Raises:
      ValueError: a bad number of views or size, or an unknown projection.
      MeshError: the texture image cannot be read.

    Example:
      >>> buffers = render_views(read_mesh("scan.obj"), (-30, 0, 30), 224)
      >>> buffers["normals"].shape
      (3, 224, 224, 3)
    """
    _check(yaws_deg, size, projection)
    if not np.isfinite(pitch_deg):
        raise ValueError(f"pitch_deg={pitch_deg} must be finite")
    views = len(yaws_deg)
    framing = framing or frame_mesh(mesh)
    if texture is None and mesh.texture is not None and mesh.uv is not None:
        texture = read_image(mesh.texture)
    vertices = np.ascontiguousarray(mesh.vertices, np.float32)
    normals = raster.vertex_normals(vertices, mesh.faces.view(np.uint32))
    perspective = projection == "perspective"
    image, uv, uv_faces, colors = _appearance(mesh, texture)
    # Unsigned indices spare the compiled loops numba's test for negative ones.
    faces, uv_faces = mesh.faces.view(np.uint32), uv_faces.view(np.uint32)

    nearness = np.full((views, size, size), -np.inf, np.float32)
    triangle = np.full((views, size, size), -1, np.int32)
    weights = np.empty((views, size, size, 2), np.float32)
    out: dict[str, np.ndarray] = {
        "normals": np.zeros((views, size, size, 3), np.float32),
        "texture": np.zeros((views, size, size, 3), np.uint8),
        "shaded": np.zeros((views, size, size), np.float32),
    }
    for v, yaw in enumerate(yaws_deg):
        rotation = view_rotation(yaw, pitch_deg)
        points = project(
            vertices,
            rotation=rotation,
            framing=framing,
            size=size,
            projection=projection,
        )
        snapped, near = raster.snap(points), np.ascontiguousarray(points[:, 2])
        raster.rasterize(
            snapped,
            near,
            faces,
            perspective,
            show_backs,
            nearness[v],
            triangle[v],
            weights[v],
        )
        raster.shade(
            snapped,
            near,
            perspective,
            faces,
            normals,
            rotation,
            colors,
            uv,
            uv_faces,
            image,
            _LIGHT,
            nearness[v],
            triangle[v],
            weights[v],
            out["normals"][v],
            out["texture"][v],
            out["shaded"][v],
        )
    mask = triangle >= 0
    nearness[~mask] = 1  # any finite value: masked out below
    depth = np.where(mask, depth_from_nearness(nearness, framing, projection), 0)
    return {"depth": depth.astype(np.float32), **out, "mask": mask}


def read_image(path: str | pathlib.Path) -> np.ndarray:
    """Reads an image file as (h, w, 3) uint8.

    Raises:
      MeshError: naming the file.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # An absurd size is a damaged header; of odd metadata nobody needs to know.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # From memory: Pillow asks a file for as many bytes as it announces.
            content = io.BytesIO(pathlib.Path(path).read_bytes())
            with Image.open(content, formats=_IMAGE_FORMATS) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise ValueError(
                        f"{image.width} x {image.height} pixels, more than "
                        f"{_MOST_PIXELS}"
                    )
                return np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow's parsers raise whatever they meet
        raise MeshError(
            f"{path}: not a readable texture image ({str(error)[:200]})"
        ) from error


def _check(yaws_deg: Sequence[float], size: int, projection: str) -> None:
    views = len(yaws_deg)
    if not 1 <= views <= MAX_VIEWS:
        raise ValueError(f"yaws_deg must name 1 to {MAX_VIEWS} views, got {views}")
    if not np.isfinite(yaws_deg).all():
        raise ValueError(f"yaws_deg={list(yaws_deg)} must be finite")
    if size < 1:
        raise ValueError(f"size must be a positive number of pixels, got {size}")
    if projection not in ("orthographic", "perspective"):
        raise ValueError(
            f"projection must be 'orthographic' or 'perspective', got {projection!r}"
        )


def _appearance(
    mesh: Mesh, texture: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns texture image, texture coordinates, faces over them, vertex colours.

    Empty arrays stand for what is missing, as compiled code takes arrays only.
    """
    image = np.empty((0, 0, 3), np.uint8)
    uv, uv_faces = np.empty((0, 2), np.float32), np.empty((0, 3), np.int32)
    if texture is not None and mesh.uv is not None and mesh.uv_faces is not None:
        image, uv, uv_faces = texture, mesh.uv, mesh.uv_faces
    colors = mesh.colors if mesh.colors is not None else np.empty((0, 3), np.float32)
    return image, uv, uv_faces, colors
