"""Shared by the commands that absl parses: what is wrong is said in one line."""

import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from absl import app, flags, logging

from smile_jax.errors import EXPECTED, in_a_line


def run(main: Callable[[list[str]], Any]) -> None:
    """`absl.app.run`, with a line for what is wrong: with flags, with config keys, or
    with what the command finds. --verbosity=1 shows the traceback."""
    logging.set_verbosity(logging.WARNING)  # Orbax tells every file at INFO

    def guarded(argv: list[str]) -> Any:
        try:
            return main(argv)
        except EXPECTED as error:
            fail(error)

    app.run(guarded, flags_parser=_parse)


def no_words(argv: list[str]) -> None:
    """Refuses words that no flag takes."""
    if len(argv) > 1:
        raise ValueError(f"unexpected arguments {argv[1:]}; flags start with --")


def one_word(argv: list[str], wanted: str) -> str:
    """The word that no flag takes."""
    if len(argv) != 2:
        raise ValueError(f"name {wanted}; found {argv[1:]}")
    return argv[1]


def fail(error: Exception) -> NoReturn:
    """Ends the command with what is wrong."""
    logging.debug("traceback", exc_info=True)
    # Messages that list several problems keep their lines.
    text = str(error) if isinstance(error, ValueError) else in_a_line(error)
    sys.exit(f"error: {text}")


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except Exception as error:  # --config runs a file, which may raise anything
        logging.debug("traceback", exc_info=True)
        text = in_a_line(error)
        near = re.search(r'Did you mean "(\w+)" instead of "(\w+)"', text)
        if near:
            wrong = [a for a in argv if re.search(rf"[.]{near[2]}\b", a)]
            flag = wrong[0].split("=")[0] if wrong else f"--config ... {near[2]}"
            text = f"{flag}: there is no such key; did you mean {near[1]!r}?"
        elif isinstance(error, SyntaxError):
            text = (
                f"--config: {error.filename}, line {error.lineno}: {error.msg}; it "
                "must be a Python file with get_config()"
            )
        sys.exit(f"error: {text}")
