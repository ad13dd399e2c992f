"""Depth images of scanners as meshes: 16-bit PNG, EXR or NPY with a camera beside."""

import dataclasses
import json
import math
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from smile_jax.core.extras import needed_for
from smile_jax.core.text_files import TextFileError, read_text
from smile_jax.mesh.bosphorus import grid_faces
from smile_jax.mesh.depth_kernels import smooth
from smile_jax.mesh.polygons import pack
from smile_jax.mesh.surface_of_points import SMOOTHING
from smile_jax.mesh.types import Mesh, MeshError

CAMERA = "camera.json"
DEPTH_SUFFIXES = (".png", ".exr", ".npy")
_MOST_PIXELS = 4096 * 4096
_ENOUGH_PIXELS = 1280 * 720  # of a sensor, half a mm each on a face
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_DEPTH_CHANNELS = ("Z", "depth", "Y", "R")  # of an EXR file, the first that is there
# This project's choices, in mm: what is farther apart than a jump is another surface; a
# piece as large as a face; noise below which nothing is smoothed.
_JUMP, _JUMP_PIXELS = 6.0, 6.0
_FACE = 80.0
_QUIET = 0.05
_REACH = 12  # pixels
_MOST_PIECES = 16  # that are looked at


@dataclasses.dataclass(frozen=True)
class DepthCamera:
    """A pinhole camera without distortion.

    Attributes:
      fx, fy: focal lengths in pixels.
      cx, cy: the principal point in pixels, from the top left pixel's centre.
      unit_mm: millimetres of the image's unit.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    unit_mm: float


def camera_file(path: pathlib.Path) -> pathlib.Path | None:
    """The camera of a depth image: `<stem>.json` beside it, else `camera.json`."""
    for name in (path.with_suffix(".json"), path.with_name(CAMERA)):
        if name.is_file():
            return name
    return None


def is_depth_image(path: pathlib.Path) -> bool:
    """True of a grey image of 16 bits or floats that has a camera beside it."""
    suffix = path.suffix.lower()
    if suffix not in DEPTH_SUFFIXES or not path.is_file() or camera_file(path) is None:
        return False
    if suffix != ".png":
        return True
    with path.open("rb") as file:
        head = file.read(26)
    # IHDR: bit depth 16, colour type 0, grey.
    return head.startswith(_PNG_HEAD) and head[24:26] == b"\x10\x00"


def read_depth_image(path: pathlib.Path, within: pathlib.Path) -> Mesh:
    """Joins the pixels of a depth image by triangles, without the sensor's noise.

    Edges are cut where depth jumps. Of several pieces as large as a face the nearest is
    taken, as walls and shoulders of others lie behind.

    Args:
      path: the image; its camera, JSON with fx and unit_mm, and fy, cx and cy where
        they are not fx and the middle, is beside it.
      within: of a mesh; no other file is named.

    Returns:
      The mesh in mm, y up and the camera on the +z side.

    Raises:
      MeshError: naming the file and what is wrong.
    """
    del within
    beside = camera_file(path)
    if beside is None:
        raise MeshError(
            f"{path}: a depth image needs its camera: write {CAMERA} beside it, such "
            'as {"fx": 600, "unit_mm": 1.0} (focal length in pixels, millimetres of '
            "the image's unit)"
        )
    depth, step = _read(path)
    camera = _camera(beside, depth.shape)
    depth, camera = _thinned(depth, camera)
    with np.errstate(invalid="ignore"):
        depth = np.asarray(depth, np.float64)
    depth, step = depth * camera.unit_mm, step * camera.unit_mm
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, 0.0)
    if not (depth > 0).any():
        raise MeshError(f"{path}: byte 0: no pixel of {depth.size} has a depth")
    focal = math.sqrt(camera.fx * camera.fy)
    noise = max(noise_of(depth, focal), step / math.sqrt(12))
    if noise > _QUIET:
        spacing = float(np.median(depth[depth > 0])) / focal
        sigma = max(math.sqrt(SMOOTHING * noise * spacing), spacing)
        jump = _JUMP + 4 * noise
        depth = smooth(depth, focal, sigma, jump, _REACH)
    return _mesh(path, depth[::-1], camera)


def _thinned(depth: np.ndarray, camera: DepthCamera) -> tuple[np.ndarray, DepthCamera]:
    """Every second pixel, or fewer, of more than faces need."""
    step = math.ceil(math.sqrt(depth.size / _ENOUGH_PIXELS))
    if step < 2:
        return depth, camera
    shrunk = dataclasses.replace(
        camera,
        fx=camera.fx / step,
        fy=camera.fy / step,
        cx=camera.cx / step,
        cy=camera.cy / step,
    )
    return depth[::step, ::step], shrunk


def noise_of(depth: Float[np.ndarray, "h w"], focal: float) -> float:
    """Standard deviation of a sensor's noise, in units of depth.

    Args:
      depth: 0 where nothing was measured.
      focal: in pixels.

    Returns:
      By fourth differences along rows, which a smooth surface does not have.
    """
    if depth.shape[1] < 5:
        return 0.0
    rows = np.lib.stride_tricks.sliding_window_view(depth, 5, axis=1)
    span = rows.max(axis=-1) - rows.min(axis=-1)
    middle = rows[..., 2]
    there = rows.min(axis=-1) > 0
    there &= span < 2 * (_JUMP + _JUMP_PIXELS * middle / focal)
    if not there.any():
        return 0.0
    bend = np.abs(rows[there] @ np.array([1.0, -4.0, 6.0, -4.0, 1.0]))
    return float(np.median(bend)) / (0.6745 * math.sqrt(70))


def _mesh(path: pathlib.Path, depth: np.ndarray, camera: DepthCamera) -> Mesh:
    """The surface of a depth image whose row 0 is at the bottom."""
    height = len(depth)
    valid = depth > 0
    rows, columns = np.nonzero(valid)
    z = depth[valid]
    x = (columns - camera.cx) / camera.fx * z
    y = (rows - (height - 1 - camera.cy)) / camera.fy * z
    with np.errstate(over="ignore"):
        vertices = np.stack([x, y, -z], axis=1).astype(np.float32)
    spacing = z / math.sqrt(camera.fx * camera.fy)
    faces, notes = surface_of_grid(valid, z, spacing, vertices)
    if not len(faces):
        raise MeshError(
            f"{path}: byte 0: none of its {valid.sum()} depths is near to its "
            "neighbours; unit_mm of its camera may be wrong"
        )
    used, faces = pack(faces, len(vertices))
    return Mesh(vertices=vertices[used], faces=faces, notes=notes)


def surface_of_grid(
    valid: Bool[np.ndarray, "h w"],
    depth: Float[np.ndarray, "n"],
    spacing: Float[np.ndarray, "n"],
    points: Float[np.ndarray, "n 3"],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The head among the triangles of a sensor's grid.

    Args:
      valid: row 0 at the bottom.
      depth: in mm, of the valid points.
      spacing: of two of them on the surface, in mm.
      points: in mm, +z to the camera.

    Returns:
      (m, 3) int32, none where no points are neighbours; and what is to be said of it.
    """
    faces = _whole_faces(valid, depth, spacing)
    if not len(faces):
        return faces, ()
    kept, pieces = _nearest_piece(points, faces)
    notes = (f"the nearest of its {pieces} pieces is taken",) if pieces > 1 else ()
    return kept, notes


