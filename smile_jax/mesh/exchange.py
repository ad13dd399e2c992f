"""PLY, STL and glTF through trimesh, behind checks that it does not make itself."""

import json
import pathlib
import re
import struct
import warnings
from typing import Any

import numpy as np

from smile_jax.mesh.texture_paths import find_texture
from smile_jax.mesh.types import Mesh, MeshError

_PLY_SIZES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "float", "int32", "uint32", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}
_MAX_HEADER = 1 << 16
_STL_HEADER, _STL_TRIANGLE = 84, 50  # bytes
_DEEPEST, _MOST_NODES = 32, 256  # a scan has a few; each takes milliseconds to place
_GLTF_SIZES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
_GLTF_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


def read_ply(path: pathlib.Path) -> Mesh:
    """Reads a PLY file, ASCII or binary.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    _check_ply(path)
    return _read_with_trimesh(path)


def read_stl(path: pathlib.Path) -> Mesh:
    """Reads an STL file, ASCII or binary.

    It has triangles alone, whose equal corners `clean` joins.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    _check_stl(path)
    return _read_with_trimesh(path)


def read_gltf(path: pathlib.Path) -> Mesh:
    """Reads a glTF 2.0 file (`.glb`, or `.gltf` with its buffers beside it).

    Its nodes are joined into one mesh; a texture inside of the file is not used.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    _check_gltf(path)
    return _read_with_trimesh(path)


def _read_with_trimesh(path: pathlib.Path) -> Mesh:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NaN: `clean` reports them
            loaded = _load(path)
        vertices = np.asarray(loaded.vertices, np.float32).reshape(-1, 3)
        faces = np.asarray(loaded.faces, np.int64).reshape(-1, 3)
    except Exception as error:  # trimesh raises whatever its parsers meet
        raise MeshError(
            f"{path}: byte 0 to {path.stat().st_size}: not a readable "
            f"{path.suffix[1:].upper()} mesh ({type(error).__name__}: "
            f"{str(error)[:200]}); it may be truncated or damaged"
        ) from error
    if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
        faces = np.clip(faces, -1, len(vertices))  # `clean` names them; no overflow
    visual: Any = loaded.visual
    uv = getattr(visual, "uv", None)
    if uv is not None and np.shape(uv) != (len(vertices), 2):
        uv = None
    colors = None
    if getattr(visual, "kind", None) == "vertex":
        colors = np.asarray(visual.vertex_colors[:, :3], np.float32) / 255
    faces = faces.astype(np.int32)
    with np.errstate(over="ignore"):
        return Mesh(
            vertices=vertices,
            faces=faces,
            uv=None if uv is None else np.asarray(uv, np.float32),
            uv_faces=None if uv is None else faces,
            texture=None if uv is None else find_texture(path, []),
            colors=colors,
        )


def _load(path: pathlib.Path) -> Any:
    """Loads a file with trimesh.

    One mesh is made at once: a scene would copy it twice, which takes as long as
    reading.
    """
    import trimesh  # 0.5 s to import, and only files of these formats need it
    from trimesh.exchange.ply import load_ply
    from trimesh.exchange.stl import load_stl

    suffix = path.suffix.lower()
    if suffix not in (".ply", ".stl"):
        return trimesh.load_mesh(path, process=False, skip_materials=True)
    with path.open("rb") as file:
        if suffix == ".stl":
            return trimesh.Trimesh(**load_stl(file), process=False)
        return trimesh.Trimesh(**load_ply(file, skip_materials=True), process=False)


def _check_stl(path: pathlib.Path) -> None:
    """Refuses a binary file that is not as long as it says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_STL_HEADER)
        count = int.from_bytes(head[-4:], "little")
        expected = _STL_HEADER + _STL_TRIANGLE * count
        if size == expected and size > _STL_HEADER:
            return
        text = head.lstrip().startswith(b"solid")
        file.seek(max(size - _MAX_HEADER, 0))
        if not text or b"endsolid" not in file.read():
            raise MeshError(
                f"{path}: byte {size}: no STL: of {count} triangles a binary file has "
                f"{expected} bytes, and text ends with 'endsolid'; it is truncated or "
                "of another format"
            )


