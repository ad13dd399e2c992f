"""Files that travel with the package: builders, experiments, suites, prompts."""

import contextlib
import pathlib

_PACKAGE = pathlib.Path(__file__).resolve().parent.parent


def own_folder(name: str) -> pathlib.Path:
    """Returns the folder `tfds_builders` or `experiments` of this version.

    A wheel carries both inside the package; in a checkout they lie beside it.
    """
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def find_own(name: str, *, folder: str = "experiments") -> str:
    """Returns the path of a file that the user named, or of one of this project's.

    Args:
      name: a path that exists; one of this project's files as the documents write it,
        such as "experiments/demo.py"; or its bare name, "demo".
      folder: of the project, where bare names are looked up.

    Returns:
      The path, or `name` where nothing is found: whoever opens it says so.
    """
    own = pathlib.PurePath(name)
    if not own.suffix and len(own.parts) == 1:
        own = pathlib.PurePath(folder, f"{name}.py")
    candidates = [pathlib.Path(name)]
    if own.parts[:1] == ("experiments",):
        candidates.append(own_folder("experiments").joinpath(*own.parts[1:]))
    for path in candidates:
        with contextlib.suppress(OSError):  # a name may be too long to be a file's
            if path.is_file():
                return str(path)
    return name
