"""Wavefront OBJ scans with their materials."""

import functools
import itertools
import pathlib
import re

import numba
import numpy as np

from smile_jax.mesh.number_parsing import line_end, parse_number
from smile_jax.mesh.texture_paths import MOST_NAMES, FilesBeside, as_text
from smile_jax.mesh.types import Material, Mesh, MeshError

# A word that the text is searched for: to try every byte for a line's begin is slow.
_MATERIALS = re.compile(rb"mtllib[ \t]+([^\r\n]*)")
_OF_MATERIALS = re.compile(
    rb"(?:^|(?<=[\r\n]))[ \t]*(newmtl|Kd|map_Kd)[ \t]+([^\r\n]*)", re.IGNORECASE
)
# But for comments, which may end in a Windows folder.
_CONTINUED = re.compile(rb"^([^#\r\n]*)\\([ \t]*\r?\n)", re.MULTILINE)
_OPTIONS = re.compile(r"^(?:-[A-Za-z]+(?:\s+(?:[-+.\deE]+|on|off|[rgbmlz]))*\s+)+")
_BOM = b"\xef\xbb\xbf"
_MOST_LIBRARIES, _LONGEST = 16, 1 << 20  # material libraries, and bytes of one
_MOST_MATERIALS, _LONGEST_LINE = 256, 4096
# Statements that there are (Wavefront's "Appendix B1. Object Files (.obj)"): of those
# that are not read, none moves a point. What is none of them is damage: a point lost
# would shift every index after it.
_STATEMENTS = (
    "v vt vn vp f l p g o s mg usemtl mtllib usemap maplib cstype deg bmat step curv "
    "curv2 surf parm trim hole scrv sp end con bevel c_interp d_interp lod shadow_obj "
    "trace_obj ctech stech call csh"
)
_MODULUS = (1 << 31) - 1


def _code(word: bytes) -> int:
    """A statement's keyword as a number, as `_kind` computes it."""
    return functools.reduce(lambda code, byte: (code * 257 + byte) % _MODULUS, word, 7)


_CODES = np.sort([_code(word) for word in _STATEMENTS.encode().split()])
_USEMTL = _code(b"usemtl")
_FAULTS = {
    1: "a point is three numbers, with a colour six, and decimals have a point",
    2: "a texture coordinate is two numbers, and decimals have a point",
    3: "a face's corner is v, v/vt, v/vt/vn or v//vn, whole numbers but 0",
    4: "a face's corner names a point or texture coordinate that is not there",
    5: "what begins here is no OBJ statement (they are written small)",
}


