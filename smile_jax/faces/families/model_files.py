"""Files of a face model: of a folder, or of an archive that is read in one pass."""

import contextlib
import pathlib
import tarfile
import zipfile
from collections.abc import Callable, Iterator

from smile_jax.mesh.types import MeshError

# An archive may hold so many times its own size, and so much beside. (xz makes
# distributed ones eight times smaller.)
_MOST_TIMES, _MOST_BESIDE = 40, 64 << 20

Wanted = Callable[[str], bool]


def read_model_files(path: pathlib.Path, wanted: Wanted) -> dict[str, bytes]:
    """Returns the content of the wanted files by their path inside, with "/".

    Args:
      path: a folder, or a `.tar`, `.tar.xz`, `.tar.gz`, `.zip` or `.whl` of one, or a
        single file.
      wanted: by the path inside; nothing else is kept.

    Raises:
      MeshError: it cannot be read, or holds much more than such models do.
    """
    with _explained(path):
        return dict(_contents(path, wanted))


def has_file(path: pathlib.Path, wanted: Wanted) -> bool:
    """Returns True if there is such a file in a folder or an archive.

    Raises:
      MeshError: it cannot be read.
    """
    with _explained(path):
        return next(_contents(path, wanted), None) is not None


@contextlib.contextmanager
def _explained(path: pathlib.Path) -> Iterator[None]:
    """Says of which file it is, whatever tarfile, zipfile and the codecs raise."""
    try:
        yield
    except MeshError:
        raise
    except Exception as error:
        raise MeshError(
            f"{path}: cannot be read ({type(error).__name__}: {str(error)[:200]}); it "
            "is truncated or damaged, copy it again"
        ) from error


def _contents(path: pathlib.Path, wanted: Wanted) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for found in sorted(path.rglob("*")):
            name = found.relative_to(path).as_posix()
            if wanted(name) and found.is_file():
                yield name, found.read_bytes()
        return
    if not path.is_file():
        return
    left = _MOST_TIMES * path.stat().st_size + _MOST_BESIDE

    def spend(size: int) -> None:
        nonlocal left
        left -= size
        if left < 0:
            raise MeshError(
                f"{path}: holds more than {_MOST_TIMES} times its own size; it is no "
                "archive of a face model"
            )

    if tarfile.is_tarfile(path):
        # One pass: seeking in a compressed archive would decompress it many times.
        with tarfile.open(path) as tar:
            for member in tar:
                spend(member.size)
                if wanted(member.name):
                    handle = tar.extractfile(member) if member.isfile() else None
                    if handle:
                        yield member.name, handle.read()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                spend(info.file_size)
                if wanted(info.filename) and not info.is_dir():
                    yield info.filename, archive.read(info)
    elif wanted(path.name):
        yield path.name, path.read_bytes()
