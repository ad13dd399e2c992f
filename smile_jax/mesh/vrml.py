"""VRML 2.0 scans, as BU-3DFE, BU-4DFE and BP4D deliver them."""

import dataclasses
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from smile_jax.mesh.joining import Part, join
from smile_jax.mesh.number_parsing import (
    BAD,
    UNCLOSED,
    parse_indices,
    parse_list,
    triangulate,
)
from smile_jax.mesh.texture_paths import FilesBeside, as_text
from smile_jax.mesh.types import Material, Mesh, MeshError

# What structures the text outside of number lists.
_TOKEN = re.compile(
    rb'#[^\r\n]*|"(?:[^"\\]|\\.)*"?|[\[\]{}]|[+-]?[\d.][\w.+-]*'
    # ISO/IEC 14772-1, A.3: whatever else is a name, in UTF-8.
    rb'|[^\x00-\x20"#\',.\[\]{}\\+\-0-9][^\x00-\x20"#\',\[\]{}\\]*'
)
_INDEX_FIELDS = ("coordIndex", "texCoordIndex", "colorIndex")
# Fields that a mesh needs; of others only the nodes that DEF names count.
_FIELDS = frozenset(
    (
        *("children", "choice", "level", "whichChoice", "geometry", "appearance"),
        *("coord", "texCoord", "color", "point", "ccw", "colorPerVertex"),
        *("coordIndex", "texCoordIndex", "colorIndex", "translation", "rotation"),
        *("scale", "scaleOrientation", "center"),
        *("texture", "url", "material", "diffuseColor"),
    )
)
_NOT_READ = ("PROTO", "EXTERNPROTO", "Inline")
_DEEPEST = 100
_LINE_END = re.compile(rb"[\r\n]")
_VRML_1 = re.compile(rb"#VRML V1", re.IGNORECASE)


@dataclasses.dataclass
class _Numbers:
    """A list of numbers and the byte of its bracket."""

    values: np.ndarray
    at: int


@dataclasses.dataclass(slots=True)
class _Node:
    """A node, or a list of nodes and strings.

    Attributes:
      kind: its type; "[" of a list.
      at: its byte.
      fields: a list of numbers, a number or word, or nodes and strings, by name.
    """

    kind: str
    at: int
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)

    def add(self, field: str, value: Any) -> None:
        """Files a node or a string under a field, which may hold several."""
        if field in _FIELDS:
            held = self.fields.setdefault(field, [])
            if isinstance(held, list):
                held.append(value)

    def nodes(self, *fields: str) -> list["_Node"]:
        """The nodes of some fields."""
        found = (self.fields.get(name) for name in fields)
        held = [one for some in found if isinstance(some, list) for one in some]
        return [one for one in held if isinstance(one, _Node)]

    def node(self, field: str) -> "_Node | None":
        """The first node of a field."""
        return next(iter(self.nodes(field)), None)

    def numbers(self, field: str, count: int) -> np.ndarray | None:
        """A field of so many numbers; None where it has others or is not there."""
        words = self.fields.get(field)
        if not isinstance(words, tuple) or len(words) < count:
            return None
        try:
            values = np.array([float(word) for word in words[:count]])
        except ValueError:
            return None
        return values if np.isfinite(values).all() else None


