"""PLY scans, in text and binary, with what scanners' programs write beside points.

Read by us: trimesh fails on files with edges, strips or mixed polygons, and leaves
texture coordinates of faces out.
"""

import dataclasses
import itertools
import pathlib
import re
from collections.abc import Iterator

import numba
import numpy as np

from smile_jax.mesh.number_parsing import is_space, parse_number
from smile_jax.mesh.polygons import fan, unstrip
from smile_jax.mesh.texture_paths import MOST_NAMES, FilesBeside, as_text
from smile_jax.mesh.types import Material, Mesh, MeshError

_KINDS = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_MAX_HEADER = 1 << 16
_TEXTURES = re.compile(rb"(?<=[\r\n])comment[ \t]+TextureFile[ \t]+([^\r\n]*)")
_UV = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))
_COLORS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_INDICES = ("vertex_indices", "vertex_index")
_SCALES = {"u1": 255.0, "u2": 65535.0}
_TEXT, _LITTLE, _BIG = "ascii", "binary_little_endian", "binary_big_endian"


@dataclasses.dataclass(frozen=True)
class Property:
    """A property of an element; `count` is the kind of a list's length, else ""."""

    name: str
    kind: str
    count: str = ""


@dataclasses.dataclass
class Element:
    """What the header announces of an element."""

    name: str
    count: int
    properties: list[Property] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class _List:
    """The lists of a property, one after another, and their lengths."""

    values: np.ndarray
    lengths: np.ndarray


_Columns = dict[str, np.ndarray | _List]


