"""Wavefront OBJ scans with their material's texture."""

import functools
import itertools
import pathlib
import re

import numba
import numpy as np

from smile_jax.mesh.number_parsing import line_end, parse_number
from smile_jax.mesh.texture_paths import MOST_NAMES, as_text, find_texture
from smile_jax.mesh.types import Mesh, MeshError

_MATERIALS = re.compile(rb"^[ \t]*mtllib[ \t]+([^\r\n]*)", re.MULTILINE)
_IMAGES = re.compile(rb"^[ \t]*map_Kd[ \t]+([^\r\n]*)", re.MULTILINE)
_OPTIONS = re.compile(r"^(?:-[A-Za-z]+(?:\s+(?:[-+.\deE]+|on|off|[rgbmlz]))*\s+)+")
_BOM = b"\xef\xbb\xbf"
_MOST_LIBRARIES, _LONGEST = 16, 1 << 20  # material libraries, and bytes of one
# Statements that there are (Wavefront's "Appendix B1. Object Files (.obj)"): of those
# that are not read, none moves a point. What is none of them is damage: a point lost
# would shift every index after it.
_STATEMENTS = (
    "v vt vn vp f l p g o s mg usemtl mtllib usemap maplib cstype deg bmat step curv "
    "curv2 surf parm trim hole scrv sp end con bevel c_interp d_interp lod shadow_obj "
    "trace_obj ctech stech call csh"
)
_MODULUS = (1 << 31) - 1
_CODES = np.sort(
    [
        functools.reduce(lambda code, byte: (code * 257 + byte) % _MODULUS, word, 7)
        for word in _STATEMENTS.encode().split()
    ]
)
_FAULTS = {
    1: "a point is three numbers, with a colour six, and decimals have a point",
    2: "a texture coordinate is two numbers, and decimals have a point",
    3: "a face's corner is v, v/vt, v/vt/vn or v//vn, whole numbers but 0",
    4: "a face's corner names a point or texture coordinate that is not there",
    5: "what begins here is no OBJ statement (they are written small)",
}


def read_obj(path: pathlib.Path) -> Mesh:
    """Reads points (with colours where they follow), texture coordinates and faces.

    Polygons are fanned, negative indices count back from where they stand, lines and
    normals are ignored. The texture is the first `map_Kd` of the material libraries.

    Args:
      path: the `.obj` file; `.mtl` and texture are looked for beside it.

    Returns:
      The mesh, not yet cleaned. A texture that is named but is not there counts in
      `repairs` as "texture image missing".

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    content = path.read_bytes()
    if content.startswith(_BOM):
        content = b"   " + content[len(_BOM) :]
    data = np.frombuffer(content, np.uint8)
    points, corners, triangles = _count(data)
    vertices = np.empty((points, 3), np.float32)
    colors = np.empty((points, 3), np.float32)
    uv = np.empty((corners + 1, 2), np.float32)
    faces = np.empty((triangles, 3), np.int32)
    uv_faces = np.empty((triangles, 3), np.int32)
    fault, at, m, colored, bare, lost = _parse(
        data, vertices, colors, uv, faces, uv_faces
    )
    if fault:
        line = content.count(b"\n", 0, at) + 1
        shown = content[at : at + 16].splitlines()[:1] or [b""]
        raise MeshError(
            f"{path}: byte {at} (line {line}, {shown[0].decode('latin-1')!r}): "
            f"{_FAULTS[fault]}; the file is truncated or damaged"
        )
    textured = corners > 0 and bare < 3 * m
    repairs = {"polygons of fewer than 3 corners removed": lost}
    if textured:
        repairs["corners without texture coordinate"] = bare
    names, lost_libraries = _texture_names(path, content) if textured else ([], 0)
    repairs["material library missing"] = lost_libraries
    texture = find_texture(path, names) if textured else None
    if texture is None and names:
        repairs["texture image missing"] = 1
    return Mesh(
        vertices=vertices,
        faces=faces[:m],
        uv=uv if textured else None,
        uv_faces=uv_faces[:m] if textured else None,
        texture=texture,
        colors=_unit_colors(colors) if points and colored == points else None,
        repairs={name: count for name, count in repairs.items() if count},
    )


def _unit_colors(colors: np.ndarray) -> np.ndarray:
    """Colours in [0, 1]; some exporters write 0 to 255."""
    scale = np.float32(255 if np.nanmax(colors) > 1 else 1)
    return np.clip(np.nan_to_num(colors) / scale, 0, 1)


def _texture_names(path: pathlib.Path, content: bytes) -> tuple[list[str], int]:
    """Names of images, and how many libraries that are named are not there."""
    names, missing = [], 0
    libraries = dict.fromkeys(_MATERIALS.findall(content))
    for library in itertools.islice(libraries, _MOST_LIBRARIES):
        material = path.parent / as_text(library).strip()
        if not material.is_file():
            missing += 1
            continue
        with material.open("rb") as file:
            found = dict.fromkeys(_IMAGES.findall(file.read(_LONGEST)))
        for line in itertools.islice(found, MOST_NAMES):
            name = as_text(line[:4096]).strip()
            # Options such as `-s 1 1 1` stand before the name.
            bare = _OPTIONS.sub("", name) if name.startswith("-") else name
            names += [bare, name]
    return names, missing


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
    """1 `v`, 2 `vt`, 3 `f`, 0 another statement, -1 what can be none."""
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
    place = np.searchsorted(_CODES, code)
    return 0 if place < len(_CODES) and _CODES[place] == code else -1


@numba.njit(cache=True, inline="always")
def _is_index(value):
    return -2e9 < value < 2e9 and value % 1 == 0 and value != 0


@numba.njit(cache=True, nogil=True)
def _count(data):
    """(points, texture coordinates, upper bound of triangles)."""
    at, points, corners, triangles = 0, 0, 0, 0
    while at < len(data):
        end = line_end(data, at, len(data))
        at = _skip_blanks(data, at, end)
        if at < end:
            kind = _kind(data, at, end)
            if kind == 1:
                points += 1
            elif kind == 2:
                corners += 1
            elif kind == 3:
                words, inside = 0, False
                for i in range(at + 1, end):
                    blank = _is_blank(data[i])
                    words += 1 if inside and blank else 0
                    inside = not blank
                triangles += max(words + (1 if inside else 0) - 2, 0)
        at = end + 1
    return points, corners, triangles


@numba.njit(cache=True, nogil=True)
def _parse(data, vertices, colors, uv, faces, uv_faces):
    """Fills the arrays: (fault, byte, triangles, colours, bare corners, lost)."""
    at, v, t, m, colored, bare, lost = 0, 0, 0, 0, 0, 0, 0
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