def read_vrml(path: pathlib.Path, within: pathlib.Path) -> Mesh:
    """Reads every IndexedFaceSet of a VRML 2.0 file as one mesh.

    Read by bracket, never by line: polygons of any number of corners (fanned), texture
    indices of their own, comments, CRLF, a missing last comma, nodes in any order,
    nodes that are used again. Transforms are applied; each shape has the image or the
    colour of its own appearance.

    Args:
      path: the `.wrl` file.
      within: folder in which texture images are looked for.

    Returns:
      The mesh, not yet cleaned. A texture that is named but is not there counts in
      `repairs` as "texture image missing" where no other is left.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    data = path.read_bytes()
    if _VRML_1.match(data):
        raise MeshError(
            f"{path}: byte 0: a file of VRML 1.0, and VRML 2.0 is read: save it as "
            "VRML 2.0 (VRML97), OBJ or PLY"
        )
    parsed = _Parser(path, data)
    shapes = list(_shapes(path, parsed.scene(), len(data)))
    if not shapes:
        raise MeshError(
            f"{path}: byte {len(data)}: the file ends without an IndexedFaceSet; it is "
            "no VRML 2.0 mesh, or truncated"
        )
    files = FilesBeside(path, within)
    read: dict[int, Mesh] = {}  # of face sets that several shapes use
    looks: dict[int, Material] = {}
    parts = []
    for shape, matrix in shapes:
        geometry, appearance = shape.node("geometry"), shape.node("appearance")
        assert geometry is not None
        if id(geometry) not in read:
            read[id(geometry)] = _mesh_of(path, geometry)
        if id(appearance) not in looks:
            looks[id(appearance)] = _material(appearance, files)
        parts.append(Part(read[id(geometry)], looks[id(appearance)], matrix))
    mesh = join(parts)
    repairs = dict(mesh.repairs)
    materials = mesh.materials
    if mesh.uv is not None:
        materials, missing = files.with_own_image(materials)
        repairs |= missing
    return dataclasses.replace(
        mesh,
        materials=materials,
        repairs=repairs,
        notes=tuple(dict.fromkeys(parsed.notes)),
        texture_notes=tuple(files.notes),
    )


class _Parser:
    """Parses the text into nodes."""

    def __init__(self, path: pathlib.Path, data: bytes) -> None:
        self._path, self._data = path, data
        self._bytes = np.frombuffer(data, np.uint8)
        self._named: dict[str, _Node] = {}
        self.notes: list[str] = []

    def scene(self) -> _Node:
        """The nodes of the file, in the field "children" of one."""
        data, at = self._data, 0
        top = _Node("", 0)
        nodes, fields = [top], ["children"]  # open nodes, and the field of each
        name = ""  # that DEF gave to the node that comes
        before = ""  # the last word
        proto = ""  # inside of what defines a kind of node, until its body opens
        while found := _TOKEN.search(data, at):
            token, at = found.group(), found.end()
            first, node = token[:1], nodes[-1]
            field = "" if proto else fields[-1]
            if first == b"#":
                continue
            if first == b'"':
                node.add(field, as_text(token.strip(b'"')))
            elif first == b"{":
                made = _Node(before, found.start())
                if name:
                    self._named[name] = made
                node.add(field, made)
                nodes.append(made)
                fields.append("")
                name = proto = ""
            elif first == b"[":
                if _holds_numbers(data, at):
                    values, after = _numbers(
                        self._path, self._bytes, at, field in _INDEX_FIELDS
                    )
                    if field in _FIELDS and len(nodes) > 1:
                        node.fields[field] = _Numbers(values, found.start())
                    at = after + 1
                else:  # its items are the field's
                    nodes.append(_Node("[", found.start(), node.fields))
                    fields.append(field)
                proto = "" if proto == "EXTERNPROTO" else proto
            elif first in b"}]":
                if len(nodes) == 1 or (node.kind == "[") != (first == b"]"):
                    raise MeshError(
                        f"{self._path}: byte {found.start()}: {token.decode()!r} "
                        "closes nothing that is open; the file is damaged"
                    )
                nodes.pop()
                fields.pop()
            else:
                word = token.decode("latin-1")
                if before == "DEF":
                    name, before = word, ""
                    continue
                if before == "USE":
                    self._use(node, fields[-1], word, found.start())
                elif word in _NOT_READ:
                    self.notes.append(f"its {word} nodes are not read")
                    proto = "" if word == "Inline" else word
                elif not (
                    node.kind == "[" or word in ("DEF", "USE") or _opens(data, at)
                ):
                    fields[-1] = _filed(node, fields[-1], word, len(nodes) == 1)
                before = "" if before == "USE" else word
            if len(nodes) > _DEEPEST:
                raise MeshError(
                    f"{self._path}: byte {at}: nodes nested more than {_DEEPEST} deep; "
                    "the file is damaged"
                )
        if len(nodes) > 1:
            kind = nodes[-1].kind or "a"
            raise MeshError(
                f"{self._path}: byte {len(data)}: the file ends inside of {kind!r} "
                "node; it is truncated"
            )
        return top

    def _use(self, node: _Node, field: str, name: str, at: int) -> None:
        if name not in self._named:
            raise MeshError(
                f"{self._path}: byte {at}: USE {name[:40]!r}, which no DEF before it "
                "names; the file is truncated or damaged"
            )
        node.add(field, self._named[name])


def _filed(node: _Node, field: str, word: str, at_top: bool) -> str:
    """Files a number or a truth under a field; another word is the next field."""
    if word[0] not in "0123456789+-.":
        if word not in ("TRUE", "FALSE", "NULL"):
            return field if at_top else word
        if field in _FIELDS:
            node.fields[field] = (word,)
    elif field in _FIELDS:
        held = node.fields.get(field)
        held = held if isinstance(held, tuple) else ()
        node.fields[field] = (*held, word)[:4]
    return field


def _opens(data: bytes, at: int) -> bool:
    """Returns True if the next token is a brace."""
    found = _TOKEN.search(data, at)
    while found and found.group()[:1] == b"#":
        found = _TOKEN.search(data, found.end())
    return found is not None and found.group() == b"{"


def _shapes(
    path: pathlib.Path, scene: _Node, size: int
) -> Iterator[tuple[_Node, np.ndarray]]:
    """Yields the shapes that have a face set, with their (4, 4) places.

    Raises:
      MeshError: they place more points than the file has bytes.
    """
    waiting = [(scene, np.eye(4), 0)]
    placed = points = corners = 0
    while waiting:
        node, matrix, depth = waiting.pop()
        placed += 1
        if placed > size or depth > _DEEPEST:
            raise MeshError(
                f"{path}: byte {node.at}: nodes used again place over {placed} nodes; "
                "the file is damaged"
            )
        if node.kind == "Shape":
            geometry = node.node("geometry")
            if geometry is not None and geometry.kind == "IndexedFaceSet":
                points += _length(_list_of(geometry, "coord", "Coordinate", "point"))
                corners += _length(geometry.fields.get("coordIndex"))
                if max(points // 3, corners) > size:
                    raise MeshError(
                        f"{path}: byte {node.at}: nodes used again place over {size} "
                        "points; the file is damaged"
                    )
                yield node, matrix
            continue
        if node.kind == "Transform":
            matrix = matrix @ _matrix(node)
        kept = node.nodes("children", "choice", "level")
        if node.kind == "Switch":
            chosen = node.numbers("whichChoice", 1)
            number = -1 if chosen is None else int(chosen[0])
            kept = kept[number : number + 1] if number >= 0 else []
        elif node.kind == "LOD":
            kept = kept[:1]
        waiting += [(child, matrix, depth + 1) for child in reversed(kept)]


def _length(numbers: Any) -> int:
    return len(numbers.values) if isinstance(numbers, _Numbers) else 0


def _matrix(node: _Node) -> np.ndarray:
    """(4, 4) of a Transform: T C R SR S -SR -C (ISO/IEC 14772-1, 6.52)."""

    def moved(field: str, sign: float = 1.0) -> np.ndarray:
        out = np.eye(4)
        by = node.numbers(field, 3)
        if by is not None:
            out[:3, 3] = sign * by
        return out

    def turned(field: str, sign: float = 1.0) -> np.ndarray:
        out = np.eye(4)
        by = node.numbers(field, 4)
        if by is not None and np.linalg.norm(by[:3]) > 0:
            x, y, z = by[:3] / np.linalg.norm(by[:3])
            cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            angle = sign * by[3]
            out[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        return out

    scale = np.eye(4)
    by = node.numbers("scale", 3)
    if by is not None:
        scale[:3, :3] = np.diag(by)
    return (
        moved("translation")
        @ moved("center")
        @ turned("rotation")
        @ turned("scaleOrientation")
        @ scale
        @ turned("scaleOrientation", -1)
        @ moved("center", -1)
    )


def _material(appearance: _Node | None, files: FilesBeside) -> Material:
    if appearance is None:
        return Material()
    texture, material = appearance.node("texture"), appearance.node("material")
    image = None
    if texture is not None and texture.kind == "ImageTexture":
        urls = texture.fields.get("url")
        urls = urls if isinstance(urls, list) else []
        image = files.image(url for url in urls if isinstance(url, str))
    color = None if material is None else material.numbers("diffuseColor", 3)
    if color is not None:
        color = np.clip(color, 0, 1)
    return Material(image, None if color is None else tuple(color.tolist()))


def _holds_numbers(data: bytes, at: int) -> bool:
    """Returns True if a list's first item is a number, or the list is empty."""
    while at < len(data):
        byte = data[at : at + 1]
        if byte in b" ,\t\r\n\f\v":
            at += 1
        elif byte == b"#":
            end = _LINE_END.search(data, at)
            at = end.start() if end else len(data)
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


