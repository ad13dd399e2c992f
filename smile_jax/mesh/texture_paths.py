"""Finds a mesh's texture image: names in scans are rarely quite right."""

import itertools
import pathlib
from collections.abc import Iterable

MOST_NAMES = 16  # of images in a file that are looked for
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def find_texture(mesh_path: pathlib.Path, names: Iterable[str]) -> pathlib.Path | None:
    """Finds the image that a mesh names, in the mesh's folder and whatever the case.

    For each name, folders in it being ignored: the same file name, then the same stem
    with any image suffix; last, the mesh's own stem.

    Args:
      mesh_path: the mesh file.
      names: as written in the file, with slashes or backslashes between folders.

    Returns:
      Path of an existing file, or None.
    """
    found = (pathlib.PureWindowsPath(name).name for name in names)
    wanted = list(itertools.islice(dict.fromkeys(found), 2 * MOST_NAMES))
    for name in wanted:
        if name and (mesh_path.parent / name).is_file():
            return mesh_path.parent / name
    beside = {
        path.name.lower(): path
        for path in sorted(mesh_path.parent.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    }
    for name in wanted:
        if name.lower() in beside:
            return beside[name.lower()]
    for stem in [*(pathlib.PurePath(name).stem for name in wanted), mesh_path.stem]:
        for suffix in IMAGE_SUFFIXES:
            if stem.lower() + suffix in beside:
                return beside[stem.lower() + suffix]
    return None


def as_text(name: bytes) -> str:
    """A file's name in a mesh: UTF-8, or what Western Windows wrote before."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")
