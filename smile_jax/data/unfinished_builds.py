"""What builds that were killed leave behind."""

import contextlib
import fcntl
import pathlib
import re
import shutil
from collections.abc import Iterator

_LOCK = ".build_lock"


@contextlib.contextmanager
def only_build_in(folder: pathlib.Path) -> Iterator[None]:
    """Lets one build at a time work on a config, and removes what dead ones left.

    TFDS writes into `incomplete.XXXXXX_<version>` and renames that at the end; a killed
    build leaves it for ever. While nobody else builds there, it is nobody's.

    Args:
      folder: `<data_dir>/<name>/<config>`.

    Raises:
      ValueError: another process builds there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"{folder}: another process builds there; wait for it, or stop it"
            ) from error
        except OSError:  # a file system without locks: nothing is known to be dead
            yield
            return
        for path in sorted(folder.iterdir()):
            if re.fullmatch(r"incomplete\.[A-Z0-9]{6}_[\d.]+", path.name):
                size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
                shutil.rmtree(path)
                print(f"removed {path}: {size / 1e6:.3g} MB of a build that was killed")
        yield
