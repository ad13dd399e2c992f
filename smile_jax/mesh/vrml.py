"""VRML 2.0 scans, as BU-3DFE, BU-4DFE and BP4D deliver them."""

import dataclasses
import pathlib
import re

import numpy as np

from smile_jax.mesh.number_parsing import (
    BAD,
    UNCLOSED,
    parse_indices,
    parse_list,
    triangulate,
)
from smile_jax.mesh.texture_paths import MOST_NAMES, as_text, find_texture
from smile_jax.mesh.types import Mesh, MeshError

# What structures the text outside of number lists.
_TOKEN = re.compile(rb'#[^\r\n]*|"(?:[^"\\]|\\.)*"?|[A-Za-z_][\w.+-]*|[\[\]{}]')
_INDEX_FIELDS = ("coordIndex", "texCoordIndex", "colorIndex")
_DEEPEST = 100


@dataclasses.dataclass
class _Numbers:
    """A list of numbers and the byte of its bracket."""

    values: np.ndarray
    at: int


@dataclasses.dataclass
class _FaceSet:
    """The fields of one IndexedFaceSet."""

    at: int
    fields: dict[str, _Numbers] = dataclasses.field(default_factory=dict)
    clockwise: bool = False
    color_of_face: bool = False


def read_vrml(path: pathlib.Path) -> Mesh:
    """Reads every IndexedFaceSet of a VRML 2.0 file as one mesh.

    Read by bracket, never by line: polygons of any number of corners (fanned), texture
    indices of their own, comments, CRLF, a missing last comma, nodes in any order.
    Transform nodes are not applied. Several face sets share one texture, the first.

    Args:
      path: the `.wrl` file; its texture is looked for beside it.

    Returns:
      The mesh, not yet cleaned. A texture that is named but is not there counts in
      `repairs` as "texture image missing".

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    data = path.read_bytes()
    sets, urls = _parse(path, data)
    if not sets:
        raise MeshError(
            f"{path}: byte {len(data)}: the file ends without an IndexedFaceSet; it is "
            "no VRML 2.0 mesh, or truncated"
        )
    parts = [_mesh_of(path, face_set) for face_set in sets]
    texture = find_texture(path, urls)
    repairs: dict[str, int] = {}
    for part in parts:
        for name, count in part.repairs.items():
            repairs[name] = repairs.get(name, 0) + count
    if texture is None and urls:
        repairs["texture image missing"] = 1
    return dataclasses.replace(_join(parts), texture=texture, repairs=repairs)


def _parse(path: pathlib.Path, data: bytes) -> tuple[list[_FaceSet], list[str]]:
    """Returns all face sets and texture urls, in the file's order."""
    numbers = np.frombuffer(data, np.uint8)
    sets: list[_FaceSet] = []
    urls: list[str] = []
    nodes: list[str] = []  # types of the open nodes and lists, "[" for a list
    word, node, at = "", "", 0
    while found := _TOKEN.search(data, at):
        token, at = found.group(), found.end()
        first = token[:1]
        if first == b"#":
            continue
        if first == b'"':
            if word == "url" and len(urls) < MOST_NAMES and "ImageTexture" in nodes:
                urls.append(as_text(token.strip(b'"')))
        elif first == b"{":
            nodes.append(node)
            if len(nodes) > _DEEPEST:
                raise _too_deep(path, at)
            if node == "IndexedFaceSet":
                sets.append(_FaceSet(found.start()))
        elif first == b"[":
            if _holds_numbers(data, at):
                values, after = _numbers(path, numbers, at, word in _INDEX_FIELDS)
                _keep(sets, nodes, word, _Numbers(values, found.start()))
                at = after + 1
            else:
                nodes.append("[")
            if len(nodes) > _DEEPEST:
                raise _too_deep(path, at)
        elif first in b"}]":
            if not nodes or (nodes[-1] == "[") != (first == b"]"):
                raise MeshError(
                    f"{path}: byte {found.start()}: {token.decode()!r} closes nothing "
                    "that is open; the file is damaged"
                )
            nodes.pop()
        else:
            name = token.decode("latin-1")
            if word == "ccw" and sets:
                sets[-1].clockwise = name == "FALSE"
            if word == "colorPerVertex" and sets:
                sets[-1].color_of_face = name == "FALSE"
            if name == "USE" and word in ("coord", "texCoord", "color", "geometry"):
                raise MeshError(
                    f"{path}: byte {found.start()}: '{word} USE' is not understood: "
                    "export it with nodes that are not shared"
                )
            # In `coord DEF points Coordinate {` the last word is the node's type.
            word = node = name
    if nodes:
        raise MeshError(
            f"{path}: byte {len(data)}: the file ends inside of {nodes[-1] or 'a'!r} "
            "node; it is truncated"
        )
    return sets, urls