def _whole_faces(
    valid: np.ndarray, depth: np.ndarray, spacing: np.ndarray
) -> np.ndarray:
    """Triangles of a grid, but for those over a jump; see `surface_of_grid`."""
    faces = grid_faces(valid)
    corners = depth[faces]
    apart = corners.max(axis=1) - corners.min(axis=1)
    return faces[apart <= _JUMP + _JUMP_PIXELS * spacing[faces].min(axis=1)]


def _nearest_piece(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, int]:
    """The faces of the connected piece that is a head, and how many could be one.

    Args:
      vertices: (n, 3) in mm, +z to the camera.
      faces: (m, 3).

    Returns:
      The nearest piece as large as a face, the largest where none is; and how many
      pieces are that large.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = np.concatenate([faces[:, :2], faces[:, 1:]])
    ones = np.ones(len(edges), bool)
    graph = coo_matrix((ones, edges.T), shape=(len(vertices),) * 2)
    _, of_point = connected_components(graph, directed=False)
    of_face = of_point[faces[:, 0]]
    sizes = np.bincount(of_face)
    large = []
    for piece in np.argsort(-sizes, kind="stable")[:_MOST_PIECES]:
        points = vertices[of_point == piece]
        if sizes[piece] and np.ptp(points[:, :2], axis=0).min() >= _FACE:
            large.append((-float(np.median(points[:, 2])), int(piece)))
    chosen = min(large)[1] if large else int(sizes.argmax())
    return faces[of_face == chosen], max(len(large), 1)


def _read(path: pathlib.Path) -> tuple[np.ndarray, float]:
    """The image (h, w), and the step of its numbers, 0 of floats."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".png":
            image = _png(path)
        elif suffix == ".exr":
            image = _exr(path)
        else:
            # Not `np.load`, which takes archives too.
            image = np.lib.format.open_memmap(path, mode="r")
        if image.ndim != 2 or image.dtype.kind not in "uif" or not image.size:
            raise ValueError(f"{image.dtype} {image.shape} is no depth image (h, w)")
        if image.size > _MOST_PIXELS:
            raise ValueError(f"{image.shape} pixels, more than {_MOST_PIXELS}")
        if image.dtype == np.uint16:  # the largest stands for nothing
            image = np.where(image == np.iinfo(np.uint16).max, 0, image)
        step = 1.0 if image.dtype.kind in "ui" else 0.0
        return image, step
    except MeshError:
        raise
    except Exception as error:  # parsers raise whatever they meet
        raise MeshError(
            f"{path}: byte 0 to {path.stat().st_size}: not a readable depth image "
            f"({type(error).__name__}: {str(error)[:200]})"
        ) from error


