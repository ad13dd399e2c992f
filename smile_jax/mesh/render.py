"""`render_views`: a mesh to depth, normal, texture, grey and mask images of V views."""

import dataclasses
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
from smile_jax.mesh.types import EmbeddedImage, ImageSource, Material, Mesh, MeshError

MAX_VIEWS = 9
# Formats of the datasets' textures: Pillow would start other programs for some others.
_IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
_MOST_PIXELS = 4096 * 4096  # of a mesh's textures; with copies, a quarter of a GB
_GREY = (128 / 255,) * 3  # of what has no colour
_NO_COLORS = np.empty((0, 3), np.float32)
_NO_PIXELS = np.empty((0, 3), np.uint8)

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
      texture: (h, w, 3) uint8 image to use in place of those that the mesh names.

    Returns:
      `depth` (V, S, S) float32 in world units, 0 where nothing is;
      `normals` (V, S, S, 3) float32 unit vectors in camera axes, 0 where nothing is;
      `texture` (V, S, S, 3) uint8: the texture image, else vertex colours, else the
      material's colour, else grey;
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
    vertices = np.ascontiguousarray(mesh.vertices, np.float32)
    normals = raster.vertex_normals(vertices, mesh.faces.view(np.uint32))
    perspective = projection == "perspective"
    look = _Look.of(mesh, texture)
    # Unsigned indices spare the compiled loops numba's test for negative ones.
    faces, uv_faces = mesh.faces.view(np.uint32), look.uv_faces.view(np.uint32)

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
            look.colors,
            look.uv,
            uv_faces,
            look.pixels,
            look.layout,
            look.plain,
            look.material.view(np.uint32),
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


def read_image(source: str | ImageSource) -> np.ndarray:
    """Reads an image file as (h, w, 3) uint8.

    Grey images of 16 bits, of 32 and of floats are scaled from their range to 8 bits;
    what is transparent shows its colour, as in an OBJ's `map_Kd`.

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
            content = (
                source.content
                if isinstance(source, EmbeddedImage)
                else pathlib.Path(source).read_bytes()
            )
            with Image.open(io.BytesIO(content), formats=_IMAGE_FORMATS) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise ValueError(
                        f"{image.width} x {image.height} pixels, more than "
                        f"{_MOST_PIXELS}"
                    )
                if image.mode[0] in "IF":  # Pillow would cut these off at 255
                    grey = _as_8_bits(np.asarray(image), image.mode)
                    return np.repeat(grey[..., None], 3, axis=-1)
                straight = "RGBA" if image.mode in ("PA", "RGBa", "La") else "RGB"
                return np.asarray(image.convert(straight).convert("RGB"))
    except Exception as error:  # Pillow's parsers raise whatever they meet
        raise MeshError(
            f"{source}: not a readable texture image ({str(error)[:200]})"
        ) from error


def _as_8_bits(grey: np.ndarray, mode: str) -> np.ndarray:
    """A grey image of more bits, (h, w) uint8.

    Whole numbers are scaled by the most that their kind holds: 65535, or what 32 bits
    do where there is more. Floats are in [0, 1], or [0, 255], else between their
    smallest and largest.
    """
    values = np.nan_to_num(grey.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = 0.0, 65535.0
    if mode != "F":
        if values.min(initial=0) < 0:  # Pillow has no kind for 32 bits without sign
            values, high = np.where(values < 0, values + 2.0**32, values), 2.0**32 - 1
        elif values.max(initial=0) > high:
            high = 2.0**31 - 1
    elif values.min(initial=0) >= 0 and values.max(initial=0) <= 255:
        high = 1.0 if values.max(initial=0) <= 1 else 255.0
    else:
        low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255 / max(high - low, 1e-300))
    return np.clip(scaled + 0.5, 0, 255).astype(np.uint8)


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


@dataclasses.dataclass(frozen=True)
class _Look:
    """The colours of a mesh as `raster.shade` takes them."""

    uv: np.ndarray
    uv_faces: np.ndarray
    colors: np.ndarray
    pixels: np.ndarray
    layout: np.ndarray
    plain: np.ndarray
    material: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh, texture: np.ndarray | None) -> "_Look":
        """Reads the images of a mesh, or takes the one that is given.

        Empty arrays stand for what is missing, as compiled code takes arrays only.
        """
        images: list[np.ndarray] = []
        placed: dict[Material, tuple[int, int, int]] = {}
        materials, which = mesh.materials, mesh.face_materials
        if texture is not None:
            materials, which = (), None
            images = [texture]
        elif mesh.uv is not None:
            images = _read_images(mesh, placed)
        none = (0, 0, 0)
        layout = [placed.get(material, none) for material in materials]
        if texture is not None:
            layout = [(0, *texture.shape[:2])]
        shown = bool(images) and mesh.uv is not None and mesh.uv_faces is not None
        plain = [_GREY if m.color is None else m.color for m in materials] or [_GREY]
        flat = [image.reshape(-1, 3) for image in images]
        return cls(
            uv=mesh.uv if shown else np.empty((0, 2), np.float32),  # type: ignore[arg-type]
            uv_faces=mesh.uv_faces if shown else np.empty((0, 3), np.int32),  # type: ignore[arg-type]
            colors=_NO_COLORS if mesh.colors is None else mesh.colors,
            pixels=flat[0] if len(flat) == 1 else np.concatenate([_NO_PIXELS, *flat]),
            layout=np.array(layout or [none], np.int64),
            plain=(np.array(plain) * 255 + 0.5).astype(np.uint8),
            material=np.empty(0, np.int32) if which is None else which,
        )


def _read_images(
    mesh: Mesh, placed: dict[Material, tuple[int, int, int]]
) -> list[np.ndarray]:
    """Reads the images that faces show; `placed` receives their rows of the layout.

    Several are made smaller where they have too many pixels together.
    """
    shown = [m for m in dict.fromkeys(mesh.used_materials) if m.image is not None]
    read: dict[tuple, tuple[int, int, int]] = {}  # of an image in a tint
    images, first = [], 0
    share = _MOST_PIXELS // max(len({(m.image, m.tint) for m in shown}), 1)
    for material in shown:
        key = (material.image, material.tint)
        if key not in read:
            assert material.image is not None
            image = _tint(read_image(material.image), material.tint)
            while image.shape[0] * image.shape[1] > share:
                image = np.ascontiguousarray(image[::2, ::2])
            images.append(image)
            read[key] = (first, *image.shape[:2])
            first += image.shape[0] * image.shape[1]
        placed[material] = read[key]
    return images


def _tint(image: np.ndarray, tint: tuple[float, float, float]) -> np.ndarray:
    """The image multiplied by a linear colour."""
    if tint == (1.0, 1.0, 1.0):
        return image
    stored = np.arange(256) / 255
    light = np.where(
        stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4
    )
    shown = [np.array([as_shown(x) for x in light * factor]) for factor in tint]
    tables = [(table * 255 + 0.5).astype(np.uint8) for table in shown]
    return np.stack([t[image[..., k]] for k, t in enumerate(tables)], axis=-1)


def as_shown(light: float) -> float:
    """A linear intensity in [0, 1] as screens are told it (sRGB, IEC 61966-2-1)."""
    light = min(max(light, 0.0), 1.0)
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