def _check_ply(path: pathlib.Path) -> None:
    """Refuses a header that announces more than the file holds."""
    with path.open("rb") as file:
        head = file.read(_MAX_HEADER)
    end = re.search(rb"end_header\r?\n", head)
    if not head.startswith(b"ply") or end is None:
        raise MeshError(
            f"{path}: byte {0 if not head.startswith(b'ply') else len(head)}: no PLY "
            "header from 'ply' to 'end_header'; the file is truncated or of another "
            "format"
        )
    rest = path.stat().st_size - end.end()
    binary = b"format ascii" not in head[: end.start()]
    needed, count = 0, 0
    for number, line in enumerate(head[: end.start()].splitlines()):
        words = line.decode("latin-1").split()
        if words[:1] == ["element"]:
            if len(words) != 3 or not words[2].isdecimal() or len(words[2]) > 12:
                raise MeshError(
                    f"{path}: byte {head.find(line)} (line {number + 1}): bad element "
                    f"{line[:40]!r} in the PLY header"
                )
            count = int(words[2])
            if count > rest + 1:  # whatever its properties, or none
                raise MeshError(
                    f"{path}: byte {head.find(line)} (line {number + 1}): {count} of "
                    f"{words[1][:40]!r} announced and {rest} bytes follow; the file is "
                    "truncated or damaged"
                )
        elif words[:1] == ["property"] and len(words) >= 3:
            # A list has at least its length; text at least a digit and a blank.
            size = _PLY_SIZES.get(words[2] if words[1] == "list" else words[1], 1)
            needed += count * (size if binary else 2)
    if needed > rest + 1:
        raise MeshError(
            f"{path}: byte {end.end()}: the header announces at least {needed} bytes "
            f"and {rest} follow; the file is truncated or damaged, copy it again"
        )


def _check_gltf(path: pathlib.Path) -> None:
    """Refuses accessors that reach beyond the file's buffers."""
    data = path.read_bytes()
    text, at = data, 0
    if path.suffix.lower() == ".glb":
        if len(data) < 20:
            raise MeshError(
                f"{path}: byte {len(data)}: the file ends in its header, truncated"
            )
        magic, version, total, length = struct.unpack_from("<4sIII", data)
        if magic != b"glTF" or version != 2 or data[16:20] != b"JSON":
            raise MeshError(f"{path}: byte 0: not the header of a glTF 2.0 binary file")
        chunk = 12
        while chunk < max(total, len(data)):
            head = data[chunk : chunk + 4]
            chunk += 8 + int.from_bytes(head, "little")
            if len(head) < 4 or chunk > len(data):
                raise MeshError(
                    f"{path}: byte {len(data)}: {max(total, chunk)} bytes announced;"
                    " the file is truncated or damaged, copy it again"
                )
        text, at = data[20 : 20 + length], 20
    try:
        tree = json.loads(text.decode("utf-8", "strict"))
        views, accessors = tree.get("bufferViews", []), tree.get("accessors", [])
        buffers = sum(int(buffer["byteLength"]) for buffer in tree.get("buffers", []))
        for accessor in accessors:
            size = _GLTF_SIZES[accessor["componentType"]]
            size *= _GLTF_WIDTHS.get(accessor["type"], 1)
            size *= int(accessor["count"])
            view = views[accessor["bufferView"]]["byteLength"]
            if not 0 < size <= view <= buffers or "sparse" in accessor:
                raise ValueError(f"an accessor of {size} bytes in a view of {view}")
        _check_nodes(tree, len(data))
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
    ) as error:
        raise MeshError(
            f"{path}: byte {at}: bad glTF description ({type(error).__name__}: "
            f"{str(error)[:200]})"
        ) from error
    except RecursionError as error:
        raise MeshError(
            f"{path}: byte {at}: glTF description nested too deep"
        ) from error
    available = len(data)
    for buffer in tree.get("buffers", []):
        uri = str(buffer.get("uri", ""))
        if uri and not uri.startswith("data:"):
            beside = path.parent / uri
            if not beside.is_file():
                raise MeshError(f"{path}: byte {at}: its buffer {beside} is missing")
            available += beside.stat().st_size
    if buffers > available:
        raise MeshError(
            f"{path}: byte {at}: buffers of {buffers} bytes announced, {available} are "
            "there; the file is truncated"
        )


def _check_nodes(tree: dict[str, Any], size: int) -> None:
    """Refuses nodes that are no trees, or place more points than the file has bytes.

    Each of a thousand nodes may place the same mesh, and they all are loaded.

    Raises:
      ValueError, LookupError, TypeError: what is wrong.
    """
    nodes = tree.get("nodes", [])
    if len(nodes) > _MOST_NODES:
        raise ValueError(f"{len(nodes)} nodes, more than {_MOST_NODES}")
    children = [child for node in nodes for child in node.get("children", [])]
    if len(set(children)) < len(children):
        raise ValueError("a node has two parents")
    level, depth = set(range(len(nodes))) - set(children), 0
    while level:
        level = {c for n in level for c in nodes[n].get("children", [])}
        depth += 1
        if depth > _DEEPEST:
            raise ValueError(f"nodes nested more than {_DEEPEST} deep")
    accessors, meshes = tree.get("accessors", []), tree.get("meshes", [])
    points = 0
    for node in nodes:
        if "mesh" in node:
            for primitive in meshes[node["mesh"]]["primitives"]:
                points += accessors[primitive["attributes"]["POSITION"]]["count"]
    if points > size:
        raise ValueError(f"{points} points are placed by a file of {size} bytes")
