"""STL through trimesh, behind checks that it does not make itself; and OFF."""

import pathlib
import re
import warnings
from typing import Any

import numpy as np

from smile_jax.mesh.ply import Element, Property, TextRows, points_of, polygons_of
from smile_jax.mesh.types import Mesh, MeshError

_STL_HEADER, _STL_TRIANGLE = 84, 50  # bytes
_MAX_TAIL = 1 << 16
_COMMENT = re.compile(rb"#[^\r\n]*")
_OFF = re.compile(rb"\s*C?OFF\s+(\d{1,9})[ \t]+(\d{1,9})(?:[ \t]+\d+)?[ \t]*[\r\n]")


def read_stl(path: pathlib.Path, within: pathlib.Path) -> Mesh:
    """Reads an STL file, ASCII or binary.

    It has triangles alone, whose equal corners `clean` joins.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    del within  # it names no other file
    _check_stl(path)
    return _read_with_trimesh(path)


def read_off(path: pathlib.Path, within: pathlib.Path) -> Mesh:
    """Reads an OFF file: points and polygons as text, colours left out.

    Raises:
      MeshError: naming the file, the byte and the fault.
    """
    del within  # it names no other file
    # Blanks for comments: no byte changes its place.
    data = _COMMENT.sub(lambda found: b" " * len(found.group()), path.read_bytes())
    head = _OFF.match(data)
    if head is None:
        raise MeshError(
            f"{path}: byte 0: no OFF header with numbers of points and faces; the file "
            "is truncated or of another format"
        )
    points, polygons = (int(head[k]) for k in (1, 2))
    xyz = [Property(axis, "f8") for axis in "xyz"]
    corners = [Property("vertex_indices", "i4", "u1")]
    rows = TextRows(path, data, head.end(), "ascii")
    vertices = points_of(rows.take(Element("points", points, xyz)))
    listed = rows.take(Element("faces", polygons, corners))
    faces, _, _ = polygons_of(path, {"face": listed})
    return Mesh(vertices=vertices, faces=faces)


def _read_with_trimesh(path: pathlib.Path) -> Mesh:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NaN: `clean` reports them
            loaded = _load(path)
        vertices = np.asarray(loaded["vertices"], np.float64).reshape(-1, 3)
        faces = np.asarray(loaded["faces"], np.int64).reshape(-1, 3)
    except Exception as error:  # trimesh raises whatever its parsers meet
        raise MeshError(
            f"{path}: byte 0 to {path.stat().st_size}: not a readable "
            f"{path.suffix[1:].upper()} mesh ({type(error).__name__}: "
            f"{str(error)[:200]}); it may be truncated or damaged"
        ) from error
    if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
        faces = np.clip(faces, -1, len(vertices))  # `clean` names them; no overflow
    return Mesh(vertices=vertices, faces=faces.astype(np.int32))


def _load(path: pathlib.Path) -> dict[str, Any]:
    """The arrays that trimesh finds, without a scene, which would copy them twice."""
    # 0.5 s to import, and only files of this format need it.
    from trimesh.exchange.stl import load_stl

    with path.open("rb") as file:
        return load_stl(file)


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
        file.seek(max(size - _MAX_TAIL, 0))
        if not text or b"endsolid" not in file.read():
            raise MeshError(
                f"{path}: byte {size}: no STL: of {count} triangles a binary file has "
                f"{expected} bytes, and text ends with 'endsolid'; it is truncated or "
                "of another format"
            )
