"""Writes files atomically: after a crash they are whole or unchanged."""

import contextlib
import fcntl
import os
import pathlib
import tempfile
from collections.abc import Iterator


def replace_text(path: pathlib.Path, text: str) -> None:
    """Writes a file under another name and renames it into place."""
    with replace_files(path.parent) as folder:
        (folder / path.name).write_text(text)


@contextlib.contextmanager
def folder_lock(folder: pathlib.Path) -> Iterator[None]:
    """Lets one process of this machine at a time work in a folder.

    Use it around reading files and writing them anew. Network file systems may behave
    differently.
    """
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def name_file_in_errors(path: pathlib.Path) -> Iterator[None]:
    """Names the file in errors of a full disk, which do not name it."""
    try:
        yield
    except OSError as error:
        if error.filename:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextlib.contextmanager
def replace_files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a folder to write into, whose files then replace others all at once.

    It lies inside `folder`; at the end each of its files takes the place of the file of
    the same name. After an error none does.
    """
    with tempfile.TemporaryDirectory(prefix=".part_", dir=folder) as part:
        with name_file_in_errors(folder):
            yield pathlib.Path(part)
        written = [p for p in pathlib.Path(part).rglob("*") if p.is_file()]
        for path in sorted(written):
            place = folder / path.relative_to(part)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)