def read_ply(path: pathlib.Path, within: pathlib.Path) -> Mesh:
    """Reads points with colours and normals, polygons or strips, and their texture.

    Args:
      path: the `.ply` file.
      within: folder in which the image of `comment TextureFile` is looked for.

    Returns:
      The mesh, not yet cleaned; without faces it is a point cloud.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    data = path.read_bytes()
    form, elements, at = _header(path, data)
    reader = TextRows if form == _TEXT else BinaryRows
    body = reader(path, data, at, form)
    found: dict[str, _Columns] = {}
    for element in elements:
        columns = body.take(element)  # that without properties too: it has lines
        found.setdefault(element.name, columns)
    points = found.get("vertex", {})
    missing = [name for name in "xyz" if not isinstance(points.get(name), np.ndarray)]
    if missing:
        raise MeshError(
            f"{path}: byte {at}: its points have no {missing[0]}; the file is damaged"
        )
    faces, corners, of_polygon = polygons_of(path, found)
    files = FilesBeside(path, within)
    uv, uv_faces, of_face = _texture(points, found, faces, corners, of_polygon)
    materials: tuple[Material, ...] = ()
    repairs: dict[str, int] = {}
    listed = itertools.islice(_TEXTURES.findall(data[:at]), MOST_NAMES)
    names = [as_text(name).strip() for name in listed]
    if uv is not None:
        images = [files.image([name]) for name in names]
        materials, repairs = files.with_own_image(tuple(map(Material, images)))
    elif names:
        files.notes.append(
            f"its texture image {names[0][:80]!r} has no coordinates in the file"
        )
    several = of_face is not None and len(materials) > 0
    if several:
        assert of_face is not None
        known = (of_face >= 0) & (of_face < len(materials)) & (of_face % 1 == 0)
        number = np.where(known, of_face, len(materials))
        materials = (*materials, Material())
    lost = _short(found)
    if lost:
        repairs["polygons of fewer than 3 corners removed"] = lost
    return Mesh(
        vertices=points_of(points),
        faces=faces,
        uv=uv,
        uv_faces=uv_faces,
        materials=materials,
        face_materials=number.astype(np.int32) if several else None,
        colors=_colors(points, elements),
        repairs=repairs,
        texture_notes=tuple(files.notes),
    )


def _header(path: pathlib.Path, data: bytes) -> tuple[str, list[Element], int]:
    """Returns the format, the elements and the byte where their rows begin."""
    head = data[:_MAX_HEADER]
    end = re.search(rb"end_header[ \t]*(?:\r\n|\n|\r)", head)
    if not head.startswith(b"ply") or end is None:
        raise MeshError(
            f"{path}: byte {0 if not head.startswith(b'ply') else len(head)}: no PLY "
            "header from 'ply' to 'end_header'; the file is truncated or of another "
            "format"
        )
    form, elements = "", list[Element]()
    for number, line in enumerate(head[: end.start()].splitlines()):
        words = line.decode("latin-1").split()
        kind = words[0] if words else ""
        wrong = False
        if kind == "format":
            form = words[1] if len(words) > 1 else ""
            wrong = form not in (_TEXT, _LITTLE, _BIG)
        elif kind == "element":
            wrong = len(words) != 3 or not words[2].isdecimal() or len(words[2]) > 12
            if not wrong:
                elements.append(Element(words[1], int(words[2])))
        elif kind == "property":
            made = _property(words)
            wrong = made is None or not elements
            if made is not None and elements:
                elements[-1].properties.append(made)
        if wrong:
            raise MeshError(
                f"{path}: byte {head.find(line)} (line {number + 1}): bad {kind} "
                f"{line[:40]!r} in the PLY header"
            )
    if not form:
        raise MeshError(f"{path}: byte 0: the PLY header names no format")
    return form, elements, end.end()


def _property(words: list[str]) -> Property | None:
    if len(words) == 3 and words[1] in _KINDS:
        return Property(words[2], _KINDS[words[1]])
    whole = len(words) == 5 and words[1] == "list" and words[3] in _KINDS
    count = _KINDS.get(words[2], "f") if whole else "f"
    return None if count[0] == "f" else Property(words[4], _KINDS[words[3]], count)


@dataclasses.dataclass
class _Rows:
    """The rows after the header, taken one element after another."""

    path: pathlib.Path
    data: bytes
    at: int
    form: str

    def truncated(self, element: Element, row: int, at: int) -> MeshError:
        return MeshError(
            f"{self.path}: byte {at}: the file ends, or its line does, in row {row} of "
            f"the {element.count} of {element.name[:40]!r} that it announces; it is "
            "truncated or damaged, copy it again"
        )


class BinaryRows(_Rows):
    """Rows of bytes."""

    def take(self, element: Element) -> _Columns:
        """The columns of the next element.

        Raises:
          MeshError: the file holds fewer rows.
        """
        if not element.properties:
            return {}
        swap = "<" if self.form == _LITTLE else ">"
        kinds = [np.dtype(swap + p.kind) for p in element.properties]
        counts = [np.dtype(swap + p.count) if p.count else None
                  for p in element.properties]  # fmt: skip
        left = len(self.data) - self.at
        least = sum((c or k).itemsize for k, c in zip(kinds, counts, strict=True))
        if element.count * max(least, 1) > left:
            raise self.truncated(element, left // max(least, 1), len(self.data))
        data = np.frombuffer(self.data, np.uint8)
        sizes = np.array([k.itemsize for k in kinds], np.int64)
        heads = np.array([c.itemsize if c else 0 for c in counts], np.int64)
        lists = int((heads > 0).sum())
        starts = np.empty((element.count, lists), np.int64)
        lengths = np.empty((element.count, lists), np.int64)
        rows = np.empty(element.count, np.int64)
        big = self.form == _BIG
        end, row = _walk_bytes(data, self.at, sizes, heads, big, rows, starts, lengths)
        if row < element.count:
            raise self.truncated(element, row, end)
        self.at = end
        columns: _Columns = {}
        number = 0
        before = np.zeros(element.count, np.int64)
        for p, kind, count in zip(element.properties, kinds, counts, strict=True):
            if count is None:
                columns.setdefault(p.name, _gather(data, rows + before, kind))
                before = before + kind.itemsize
                continue
            place, length = starts[:, number], lengths[:, number]
            flat = _spread(place, length, kind.itemsize)
            columns.setdefault(p.name, _List(_gather(data, flat, kind), length))
            before = before + count.itemsize + length * kind.itemsize
            number += 1
        return columns


class TextRows(_Rows):
    """Rows of numbers, a line each."""

    def __init__(self, path: pathlib.Path, data: bytes, at: int, form: str) -> None:
        super().__init__(path, data, at, form)
        text = np.frombuffer(data, np.uint8)
        self._values = np.empty((len(data) - at) // 2 + 1)
        self._lines = np.empty(len(data) - at + 1, np.int64)
        self._bytes = np.empty(len(data) - at + 1, np.int64)
        self._line = 0
        lines, bad = _parse_text(text, at, self._values, self._lines, self._bytes)
        if bad >= 0:
            shown = data[bad : bad + 16].split()[:1] or [b""]
            raise MeshError(
                f"{path}: byte {bad}: {shown[0].decode('latin-1')!r} is no number; the "
                "file is damaged"
            )
        self._count = lines

    def take(self, element: Element) -> _Columns:
        """The columns of the next element, of which each line is a row.

        Raises:
          MeshError: the file holds fewer rows, or a line fewer numbers.
        """
        first, left = self._line, self._count - self._line
        if element.count > left:
            raise self.truncated(element, left, len(self.data))
        self._line += element.count
        if not element.properties:
            return {}
        heads = np.array([1 if p.count else 0 for p in element.properties], np.int64)
        lists = int(heads.sum())
        rows = self._lines[first : first + element.count]
        ends = self._lines[first + 1 : first + element.count + 1]
        starts = np.empty((element.count, lists), np.int64)
        lengths = np.empty((element.count, lists), np.int64)
        row = _walk_values(self._values, heads, rows, ends, starts, lengths)
        if row < element.count:
            raise self.truncated(element, row, int(self._bytes[first + row]))
        columns: _Columns = {}
        number = 0
        before = np.zeros(element.count, np.int64)
        for p in element.properties:
            if not p.count:
                columns.setdefault(p.name, self._values[rows + before])
                before = before + 1
                continue
            place, length = starts[:, number], lengths[:, number]
            flat = _spread(place, length, 1)
            columns.setdefault(p.name, _List(self._values[flat], length))
            before = before + 1 + length
            number += 1
        return columns


def _gather(data: np.ndarray, places: np.ndarray, kind: np.dtype) -> np.ndarray:
    """The numbers that begin at some bytes."""
    rows = np.empty((len(places), kind.itemsize), np.uint8)
    for k in range(kind.itemsize):
        rows[:, k] = data[places + k]
    return rows.reshape(-1).view(kind)


def _spread(starts: np.ndarray, lengths: np.ndarray, size: int) -> np.ndarray:
    """The places of all items of lists that begin somewhere, `size` apart."""
    before = np.cumsum(lengths) - lengths
    within = np.arange(lengths.sum()) - np.repeat(before, lengths)
    return np.repeat(starts, lengths) + size * within


@numba.njit(cache=True, nogil=True)
def _walk_bytes(data, at, sizes, heads, big, rows, starts, lengths):
    """Finds rows and their lists: (byte after the last, rows that are whole)."""
    for row in range(len(rows)):
        rows[row], number = at, 0
        for p in range(len(sizes)):
            if heads[p] == 0:
                at += sizes[p]
            else:
                if at + heads[p] > len(data):
                    return len(data), row
                length = 0
                for k in range(heads[p]):
                    place = k if big else heads[p] - 1 - k
                    length = length * 256 + data[at + place]
                at += heads[p]
                if length > len(data):
                    return len(data), row
                starts[row, number], lengths[row, number] = at, length
                number += 1
                at += length * sizes[p]
        if at > len(data):
            return len(data), row
    return at, len(rows)


@numba.njit(cache=True, nogil=True)
def _walk_values(values, heads, rows, ends, starts, lengths):
    """The same of numbers in lines; returns the rows that are whole."""
    for row in range(len(rows)):
        at, number = rows[row], 0
        for p in range(len(heads)):
            if heads[p]:
                if at >= ends[row]:
                    return row
                length = values[at]
                if not 0 <= length <= ends[row] - at - 1 or length % 1:
                    return row
                starts[row, number], lengths[row, number] = at + 1, np.int64(length)
                number += 1
                at += np.int64(length)
            at += 1
        if at > ends[row]:
            return row
    return len(rows)


@numba.njit(cache=True, nogil=True)
def _parse_text(data, at, values, lines, places):
    """Parses all numbers: (lines that have some, byte of what is no number or -1).

    `lines` receives the first number of each line and their end, `places` its byte.
    """
    count, line, empty = 0, 0, True
    while at < len(data):
        byte = data[at]
        if byte == 10 or byte == 13:
            empty = True
            at += 1
        elif is_space(byte):
            at += 1
        else:
            value, after = parse_number(data, at, len(data))
            if after == at or (after < len(data) and not is_space(data[after])):
                return line, at
            if empty:
                lines[line], places[line] = count, at
                line += 1
                empty = False
            values[count] = value
            count += 1
            at = after
    lines[line] = count
    return line, -1


def points_of(columns: _Columns) -> np.ndarray:
    """(n, 3) float64 of the columns x, y and z."""
    return _stack(columns, "x", "y", "z")


def _stack(columns: _Columns, *names: str) -> np.ndarray:
    found = [columns[name] for name in names]
    return np.stack([np.asarray(x, np.float64) for x in found], axis=1)


def _lists_of(columns: _Columns, *names: str) -> Iterator[_List]:
    for name in names:
        found = columns.get(name)
        if isinstance(found, _List):
            yield found


def polygons_of(
    path: pathlib.Path, found: dict[str, _Columns]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Polygons as fans, or strips.

    Returns:
      (m, 3) indices of points; (m, 3) places of the corners among all corners of the
      polygons, and (m,) the polygon of each; both empty of strips.
    """
    nothing = np.empty((0, 3), np.int64)
    polygons = next(_lists_of(found.get("face", {}), *_INDICES), None)
    if polygons is not None and len(polygons.values):
        corners, of_polygon = fan(polygons.lengths)
        return _whole(path, polygons.values)[corners], corners, of_polygon
    strips = next(_lists_of(found.get("tristrips", {}), *_INDICES), None)
    if strips is not None and len(strips.values):
        # One row may end a strip, as -1 does.
        split = np.insert(_whole(path, strips.values), np.cumsum(strips.lengths), -1)
        return unstrip(split), nothing, np.empty(0, np.int64)
    return np.empty((0, 3), np.int32), nothing, np.empty(0, np.int64)


