"""`read_mesh`: one entry for every mesh format, by file suffix."""

import pathlib
from collections.abc import Callable

from smile_jax.mesh.bosphorus import read_bnt
from smile_jax.mesh.cleaning import clean
from smile_jax.mesh.exchange import read_gltf, read_ply, read_stl
from smile_jax.mesh.obj import read_obj
from smile_jax.mesh.types import Mesh, MeshError
from smile_jax.mesh.vrml import read_vrml


def read_mesh(path: str | pathlib.Path) -> Mesh:
    """Reads a triangle mesh, cleans it and counts the repairs.

    Args:
      path: a `.wrl` (VRML 2.0), `.obj`, `.bnt` (Bosphorus), `.ply`, `.stl`, `.glb` or
        `.gltf` file, with its texture where there is one.

    Returns:
      The mesh in the file's own units (face scans: mm).

    Raises:
      MeshError: naming the file, the byte where it is broken, and what is wrong.

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
        raise MeshError(f"{path}: no such file, or nothing that can be read")
    try:
        mesh = reader(path)
    except OSError as error:  # a disk that fails, a name in the file that is too long
        raise MeshError(f"{path}: byte 0: cannot be read ({error.strerror})") from error
    return clean(mesh, f"{path}: bytes 0 to {path.stat().st_size}")


_READERS: dict[str, Callable[[pathlib.Path], Mesh]] = {
    ".bnt": read_bnt,
    ".glb": read_gltf,
    ".gltf": read_gltf,
    ".obj": read_obj,
    ".ply": read_ply,
    ".stl": read_stl,
    ".wrl": read_vrml,
}
MESH_SUFFIXES = tuple(_READERS)