def _mesh_of(path: pathlib.Path, face_set: _Node) -> Mesh:
    points, polygons = _list_of(face_set, "coord", "Coordinate", "point"), "coordIndex"
    corners = _list_of(face_set, "texCoord", "TextureCoordinate", "point")
    painted = _list_of(face_set, "color", "Color", "color")
    indices = {n: face_set.fields.get(n) for n in _INDEX_FIELDS}
    index_of = {n: x for n, x in indices.items() if isinstance(x, _Numbers)}
    for what, there in (("points", points), ("polygons", index_of.get(polygons))):
        if there is None:
            name = "Coordinate" if what == "points" else polygons
            raise MeshError(
                f"{path}: byte {face_set.at}: the IndexedFaceSet has no {what} "
                f"({name}); the file is damaged"
            )
    assert points is not None
    vertices = _rows(path, points, 3, np.float64)
    index = _indices(path, index_of[polygons], len(vertices))
    uv, uv_index = None, np.empty(0, np.int32)
    if corners is not None and len(corners.values):
        uv = _rows(path, corners, 2)
        if "texCoordIndex" in index_of and len(index_of["texCoordIndex"].values):
            uv_index = _indices(path, index_of["texCoordIndex"], len(uv))
            if len(uv_index) != len(index):
                # Only the last -1 may be there in one list and not in the other.
                length = min(len(uv_index), len(index))
                rest = np.concatenate([uv_index[length:], index[length:]])
                if rest.tolist() != [-1]:
                    raise _differ(path, index_of["texCoordIndex"].at)
                uv_index, index = uv_index[:length], index[:length]
        elif index.size and index.max() >= len(uv):
            raise MeshError(
                f"{path}: byte {corners.at}: {len(uv)} texture coordinates for "
                f"{len(vertices)} points and no texCoordIndex; the file is damaged"
            )
    faces, uv_faces, lost, differs = triangulate(index, uv_index)
    if differs >= 0:
        raise _differ(path, index_of["texCoordIndex"].at)
    colors = None
    indexed = "colorIndex" in index_of and len(index_of["colorIndex"].values)
    of_face = face_set.fields.get("colorPerVertex") == ("FALSE",)
    if painted is not None and (indexed or of_face):
        what = "colorIndex" if indexed else "colorPerVertex FALSE"
        raise MeshError(
            f"{path}: byte {painted.at}: colours by {what} are not understood: "
            "export it with a colour for each point, or without colours"
        )
    if painted is not None and len(painted.values) == vertices.size:
        colors = np.clip(_rows(path, painted, 3), 0, 1)
    turned = slice(None, None, -1 if face_set.fields.get("ccw") == ("FALSE",) else 1)
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


