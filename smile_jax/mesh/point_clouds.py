"""Point clouds: PCD (of the Point Cloud Library) and XYZ."""

import pathlib
import re

import numba
import numpy as np

from smile_jax.mesh.depth_image import surface_of_grid
from smile_jax.mesh.number_parsing import line_end, parse_number
from smile_jax.mesh.types import Mesh, MeshError

_MAX_HEADER = 1 << 14
_KINDS = {("F", 4): "f4", ("F", 8): "f8", ("U", 1): "u1", ("U", 2): "u2",
          ("U", 4): "u4", ("I", 1): "i1", ("I", 2): "i2", ("I", 4): "i4"}  # fmt: skip
_MOST_COLUMNS = 12
_METRES = 50.0  # an organised cloud that reaches less far is in metres
_PACKED = ("rgb", "rgba")


def read_xyz(path: pathlib.Path, within: pathlib.Path) -> Mesh:
    """Reads lines `x y z`, with red, green and blue of 0 to 255 where three follow.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    del within  # it names no other file
    content = path.read_bytes()
    data = np.frombuffer(content, np.uint8)
    out = np.empty((content.count(b"\n") + content.count(b"\r") + 1, _MOST_COLUMNS))
    rows, columns, bad = _parse_rows(data, out)
    if bad >= 0:
        shown = content[bad : bad + 16].splitlines()[:1] or [b""]
        raise MeshError(
            f"{path}: byte {bad} (line {content.count(bytes([10]), 0, bad) + 1}, "
            f"{shown[0].decode('latin-1')!r}): no line of x y z and as many numbers "
            "as the others have; the file is truncated or of another format"
        )
    table = out[:rows]
    colors = None
    if columns == 6 and rows:
        painted = table[:, 3:6]
        if painted.min() >= 0 and painted.max() <= 255 and painted.max() > 1:
            colors = (painted / 255).astype(np.float32)
    return Mesh(table[:, :3], np.empty((0, 3), np.int32), colors=colors)


@numba.njit(cache=True, nogil=True)
def _parse_rows(data, out):
    """(rows, columns, byte of a line that is none or -1); the first says how many."""
    at, rows, columns = 0, 0, 0
    while at < len(data):
        end = line_end(data, at, len(data))
        i, found = at, 0
        while i < end:
            byte = data[i]
            if byte == 32 or byte == 44 or byte == 59 or 9 <= byte <= 13:
                i += 1
                continue
            if byte == 35:  # a comment
                break
            value, after = parse_number(data, i, end)
            if after == i or found >= out.shape[1]:
                return rows, columns, at
            out[rows, found] = value
            found += 1
            i = after
            if i < end and not (
                data[i] == 32 or data[i] == 44 or data[i] == 59 or 9 <= data[i] <= 13
            ):
                return rows, columns, at
        # Some begin with the number of points.
        if found > 1 or (found == 1 and rows > 0):
            if found < 3 or (columns and found != columns):
                return rows, columns, at
            columns = found
            rows += 1
        at = end + 1
    return rows, columns, -1


def read_pcd(path: pathlib.Path, within: pathlib.Path) -> Mesh:
    """Reads a PCD file, ASCII, binary or compressed.

    An organised cloud, of a depth sensor, becomes a mesh by its own grid, turned from
    the camera's axes (y down, z away) to y up and the camera on the +z side.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    del within  # it names no other file
    data = path.read_bytes()
    fields, form, at = _header(path, data)
    names, kinds = fields["FIELDS"], []
    counts = [int(c) for c in fields["COUNT"]]
    for kind, size in zip(fields["TYPE"], fields["SIZE"], strict=False):
        kinds.append(_KINDS.get((kind, int(size)), ""))
    width, height = int(fields["WIDTH"][0]), int(fields["HEIGHT"][0])
    points = width * height
    if not (
        len(names) == len(kinds) == len(counts)
        and all(kinds)
        and all(0 < c <= _MOST_COLUMNS for c in counts)
    ):
        raise MeshError(f"{path}: byte 0: FIELDS, SIZE, TYPE and COUNT do not agree")
    row = np.dtype(
        [
            (f"{i}", f"<{kind}", (count,))
            for i, (kind, count) in enumerate(zip(kinds, counts, strict=True))
        ]
    )
    columns = _columns(path, data, at, form, row, points)
    of_name = {name.lower(): columns[i] for i, name in enumerate(names)}
    missing = [axis for axis in "xyz" if axis not in of_name]
    if missing:
        raise MeshError(f"{path}: byte 0: its points have no {missing[0]}")
    xyz = [np.asarray(of_name[axis], np.float64)[:, 0] for axis in "xyz"]
    vertices = np.stack(xyz, axis=1)
    colors = _colors(of_name)
    if height > 1 and width > 1:
        return _organised(path, vertices, colors, width)
    there = np.isfinite(vertices).all(axis=1)
    return Mesh(
        vertices[there],
        np.empty((0, 3), np.int32),
        colors=None if colors is None else colors[there],
    )


def _header(path: pathlib.Path, data: bytes) -> tuple[dict[str, list[str]], str, int]:
    head = data[:_MAX_HEADER]
    end = re.search(rb"^DATA[ \t]+(\w+)[ \t]*\r?\n", head, re.MULTILINE)
    if end is None:
        raise MeshError(f"{path}: byte 0: no PCD header that ends with DATA")
    fields = {}
    for line in head[: end.start()].decode("latin-1").splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            fields[words[0].upper()] = words[1:]
    whole = ("SIZE", "COUNT", "WIDTH", "HEIGHT")
    fields.setdefault("COUNT", ["1"] * len(fields.get("FIELDS", ())))
    for name in ("FIELDS", "SIZE", "TYPE", "WIDTH", "HEIGHT", "COUNT"):
        words = fields.get(name, [])
        numbers = all(word.isdecimal() and len(word) < 9 for word in words)
        if not words or (name in whole and not numbers):
            raise MeshError(f"{path}: byte 0: no {name}, or no numbers, in the header")
    return fields, end[1].decode(), end.end()


