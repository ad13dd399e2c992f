"""Errors that a user can fix, reported in one line."""

import errno
import os
import pathlib
import sys
import traceback


class UserError(Exception):
    """An error whose message says what is wrong, where, and what to do."""


# What goes wrong without a mistake in the program: files, folders, settings, memory.
EXPECTED = (UserError, ValueError, OSError, MemoryError, FloatingPointError)


def in_a_line(error: BaseException) -> str:
    """Returns an error's message without line breaks."""
    if isinstance(error, MemoryError):
        return f"not enough memory ({_words(error)})"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        where = error.filename or "a file"
        return f"no space left on the disk of {where}; free some and start again"
    return _words(error) or type(error).__name__


def _words(error: BaseException) -> str:
    words = str(error.args[0] if isinstance(error, KeyError) else error)
    return " ".join(words.replace("\\n", " ").split())


def explain_under(program: str) -> None:
    """Reports errors in one line when another program (`tfds`) runs our code.

    That program would print a traceback. SMILE_JAX_TRACEBACK=1 shows it.
    """
    if pathlib.Path(sys.argv[0]).stem == program:
        sys.excepthook = _hook


def _hook(kind: type[BaseException], error: BaseException, _where: object) -> None:
    if os.environ.get("SMILE_JAX_TRACEBACK") or not isinstance(error, Exception):
        traceback.print_exception(error)
        return
    expected = isinstance(error, EXPECTED)
    text = str(error).strip() if expected else f"{kind.__name__}: {in_a_line(error)}"
    print(f"error: {text or in_a_line(error)}", file=sys.stderr)
    print("(SMILE_JAX_TRACEBACK=1 shows where)", file=sys.stderr)