def _list_of(face_set: _Node, field: str, kind: str, name: str) -> _Numbers | None:
    """The numbers of a node that a face set holds."""
    node = face_set.node(field)
    if node is None or node.kind != kind:
        return None
    found = node.fields.get(name)
    return found if isinstance(found, _Numbers) else None


def _differ(path: pathlib.Path, at: int) -> MeshError:
    return MeshError(
        f"{path}: byte {at}: texCoordIndex has other polygons than coordIndex; the "
        "file is damaged"
    )


def _rows(
    path: pathlib.Path, numbers: _Numbers, columns: int, kind: type = np.float32
) -> np.ndarray:
    if len(numbers.values) % columns:
        raise MeshError(
            f"{path}: byte {numbers.at}: {len(numbers.values)} numbers are no whole "
            f"number of {columns}-vectors; the file is damaged"
        )
    with np.errstate(over="ignore"):  # inf: `clean` counts it
        return numbers.values.reshape(-1, columns).astype(kind)


def _indices(path: pathlib.Path, numbers: _Numbers, count: int) -> np.ndarray:
    values = numbers.values
    if values.size and (values.min() < -1 or values.max() >= count):
        first = int(np.argmax((values < -1) | (values >= count)))
        raise MeshError(
            f"{path}: byte {numbers.at}: index {values[first]} (number {first} of the "
            f"list) is outside -1..{count - 1}; the file is truncated or damaged"
        )
    return values
