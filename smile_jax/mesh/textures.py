"""Where a mesh's texture image lies: names in scans are rarely quite right."""

import pathlib
from collections.abc import Iterable

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def find_texture(mesh_path: pathlib.Path, names: Iterable[str]) -> pathlib.Path | None:
    """Finds the image that a mesh names, in the mesh's folder and whatever the case.

    For each name, folders in it being ignored: the same file name, then the same stem
    with any image suffix; last, the mesh's own stem.

    Args:
      mesh_path: the mesh file.
      names: as written in the file, with / or \\ between folders.

    Returns:
      Path of an existing file, or None.
    """
    wanted = [pathlib.PureWindowsPath(name).name for name in names]
    for name in wanted:
        if name and (mesh_path.parent / name).is_file():
            return mesh_path.parent / name
    beside = {
        path.name.lower(): path
        for path in sorted(mesh_path.parent.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES
    }
    for name in wanted:
        if name.lower() in beside:
            return beside[name.lower()]
    for stem in [*(pathlib.PurePath(name).stem for name in wanted), mesh_path.stem]:
        for suffix in IMAGE_SUFFIXES:
            if stem.lower() + suffix in beside:
                return beside[stem.lower() + suffix]
    return None