def _png(path: pathlib.Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path, formats=("PNG",)) as image:
        if not image.mode.startswith("I"):
            raise ValueError(f"{image.mode} pixels, not grey ones of 16 bits")
        if image.width * image.height > _MOST_PIXELS:
            raise ValueError(f"{image.size} pixels, more than {_MOST_PIXELS}")
        return np.asarray(image).astype(np.uint16)


def _exr(path: pathlib.Path) -> np.ndarray:
    with needed_for("an EXR image", "scanners"):
        import OpenEXR

    with OpenEXR.File(str(path), header_only=True) as file:
        low, high = file.header()["dataWindow"]
        size = (high[0] - low[0] + 1, high[1] - low[1] + 1)
        count = len(file.channels())
    if not 0 < int(size[0]) * int(size[1]) * max(count, 1) <= _MOST_PIXELS:
        raise ValueError(f"{size} pixels of {count} channels, over {_MOST_PIXELS}")
    with OpenEXR.File(str(path)) as file:
        channels = file.channels()
        names = [name for name in _DEPTH_CHANNELS if name in channels]
        if not names and len(channels) != 1:
            raise ValueError(f"channels {', '.join(channels)}, and none is depth")
        return np.array(channels[(names or list(channels))[0]].pixels)


def _camera(path: pathlib.Path, shape: tuple[int, ...]) -> DepthCamera:
    """Reads a camera.

    Raises:
      MeshError: naming the file and the key.
    """
    try:
        found = json.loads(read_text(path))
    except (TextFileError, ValueError, RecursionError) as error:
        said = str(error)[:200]
        raise MeshError(f"{path}: cannot be read as JSON ({said})") from error
    if not isinstance(found, dict):
        raise MeshError(f"{path}: no JSON object with fx and unit_mm")

    def number(name: str, other: float | None, low: float) -> float:
        value: Any = found.get(name, other)
        real = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not real or not low < value < 1e9:
            raise MeshError(
                f"{path}: {name} is {str(value)[:40]!r}, not a number"
                + (f" above {low:g}" if low > -1e9 else "")
            )
        return float(value)

    height, width = shape
    fx = number("fx", None, 0.0)
    return DepthCamera(
        fx=fx,
        fy=number("fy", fx, 0.0),
        cx=number("cx", (width - 1) / 2, -1e9),
        cy=number("cy", (height - 1) / 2, -1e9),
        unit_mm=number("unit_mm", None, 0.0),
    )