def _too_deep(path: pathlib.Path, at: int) -> MeshError:
    return MeshError(
        f"{path}: byte {at}: nodes nested more than {_DEEPEST} deep; the file is "
        "damaged"
    )


def _holds_numbers(data: bytes, at: int) -> bool:
    """Returns True if a list's first item is a number, or the list is empty."""
    while at < len(data):
        byte = data[at : at + 1]
        if byte in b" ,\t\r\n\f\v":
            at += 1
        elif byte == b"#":
            ends = [e for e in (data.find(b"\n", at), data.find(b"\r", at)) if e > 0]
            at = min(ends, default=len(data))
        else:
            letters = data[at : at + 3].lower()
            return byte in b"0123456789+-.]" or letters in (b"nan", b"inf")
    return True  # and the list is found unclosed


def _numbers(
    path: pathlib.Path, data: np.ndarray, at: int, whole: bool
) -> tuple[np.ndarray, int]:
    """The numbers of a list, int32 if `whole`, and the byte of its `]`."""
    out = np.empty((len(data) - at) // 2 + 2, np.int32 if whole else np.float64)
    parse = parse_indices if whole else parse_list
    count, where, how = parse(data, at, len(data), out)
    if how == UNCLOSED:
        raise MeshError(
            f"{path}: byte {where}: the file ends inside of the list that byte "
            f"{at - 1} opens, after {count} numbers; it is truncated, copy it again"
        )
    if how == BAD:
        kind = "index" if whole else "number"
        shown = data[where : where + 12].tobytes().decode("latin-1")
        raise MeshError(
            f"{path}: byte {where}: {shown!r} is no {kind}; the file is damaged"
        )
    return out[:count].copy(), where


def _keep(
    sets: list[_FaceSet], nodes: list[str], field: str, numbers: _Numbers
) -> None:
    """Files a list under its face set, if it is one that a mesh needs."""
    if not sets or "IndexedFaceSet" not in nodes:
        return
    fields = sets[-1].fields
    if field == "point" and nodes[-1] in ("Coordinate", "TextureCoordinate"):
        fields[nodes[-1]] = numbers
    elif field == "color" and nodes[-1] == "Color":
        fields["Color"] = numbers
    elif field in _INDEX_FIELDS and nodes[-1] == "IndexedFaceSet":
        fields[field] = numbers


def _mesh_of(path: pathlib.Path, face_set: _FaceSet) -> Mesh:
    fields = face_set.fields
    for name, what in (("Coordinate", "points"), ("coordIndex", "polygons")):
        if name not in fields:
            raise MeshError(
                f"{path}: byte {face_set.at}: the IndexedFaceSet has no {what} "
                f"({name}); the file is damaged"
            )
    vertices = _rows(path, fields["Coordinate"], 3)
    index = _indices(path, fields["coordIndex"], len(vertices))
    uv, uv_index = None, np.empty(0, np.int32)
    if "TextureCoordinate" in fields and len(fields["TextureCoordinate"].values):
        uv = _rows(path, fields["TextureCoordinate"], 2)
        if "texCoordIndex" in fields and len(fields["texCoordIndex"].values):
            uv_index = _indices(path, fields["texCoordIndex"], len(uv))
            if len(uv_index) != len(index):
                # Only the last -1 may be there in one list and not in the other.
                length = min(len(uv_index), len(index))
                rest = np.concatenate([uv_index[length:], index[length:]])
                if rest.tolist() != [-1]:
                    raise _differ(path, fields["texCoordIndex"].at)
                uv_index, index = uv_index[:length], index[:length]
        elif index.size and index.max() >= len(uv):
            raise MeshError(
                f"{path}: byte {fields['TextureCoordinate'].at}: {len(uv)} texture "
                f"coordinates for {len(vertices)} points and no texCoordIndex; the "
                "file is damaged"
            )
    faces, uv_faces, lost, differs = triangulate(index, uv_index)
    if differs >= 0:
        raise _differ(path, fields["texCoordIndex"].at)
    colors = None
    indexed = "colorIndex" in fields and len(fields["colorIndex"].values)
    if "Color" in fields and (indexed or face_set.color_of_face):
        what = "colorIndex" if indexed else "colorPerVertex FALSE"
        raise MeshError(
            f"{path}: byte {fields['Color'].at}: colours by {what} are not understood: "
            "export it with a colour for each point, or without colours"
        )
    if "Color" in fields and len(fields["Color"].values) == vertices.size:
        colors = np.clip(_rows(path, fields["Color"], 3), 0, 1)
    turned = slice(None, None, -1 if face_set.clockwise else 1)
    return Mesh(
        vertices=vertices,
        faces=np.ascontiguousarray(faces[:, turned]),
        uv=uv,
        uv_faces=None
        if uv is None
        else np.ascontiguousarray((uv_faces if len(uv_index) else faces)[:, turned]),
        colors=colors,
        repairs={"polygons of fewer than 3 corners removed": lost} if lost else {},
    )


def _differ(path: pathlib.Path, at: int) -> MeshError:
    return MeshError(
        f"{path}: byte {at}: texCoordIndex has other polygons than coordIndex; the "
        "file is damaged"
    )


def _rows(path: pathlib.Path, numbers: _Numbers, columns: int) -> np.ndarray:
    if len(numbers.values) % columns:
        raise MeshError(
            f"{path}: byte {numbers.at}: {len(numbers.values)} numbers are no whole "
            f"number of {columns}-vectors; the file is damaged"
        )
    with np.errstate(over="ignore"):  # inf: `clean` counts it
        return numbers.values.reshape(-1, columns).astype(np.float32)


def _indices(path: pathlib.Path, numbers: _Numbers, count: int) -> np.ndarray:
    values = numbers.values
    if values.size and (values.min() < -1 or values.max() >= count):
        first = int(np.argmax((values < -1) | (values >= count)))
        raise MeshError(
            f"{path}: byte {numbers.at}: index {values[first]} (number {first} of the "
            f"list) is outside -1..{count - 1}; the file is truncated or damaged"
        )
    return values


def _join(parts: list[Mesh]) -> Mesh:
    """Joins meshes; texture coordinates and colours are kept if all parts have them."""
    if len(parts) == 1:
        return parts[0]
    textured = all(part.uv is not None for part in parts)
    colored = all(part.colors is not None for part in parts)
    points = np.cumsum([0, *(len(part.vertices) for part in parts)])
    corners = np.cumsum([0, *(0 if p.uv is None else len(p.uv) for p in parts)])

    def stack(arrays) -> np.ndarray:
        return np.concatenate(list(arrays))

    pairs = list(zip(parts, points, corners, strict=False))
    return Mesh(
        vertices=stack(part.vertices for part in parts),
        faces=stack(p.faces + n for p, n, _ in pairs).astype(np.int32),
        uv=stack(p.uv for p in parts) if textured else None,
        uv_faces=stack(p.uv_faces + k for p, _, k in pairs).astype(np.int32)
        if textured
        else None,
        colors=stack(part.colors for part in parts) if colored else None,
    )
