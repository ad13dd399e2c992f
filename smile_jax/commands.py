"""Shared by the commands that absl parses: what is wrong is said in one line."""

import re
import sys
from typing import Any, NoReturn

from absl import app, flags, logging

from smile_jax.config import Config, ConfigError, typed


def run(main: Any) -> None:
    """`absl.app.run`, with a line for what is wrong with flags and config keys."""
    logging.set_verbosity(logging.WARNING)  # Orbax tells every file at INFO
    app.run(main, flags_parser=_parse)


def no_words(argv: list[str]) -> None:
    """Refuses words that no flag takes."""
    if len(argv) > 1:
        fail(ValueError(f"unexpected arguments {argv[1:]}; flags start with --"))


def fail(error: Exception) -> NoReturn:
    """Ends the command with what is wrong; the traceback needs --verbosity=1."""
    logging.debug("traceback", exc_info=True)
    sys.exit(f"error: {error}")


def config_of(flag: Any) -> Config:
    """The value of `config_flags.DEFINE_config_file`, typed.

    Raises:
      ConfigError: its file is missing or has keys that there are not.
    """
    try:
        return typed(flag.value)
    except (OSError, AttributeError, KeyError, TypeError) as error:
        raise ConfigError(f"--config: {_in_a_line(error)}") from error


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
        logging.debug("traceback", exc_info=True)
        text = _in_a_line(error)
        near = re.search(r'Did you mean "(\w+)" instead of "(\w+)"', text)
        if near:
            wrong = [a for a in argv if re.search(rf"[.]{near[2]}\b", a)]
            flag = wrong[0].split("=")[0] if wrong else f"--config ... {near[2]}"
            text = f"{flag}: there is no such key; did you mean {near[1]!r}?"
        sys.exit(f"error: {text}")


def _in_a_line(error: Exception) -> str:
    words = str(error.args[0] if error.args else error)
    return " ".join(words.replace("\\n", " ").split())
