"""`read_mesh`: one entry for every mesh format, by file suffix."""

import pathlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from smile_jax.mesh.cleaning import clean
from smile_jax.mesh.types import Mesh, MeshError


def read_mesh(path: str | pathlib.Path) -> Mesh:
    """Reads a triangle mesh, cleans it and counts the repairs.

    Args:
      path: a `.obj` (with its `.mtl` and texture where present) or `.ply` file.

    Returns:
      The mesh in the file's own units (face scans: mm).

    Raises:
      MeshError: naming the file and what is wrong with it.

    Example:
      >>> mesh = read_mesh("scan.obj")
      >>> mesh.vertices.shape, mesh.repairs
      ((26719, 3), {})
    """
    path = pathlib.Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise MeshError(f"{path}: unknown mesh format {path.suffix!r}; known: {known}")
    if not path.is_file():
        raise MeshError(f"{path}: no such file")
    return clean(reader(path), str(path))


def _read_with_trimesh(path: pathlib.Path) -> Mesh:
    import trimesh  # 0.5 s to import, and only files of these formats need it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # NaN: `clean` reports them
            loaded = trimesh.load_mesh(path, process=False, skip_materials=True)
        vertices = np.asarray(loaded.vertices, np.float32).reshape(-1, 3)
        faces = np.asarray(loaded.faces, np.int32).reshape(-1, 3)
    except Exception as error:  # trimesh raises whatever its parsers meet
        raise MeshError(
            f"{path}: not a readable {path.suffix[1:].upper()} mesh ({error}); "
            "it may be truncated or damaged"
        ) from error
    visual: Any = loaded.visual
    uv = getattr(visual, "uv", None)
    colors = None
    if getattr(visual, "kind", None) == "vertex":
        colors = np.asarray(visual.vertex_colors[:, :3], np.float32) / 255
    return Mesh(
        vertices=vertices,
        faces=faces,
        uv=None if uv is None else np.asarray(uv, np.float32),
        uv_faces=None if uv is None else faces,
        texture=None if uv is None else _find_texture(path),
        colors=colors,
    )


def _find_texture(path: pathlib.Path) -> pathlib.Path | None:
    """The image named by the OBJ's material (`map_Kd`), else one of the same stem."""
    names = []
    if path.suffix.lower() == ".obj":
        for library in _values_of(path, "mtllib"):
            material = path.parent / library
            if material.is_file():
                names += _values_of(material, "map_Kd")
    names += [path.stem + suffix for suffix in (".png", ".jpg", ".jpeg", ".bmp")]
    for name in names:
        candidate = path.parent / pathlib.PureWindowsPath(name).name
        if candidate.is_file():
            return candidate
    return None


def _values_of(path: pathlib.Path, keyword: str) -> list[str]:
    with path.open(encoding="latin-1") as lines:
        found = [line.split(maxsplit=1) for line in lines if keyword in line]
    return [w[1].strip() for w in found if len(w) == 2 and w[0] == keyword]


_READERS: dict[str, Callable[[pathlib.Path], Mesh]] = {
    ".obj": _read_with_trimesh,
    ".ply": _read_with_trimesh,
}