def _columns(
    path: pathlib.Path, data: bytes, at: int, form: str, row: np.dtype, points: int
) -> list[np.ndarray]:
    """(points, count) numbers of each field."""

    def truncated(there: int, what: str) -> MeshError:
        return MeshError(
            f"{path}: byte {len(data)}: {points} points announced, and {there} {what} "
            "are there; the file is truncated or damaged"
        )

    names = row.names or ()
    if form == "ascii":
        width = sum(row[name].shape[0] for name in names)
        text = data[at:].split()
        if len(text) < width * points or points < 1:
            raise truncated(len(text), "numbers")
        try:
            table = np.array([float(word) for word in text[: width * points]])
        except ValueError as error:
            raise MeshError(f"{path}: byte {at}: {str(error)[:80]}") from error
        table = table.reshape(points, width)
        starts = np.cumsum([0, *(row[name].shape[0] for name in names)])
        return [
            table[:, s : s + row[n].shape[0]].astype(row[n].base)
            for n, s in zip(names, starts, strict=False)
        ]
    if form == "binary":
        if len(data) - at < row.itemsize * points or points < 1:
            raise truncated(len(data) - at, "bytes")
        records = np.frombuffer(data, row, points, at)
        return [records[name] for name in names]
    if form != "binary_compressed" or len(data) - at < 8:
        raise MeshError(f"{path}: byte {at}: DATA {form[:20]!r} is not read")
    packed, size = np.frombuffer(data, "<u4", 2, at).tolist()
    # LZF makes of a byte at most 90.
    if (
        size != row.itemsize * points
        or packed > len(data) - at - 8
        or size > 90 * packed
    ):
        raise truncated(packed, "packed bytes")
    out = np.empty(size, np.uint8)
    if unpack_lzf(np.frombuffer(data, np.uint8, packed, at + 8), out) != size:
        raise MeshError(f"{path}: byte {at + 8}: damaged packed bytes")
    columns, start = [], 0
    for name in names:  # one field after the other
        length = row[name].itemsize * points
        column = out[start : start + length].view(row[name].base)
        columns.append(column.reshape(points, -1))
        start += length
    return columns


@numba.njit(cache=True, nogil=True)
def unpack_lzf(data, out):
    """Unpacks LibLZF's format; returns the bytes written, -1 where it is damaged."""
    i, o = 0, 0
    while i < len(data):
        control = np.int64(data[i])
        i += 1
        if control < 32:
            length = control + 1
            if i + length > len(data) or o + length > len(out):
                return -1
            for _ in range(length):
                out[o] = data[i]
                i += 1
                o += 1
        else:
            length = control >> 5
            if length == 7:
                if i >= len(data):
                    return -1
                length += np.int64(data[i])
                i += 1
            if i >= len(data):
                return -1
            place = o - ((control & 31) << 8) - np.int64(data[i]) - 1
            i += 1
            length += 2
            if place < 0 or o + length > len(out):
                return -1
            for _ in range(length):  # may overlap itself
                out[o] = out[place]
                o += 1
                place += 1
    return o


def _colors(of_name: dict[str, np.ndarray]) -> np.ndarray | None:
    """Red, green and blue that PCL packs into one number, as shares."""
    packed = next((of_name[name] for name in _PACKED if name in of_name), None)
    if packed is None or packed.dtype.itemsize != 4:
        return None
    bits = np.ascontiguousarray(packed[:, 0]).view(np.uint32)
    channels = [(bits >> shift) & 255 for shift in (16, 8, 0)]
    return (np.stack(channels, axis=1) / 255).astype(np.float32)


def _organised(
    path: pathlib.Path, vertices: np.ndarray, colors: np.ndarray | None, width: int
) -> Mesh:
    """A mesh of the grid of a depth sensor at the origin, that looks along +z."""
    grid = vertices.reshape(-1, width, 3)[::-1]
    valid = np.isfinite(grid).all(axis=-1) & (grid[..., 2] > 0)
    points = grid[valid] * np.array([1, -1, -1], np.float32)
    if len(points) < 3:
        raise MeshError(f"{path}: byte 0: {len(points)} of its points lie before z = 0")
    depth = -points[:, 2].astype(np.float64)
    scale = 1000.0 if np.median(depth) < _METRES else 1.0  # to mm, for the jumps
    apart = np.linalg.norm(np.diff(grid, axis=1), axis=-1)
    with np.errstate(invalid="ignore"):
        near = apart[np.isfinite(apart) & (apart > 0)]
    spacing = float(np.median(near)) * scale if len(near) else 0.0
    apart = np.full(len(points), spacing)
    in_mm = points * np.float32(scale)
    faces, notes = surface_of_grid(valid, depth * scale, apart, in_mm)
    if not len(faces):
        raise MeshError(f"{path}: byte 0: no points of its grid are neighbours")
    return Mesh(
        points,
        np.ascontiguousarray(faces),
        colors=None
        if colors is None
        else np.ascontiguousarray(colors.reshape(-1, width, 3)[::-1][valid]),
        notes=notes,
    )