def _whole(path: pathlib.Path, values: np.ndarray) -> np.ndarray:
    """Indices as int32; what cannot be one becomes one that leads nowhere."""
    values = np.asarray(values, np.float64)
    wrong = ~((values >= -1) & (values < 2**31 - 1) & (values % 1 == 0))
    return np.where(wrong, 2**31 - 1, values).astype(np.int32)


def _texture(
    points: _Columns,
    found: dict[str, _Columns],
    faces: np.ndarray,
    corners: np.ndarray,
    of_polygon: np.ndarray,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Texture coordinates of faces, else of points; and the image of each face."""
    columns = found.get("face", {})
    coordinates = next(_lists_of(columns, "texcoord"), None)
    polygons = next(_lists_of(columns, *_INDICES), None)
    number = columns.get("texnumber")
    of_face = number[of_polygon] if isinstance(number, np.ndarray) else None
    if coordinates is not None and polygons is not None and len(of_polygon):
        has = coordinates.lengths == 2 * polygons.lengths
        if has.any() and (coordinates.lengths[~has] == 0).all():
            with np.errstate(over="ignore"):
                uv = np.asarray(coordinates.values, np.float32).reshape(-1, 2)
            # A corner's place among those with coordinates; the last stands for none.
            before = np.cumsum(np.where(has, 0, polygons.lengths))
            places = corners - before[of_polygon][:, None]
            with_none = np.concatenate([uv, np.zeros((1, 2), np.float32)])
            places = np.where(has[of_polygon][:, None], places, len(uv))
            if not has.all():
                of_face = np.zeros(len(of_polygon)) if of_face is None else of_face
                of_face = np.where(has[of_polygon], of_face, -1)
            return with_none, places.astype(np.int32), of_face
    for names in _UV:
        if all(isinstance(points.get(name), np.ndarray) for name in names):
            with np.errstate(over="ignore"):
                return _stack(points, *names).astype(np.float32), faces, of_face
    return None, None, None


def _colors(points: _Columns, elements: list[Element]) -> np.ndarray | None:
    """Colours of the points in [0, 1]."""
    kinds = {p.name: p.kind for e in elements if e.name == "vertex"
             for p in e.properties}  # fmt: skip
    for names in _COLORS:
        if all(isinstance(points.get(name), np.ndarray) for name in names):
            values = np.nan_to_num(_stack(points, *names)).astype(np.float32)
            scale = _SCALES.get(kinds[names[0]])
            if scale is None:  # floats, which some write from 0 to 255
                scale = 255.0 if values.max(initial=0) > 1 else 1.0
            return np.clip(values / np.float32(scale), 0, 1)
    return None


def _short(found: dict[str, _Columns]) -> int:
    """How many polygons have fewer than three corners."""
    polygons = next(_lists_of(found.get("face", {}), *_INDICES), None)
    return 0 if polygons is None else int((polygons.lengths < 3).sum())
