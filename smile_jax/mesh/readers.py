"""`read_mesh`: one entry for every mesh format, by file suffix."""

import os
import pathlib
import re
from collections.abc import Callable

import numpy as np

from smile_jax.core.extras import MissingExtraError
from smile_jax.mesh.bosphorus import read_bnt
from smile_jax.mesh.cleaning import clean
from smile_jax.mesh.depth_image import DEPTH_SUFFIXES, is_depth_image, read_depth_image
from smile_jax.mesh.exchange import read_off, read_stl
from smile_jax.mesh.far_points import near_origin
from smile_jax.mesh.gltf import read_gltf
from smile_jax.mesh.obj import read_obj
from smile_jax.mesh.ply import read_ply
from smile_jax.mesh.point_clouds import read_pcd, read_xyz
from smile_jax.mesh.surface_of_points import FEWEST, surface_of
from smile_jax.mesh.types import Mesh, MeshError
from smile_jax.mesh.vrml import read_vrml

_HEAD = 512  # bytes that tell what a file is


def read_mesh(
    path: str | os.PathLike[str], within: str | os.PathLike[str] | None = None
) -> Mesh:
    """Reads a triangle mesh, cleans it and counts the repairs.

    A point cloud gets a surface, see `surface_of`; a depth image that of its own grid,
    see `read_depth_image`.

    Args:
      path: a `.wrl` (VRML 2.0), `.obj`, `.bnt` (Bosphorus), `.ply`, `.stl`, `.off`,
        `.glb`, `.gltf`, `.pcd` or `.xyz` file, with its textures where there are some;
        or a depth image, `.png`, `.exr` or `.npy`, with its camera beside it.
      within: folder outside of which no file that the mesh names is opened; by default
        that above the mesh's own.

    Returns:
      The mesh in the file's own units (face scans: mm). What it names and was not
      found is in `texture_notes`.

    Raises:
      MeshError: naming the file, the byte where it is broken, and what is wrong.

    Example:
      >>> mesh = read_mesh("scan.obj")
      >>> mesh.vertices.shape, mesh.repairs
      ((26719, 3), {})
    """
    path = pathlib.Path(path)
    reader = _READERS.get(path.suffix.lower())
    if path.suffix.lower() in DEPTH_SUFFIXES:
        reader = read_depth_image
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise MeshError(f"{path}: unknown mesh format {path.suffix!r}; known: {known}")
    if not path.is_file():
        raise MeshError(f"{path}: no such file, or nothing that can be read")
    folder = pathlib.Path(os.path.abspath(path)).parent.parent
    try:
        check_content(path)
        parsed = reader(path, folder if within is None else pathlib.Path(within))
        mesh = near_origin(parsed)
        if len(mesh.vertices) and not len(mesh.faces):
            mesh = _with_surface(path, mesh)
    except MissingExtraError as error:
        raise MeshError(f"{path}: {error}") from error
    except OSError as error:  # a disk that fails, a name in the file that is too long
        raise MeshError(f"{path}: byte 0: cannot be read ({error.strerror})") from error
    return clean(mesh, f"{path}: bytes 0 to {path.stat().st_size}")


def is_scan(path: pathlib.Path) -> bool:
    """True of a file that `read_mesh` reads; of images, of depth images alone."""
    return path.suffix.lower() in MESH_SUFFIXES or is_depth_image(path)


def _with_surface(path: pathlib.Path, cloud: Mesh) -> Mesh:
    """A mesh through the points of a cloud.

    Raises:
      MeshError: it is none of a surface.
    """
    count = len(cloud.vertices)
    where = f"{path}: bytes 0 to {path.stat().st_size}"
    said = f"{where}: has no faces; it is a point cloud of {count} points"
    if count < FEWEST:
        raise MeshError(f"{said}, too few for a face")
    try:
        vertices, faces, colors, lost = surface_of(cloud.vertices, cloud.colors)
    except (ValueError, np.linalg.LinAlgError, MemoryError) as error:
        raise MeshError(
            f"{said}, through which no surface was found: {error}"
        ) from error
    repairs = {"lone points left out": lost} if lost else {}
    notes = (f"it is a point cloud of {count} points, through which a surface is laid",)
    return Mesh(vertices, faces, colors=colors, repairs=repairs, notes=notes)


def check_content(path: pathlib.Path) -> None:
    """Refuses what is no file of the kind that its name says.

    Raises:
      MeshError: it is a pointer of Git LFS, a web page, or of another format.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"version https://git-lfs"):
        raise MeshError(
            f"{path}: byte 0: a pointer of Git LFS, not the file itself; get it with "
            "`git lfs pull`"
        )
    if re.match(rb"\s*<(?:!doctype html|html|head|\?xml[^>]*>\s*<!doctype html)", head,
                re.IGNORECASE):  # fmt: skip
        raise MeshError(
            f"{path}: byte 0: a web page in place of the file, such as a login; "
            "download it again"
        )
    suffix = path.suffix.lower()
    for pattern, kind, suffixes in _MAGIC:
        if suffix not in suffixes and re.match(pattern, head, re.DOTALL):
            named = f"rename it to {suffixes[0]}" if suffixes[0] else "unpack it"
            raise MeshError(
                f"{path}: byte 0: its content is {kind}, whatever its name says; "
                f"{named}"
            )


# How files of a kind begin, what that is, and the suffixes that it has; "" for what
# must be unpacked.
_MAGIC = (
    (rb"ply\r?\n", "a PLY mesh", (".ply",)),
    (rb"glTF[\x01\x02]\0\0\0", "a glTF mesh in one file", (".glb",)),
    (rb"#VRML ", "a VRML mesh", (".wrl", ".vrml")),
    (rb"\x93NUMPY", "a NumPy array", (".npy",)),
    (rb"PK\x03\x04", "a ZIP archive", ("",)),
    (rb"\x1f\x8b\x08", "a gzip archive", ("",)),
    (rb"\x89PNG\r\n", "a PNG image", (".png",)),
    (rb"\xff\xd8\xff", "a JPEG image", (".jpg", ".jpeg")),
    (rb"MATLAB 5\.0 MAT-file", "a MATLAB file", (".mat",)),
    (rb"Kaydara FBX Binary", "an FBX scene", (".fbx",)),
    (rb"\s*<\?xml.{0,400}<COLLADA", "a COLLADA scene", (".dae",)),
    (rb"solid [^\n]{0,200}\n\s*facet ", "an STL mesh", (".stl",)),
    (rb"# \.PCD ", "a PCD point cloud", (".pcd",)),
)

_READERS: dict[str, Callable[[pathlib.Path, pathlib.Path], Mesh]] = {
    ".bnt": read_bnt,
    ".glb": read_gltf,
    ".gltf": read_gltf,
    ".obj": read_obj,
    ".off": read_off,
    ".pcd": read_pcd,
    ".ply": read_ply,
    ".stl": read_stl,
    ".wrl": read_vrml,
    ".xyz": read_xyz,
}
MESH_SUFFIXES = tuple(_READERS)