def read_obj(path: pathlib.Path, within: pathlib.Path) -> Mesh:
    """Reads points (with colours where they follow), texture coordinates and faces.

    Polygons are fanned, negative indices count back from where they stand, lines and
    normals are ignored. Each face has the material that `usemtl` names before it; where
    there is no such line, the first with an image.

    Args:
      path: the `.obj` file.
      within: folder in which material libraries and images are looked for.

    Returns:
      The mesh, not yet cleaned. A texture that is named but is not there counts in
      `repairs` as "texture image missing" where no other is left.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    content = path.read_bytes()
    whole = content
    if content.startswith(_BOM):
        content = b"   " + content[len(_BOM) :]
    if b"\\" in content:  # blanks for the line's end: no byte changes its place
        content = _CONTINUED.sub(
            lambda line: line[1] + b" " * (1 + len(line[2])), content
        )
    data = np.frombuffer(content, np.uint8)
    points, corners, triangles, uses = _count(data)
    vertices = np.empty((points, 3), np.float64)
    colors = np.empty((points, 3), np.float32)
    uv = np.empty((corners + 1, 2), np.float32)
    faces = np.empty((triangles, 3), np.int32)
    uv_faces = np.empty((triangles, 3), np.int32)
    used = np.empty(triangles, np.int32)
    places = np.empty(uses, np.int64)
    fault, at, m, colored, bare, lost = _parse(
        data, vertices, colors, uv, faces, uv_faces, used, places
    )
    if fault:
        line = whole.count(b"\n", 0, at) + 1
        shown = content[at : at + 16].splitlines()[:1] or [b""]
        raise MeshError(
            f"{path}: byte {at} (line {line}, {shown[0].decode('latin-1')!r}): "
            f"{_FAULTS[fault]}; the file is truncated or damaged"
        )
    textured = corners > 0 and bare < 3 * m
    repairs = {"polygons of fewer than 3 corners removed": lost}
    if textured:
        repairs["corners without texture coordinate"] = bare
    files = FilesBeside(path, within)
    library, lost_libraries = _library(files, content, textured)
    repairs["material library missing"] = lost_libraries
    names = [as_text(_rest_of_line(content, at + len("usemtl"))) for at in places]
    materials, of_use = _in_use(files, library, names)
    if textured:
        materials, missing = files.with_own_image(materials)
        repairs |= missing
    several = len(materials) > 1
    return Mesh(
        vertices=vertices,
        faces=faces[:m],
        uv=uv if textured else None,
        uv_faces=uv_faces[:m] if textured else None,
        materials=materials,
        face_materials=of_use[used[:m]] if several else None,
        colors=_unit_colors(colors) if points and colored == points else None,
        repairs={name: count for name, count in repairs.items() if count},
        texture_notes=tuple(files.notes),
    )


def _unit_colors(colors: np.ndarray) -> np.ndarray:
    """Colours in [0, 1]; some exporters write 0 to 255."""
    scale = np.float32(255 if np.nanmax(colors) > 1 else 1)
    return np.clip(np.nan_to_num(colors) / scale, 0, 1)


def _library(
    files: FilesBeside, content: bytes, textured: bool
) -> tuple[dict[str, Material], int]:
    """The materials by name, and how many libraries that are named are not there."""
    found: dict[str, Material] = {}
    missing = 0
    lines = dict.fromkeys(
        match[1]
        for match in _MATERIALS.finditer(content)
        if _begins_line(content, match.start())
    )
    for line in itertools.islice(lines, _MOST_LIBRARIES):
        name = as_text(line[:_LONGEST_LINE]).strip()
        # A line may name several; names with blanks in them are as common.
        names = [name] if files.find(name) else name.split()[:_MOST_LIBRARIES]
        for one in names:
            library = files.find(one)
            if library is None:
                missing += 1
                files.miss("material library", one)
            else:
                _add_materials(files, library, textured, found)
    return found, missing


def _add_materials(
    files: FilesBeside,
    library: pathlib.Path,
    textured: bool,
    found: dict[str, Material],
) -> None:
    """Adds the materials of one library; the first of a name counts."""
    with library.open("rb") as file:
        content = file.read(_LONGEST).removeprefix(_BOM)
    images: dict[str, list[str]] = {}
    colors: dict[str, tuple[float, float, float] | None] = {}
    name = ""
    for word, line in _OF_MATERIALS.findall(content):
        text = as_text(line[:_LONGEST_LINE]).strip()
        word = word.lower()
        if word == b"newmtl":
            name = text
            if len(colors) >= _MOST_MATERIALS:
                break
            colors.setdefault(name, None)
        elif word == b"kd":
            colors[name] = colors.get(name) or _color(text)
        elif len(images.setdefault(name, [])) < 2 * MOST_NAMES:
            # Options such as `-s 1 1 1` stand before the name.
            bare = _OPTIONS.sub("", text) if text.startswith("-") else text
            images[name] += [one for one in (bare, text) if one not in images[name]]
    for name in dict.fromkeys([*colors, *images]):
        image = None
        if textured and name in images:
            image = files.image(images[name], library.parent)
        found.setdefault(name, Material(image, colors.get(name)))


def _color(text: str) -> tuple[float, float, float] | None:
    """Three numbers in [0, 1]; None where they are not."""
    try:
        red, green, blue = (float(word) for word in text.split()[:3])
    except ValueError:
        return None
    inside = all(0 <= value <= 1 for value in (red, green, blue))
    return (red, green, blue) if inside else None


def _in_use(
    files: FilesBeside, library: dict[str, Material], names: list[str]
) -> tuple[tuple[Material, ...], np.ndarray]:
    """The materials of a mesh, and which of them faces have after each `usemtl`.

    Args:
      files: where names that no library has are noted.
      library: the materials by name.
      names: of the `usemtl` lines, in order.

    Returns:
      The materials, and (1 + len(names),) numbers of them; the first is of faces before
      any `usemtl`.
    """
    materials = list(library.values())
    with_image = [i for i, one in enumerate(materials) if one.image is not None]
    place = {name: i for i, name in enumerate(library)}
    small = {name.lower(): i for i, name in enumerate(library)}
    if not any(name.lower() in small for name in names):  # an image is for somebody
        for name in dict.fromkeys(names[:_MOST_LIBRARIES] if materials else ()):
            files.miss("material", name)
        first = with_image[0] if with_image else 0
        return tuple(materials[first : first + 1]), np.zeros(1 + len(names), np.int32)
    nothing = len(materials)
    numbers = [nothing]
    for name in names:
        number = place.get(name, small.get(name.lower(), nothing))
        if number == nothing:
            files.miss("material", name)
        numbers.append(number)
    return (*materials, Material()), np.array(numbers, np.int32)


def _begins_line(content: bytes, at: int) -> bool:
    """True if nothing but blanks stands before a byte on its line."""
    before = content[max(at - _LONGEST_LINE, 0) : at].rstrip(b" \t")
    return not before or before[-1:] in b"\r\n"


def _rest_of_line(content: bytes, at: int) -> bytes:
    lines = content[at : at + _LONGEST_LINE].splitlines()
    return lines[0].strip() if lines else b""


@numba.njit(cache=True, inline="always")
def _is_blank(byte):
    return byte == 32 or 9 <= byte <= 13


@numba.njit(cache=True, nogil=True)
def _skip_blanks(data, at, end):
    while at < end and _is_blank(data[at]):
        at += 1
    return at


@numba.njit(cache=True, nogil=True)
def _kind(data, at, end):
    """1 `v`, 2 `vt`, 3 `f`, 4 `usemtl`, 0 another statement, -1 what can be none."""
    first = data[at]
    second = data[at + 1] if at + 1 < end else 32
    if first == 118 and _is_blank(second):
        return 1
    if first == 118 and second == 116 and (at + 2 >= end or _is_blank(data[at + 2])):
        return 2
    if first == 102 and _is_blank(second):
        return 3
    if first == 35 or (
        first == 118 and second == 110 and at + 2 < end and _is_blank(data[at + 2])
    ):
        return 0
    code = 7
    while at < end and not _is_blank(data[at]):
        code = (code * 257 + data[at]) % _MODULUS
        at += 1
    if code == _USEMTL:
        return 4
    place = np.searchsorted(_CODES, code)
    return 0 if place < len(_CODES) and _CODES[place] == code else -1


@numba.njit(cache=True, inline="always")
def _is_index(value):
    return -2e9 < value < 2e9 and value % 1 == 0 and value != 0


@numba.njit(cache=True, nogil=True)
def _count(data):
    """(points, texture coordinates, upper bound of triangles, `usemtl` lines)."""
    at, points, corners, triangles, uses = 0, 0, 0, 0, 0
    while at < len(data):
        end = line_end(data, at, len(data))
        at = _skip_blanks(data, at, end)
        if at < end:
            kind = _kind(data, at, end)
            if kind == 1:
                points += 1
            elif kind == 2:
                corners += 1
            elif kind == 4:
                uses += 1
            elif kind == 3:
                words, inside = 0, False
                for i in range(at + 1, end):
                    blank = _is_blank(data[i])
                    words += 1 if inside and blank else 0
                    inside = not blank
                triangles += max(words + (1 if inside else 0) - 2, 0)
        at = end + 1
    return points, corners, triangles, uses


@numba.njit(cache=True, nogil=True)
def _parse(data, vertices, colors, uv, faces, uv_faces, used, places):
    """Fills the arrays: (fault, byte, triangles, colours, bare corners, lost).

    `used` receives how many `usemtl` lines stand before each triangle, and `places`
    their bytes.
    """
    at, v, t, m, colored, bare, lost, uses = 0, 0, 0, 0, 0, 0, 0, 0
    none = len(uv) - 1
    uv[none] = 0
    row = np.empty(6, np.float64)
    while at < len(data):
        end = line_end(data, at, len(data))
        at = _skip_blanks(data, at, end)
        if at >= end:
            at = end + 1
            continue
        kind = _kind(data, at, end)
        if kind == -1:
            return 5, at, m, colored, bare, lost
        if kind == 4:
            places[uses] = at
            uses += 1
        if kind == 1 or kind == 2:
            found, i = 0, _skip_blanks(data, at + kind, end)
            while i < end and found < 6:
                value, after = parse_number(data, i, end)
                if after == i or (after < end and not _is_blank(data[after])):
                    break
                row[found] = value
                found += 1
                i = _skip_blanks(data, after, end)
            rest = i < end and data[i] != 35 and found < 6
            if found < (3 if kind == 1 else 2) or rest:
                return kind, at, m, colored, bare, lost
            if kind == 1:
                for k in range(3):
                    vertices[v, k] = row[k]
                    colors[v, k] = row[k + 3] if found == 6 else 0.0
                colored += 1 if found == 6 else 0
                v += 1
            else:
                uv[t, 0], uv[t, 1] = row[0], row[1]
                t += 1
        elif kind == 3:
            i, count = _skip_blanks(data, at + 1, end), 0
            first_v, first_t, last_v, last_t = 0, 0, 0, 0
            while i < end and data[i] != 35:
                value, after = parse_number(data, i, end)
                if after == i or not _is_index(value):
                    return 3, i, m, colored, bare, lost
                point = int(value) - 1 if value > 0 else v + int(value)
                corner = none
                if after < end and data[after] == 47:
                    i, after = after, after + 1
                    value, j = parse_number(data, after, end)
                    if j > after:
                        if not _is_index(value):
                            return 3, i, m, colored, bare, lost
                        corner = int(value) - 1 if value > 0 else t + int(value)
                        if not 0 <= corner < none:
                            return 4, i, m, colored, bare, lost
                        after = j
                    if after < end and data[after] == 47:
                        value, after = parse_number(data, after + 1, end)
                if after < end and not _is_blank(data[after]):
                    return 3, i, m, colored, bare, lost
                if not 0 <= point < len(vertices):
                    return 4, i, m, colored, bare, lost
                if count == 0:
                    first_v, first_t = point, corner
                elif count > 1:
                    faces[m, 0], faces[m, 1], faces[m, 2] = first_v, last_v, point
                    used[m] = uses
                    uv_faces[m, 0], uv_faces[m, 1] = first_t, last_t
                    uv_faces[m, 2] = corner
                    for k in range(3):
                        bare += 1 if uv_faces[m, k] == none else 0
                    m += 1
                last_v, last_t = point, corner
                count += 1
                i = _skip_blanks(data, after, end)
            lost += 1 if 0 < count < 3 else 0
        at = end + 1
    return 0, at, m, colored, bare, lost
