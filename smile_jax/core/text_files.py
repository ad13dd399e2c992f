"""Text files that users write, in what their editors save; names one can print."""

import codecs
import os
import pathlib

_OTHER_CODES = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class TextFileError(ValueError):
    """A text file cannot be read; the message names it and what to save it as."""


def read_text(path: str | os.PathLike[str]) -> str:
    """Reads a file in UTF-8, with or without a byte order mark.

    Raises:
      TextFileError: there is none, or it is in another code, which is named.
    """
    path = pathlib.Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TextFileError(f"{path}: cannot be read ({error.strerror})") from error
    for mark, code in _OTHER_CODES:
        if content.startswith(mark):
            raise TextFileError(f"{path}: a text in {code}; save it in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TextFileError(
            f"{path}: byte {error.start}: no text in UTF-8; save it as that"
        ) from error


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """Reads a list, one name a line; blanks around names and empty lines do not count.

    Raises:
      TextFileError: as `read_text`.
    """
    lines = (line.strip() for line in read_text(path).splitlines())
    return [line for line in lines if line]


def printable(name: str) -> str:
    """A file name that can be printed and stored, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
