"""Bosphorus scans: the `.bnt` grid of points with its `.png` texture."""

import pathlib
import struct

import numpy as np

from smile_jax.mesh.texture_paths import FilesBeside
from smile_jax.mesh.types import Material, Mesh, MeshError

_HEAD = struct.Struct("<HHdH")  # rows, columns, zmin, length of the image's name
_PLANES = 5  # x, y, z, u, v


def read_bnt(path: pathlib.Path, within: pathlib.Path) -> Mesh:
    """Reads a `.bnt` grid and joins neighbouring valid points by triangles.

    Layout (little-endian): uint16 rows, uint16 columns, float64 zmin, uint16 length,
    the image's name, uint32 count = rows * columns * 5, then the planes x, y, z, u, v
    as float64. Row 0 is the bottom, v grows downward, background has z = zmin.

    Args:
      path: the `.bnt` file; its `.png` is looked for beside it.
      within: folder outside of which nothing is opened.

    Returns:
      The mesh in mm, not yet cleaned.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    data = path.read_bytes()
    if len(data) < _HEAD.size:
        raise _truncated(path, data, _HEAD.size, "header")
    rows, columns, zmin, length = _HEAD.unpack_from(data)
    start = _HEAD.size + length + 4
    if len(data) < start:
        raise _truncated(path, data, start, "header")
    image = data[_HEAD.size : _HEAD.size + length].decode("latin-1").rstrip("\0")
    (count,) = struct.unpack_from("<I", data, start - 4)
    if count != rows * columns * _PLANES:
        raise MeshError(
            f"{path}: byte {start - 4}: {count} numbers announced for a grid of {rows} "
            f"x {columns} x {_PLANES}; it is no .bnt file, or damaged"
        )
    if len(data) < start + 8 * count:
        raise _truncated(path, data, start + 8 * count, "grid")
    planes = np.frombuffer(data, "<f8", count, start).reshape(_PLANES, -1)
    x, y, z, u, v = planes
    valid = np.isfinite(planes[:3]).all(axis=0) & (z > zmin / 2 if zmin < 0 else z > 0)
    with np.errstate(over="ignore", invalid="ignore"):  # `clean` counts what is inf
        vertices = np.stack([x, y, z], axis=1)[valid].astype(np.float32)
        uv = np.stack([u, 1 - v], axis=1)[valid].astype(np.float32)
    if not len(vertices):
        raise MeshError(
            f"{path}: byte {start}: none of the {rows * columns} points of the grid is "
            "valid; the file is damaged"
        )
    files = FilesBeside(path, within)
    named = (Material(files.image([image])),)
    materials, repairs = files.with_own_image(named)
    faces = grid_faces(valid.reshape(rows, columns))
    return Mesh(
        vertices=vertices,
        faces=faces,
        uv=uv,
        uv_faces=faces,
        materials=materials,
        repairs=repairs,
        texture_notes=tuple(files.notes),
    )


def grid_faces(valid: np.ndarray) -> np.ndarray:
    """Two triangles a grid cell, of those whose three corners are valid.

    Args:
      valid: (rows, columns) bool, row 0 at the bottom.

    Returns:
      (m, 3) int32 indices into the valid points, row by row; counter-clockwise.
    """
    number = np.where(valid, np.cumsum(valid).reshape(valid.shape) - 1, -1)
    a, b = number[:-1, :-1].ravel(), number[:-1, 1:].ravel()
    d, c = number[1:, :-1].ravel(), number[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return np.ascontiguousarray(faces[(faces >= 0).all(axis=1)], np.int32)


def _truncated(path: pathlib.Path, data: bytes, wanted: int, what: str) -> MeshError:
    return MeshError(
        f"{path}: byte {len(data)}: the file ends in its {what}, which needs {wanted} "
        "bytes; it is truncated, copy it again"
    )
