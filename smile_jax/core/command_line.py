"""The command line of all commands: errors in one line, flags, and signals."""

import logging as std_logging
import os
import pathlib
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import app, flags, logging

from smile_jax.core.errors import EXPECTED, in_a_line
from smile_jax.core.extras import needed_for


def run(
    main: Callable[[list[str]], Any],
    complete: Callable[[list[str]], list[str]] = lambda argv: argv,
) -> None:
    """Runs a command with absl, and reports errors in one line.

    That holds for flags, for config keys, and for what the command finds;
    `--verbosity=1` shows the traceback.

    Args:
      main: takes the words that no flag took.
      complete: completes the command line before its flags are parsed.
    """
    logging.set_verbosity(logging.WARNING)  # Orbax tells every file at INFO
    logging.get_absl_logger().addFilter(_said_elsewhere)
    threading.excepthook = _in_a_thread
    sys.unraisablehook = _ignored

    def guarded(argv: list[str]) -> Any:
        try:
            with needed_for("this command"):
                return main(argv)
        except EXPECTED as error:
            fail(error)

    app.run(guarded, flags_parser=lambda argv: _parse(argv, complete))


def before_jax() -> None:
    """Sets up memory, devices and the compilation cache before JAX starts."""
    from smile_jax.core.cache import keep_compiled
    from smile_jax.core.host_memory import (
        cpu_only,
        keep_freed_memory,
        libtpu_without_tpu,
    )

    if cpu_only():
        keep_freed_memory()
    if libtpu_without_tpu() and not os.environ.get("JAX_PLATFORMS"):
        import jax

        # Else libtpu looks for a TPU, and says at length that it finds none.
        jax.config.update("jax_platforms", "cpu")
    keep_compiled()


def end_with_children() -> None:
    """Turns SIGTERM into an exception, so that child processes end, too.

    `subprocess.run` ends the process it waits for when an exception is raised;
    otherwise that process would go on alone.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def no_words(argv: list[str]) -> None:
    """Refuses words that no flag takes."""
    if len(argv) > 1:
        raise ValueError(f"unexpected arguments {argv[1:]}; flags start with --")


def one_word(argv: list[str], wanted: str) -> str:
    """The word that no flag takes."""
    if len(argv) != 2:
        raise ValueError(f"name {wanted}; found {argv[1:]}")
    return argv[1]


def key_values(texts: Sequence[str]) -> dict[str, str]:
    """Parses words of the form "KEY=VALUE"."""
    return dict(text.partition("=")[::2] for text in texts)


def fail(error: Exception) -> NoReturn:
    """Ends the command with what is wrong."""
    logging.debug("traceback", exc_info=True)
    if not logging.level_debug():
        # What fails on the way out, as files of a full disk do, is no news.
        threading.excepthook = lambda _: None
        sys.unraisablehook = lambda _: None
    # Messages that list several problems keep their lines.
    text = str(error) if isinstance(error, ValueError) else in_a_line(error)
    sys.exit(f"error: {text}")


def _said_elsewhere(record: std_logging.LogRecord) -> bool:
    """Returns True for records to log: all but the tracebacks of libraries.

    Libraries raise what they log, so it would be reported twice.
    """
    ours = pathlib.Path(__file__).parents[1] in pathlib.Path(record.pathname).parents
    return ours or not record.exc_info or logging.level_debug()


def _in_a_thread(failed: threading.ExceptHookArgs) -> None:
    """A thread of a library ends, and the command goes on."""
    name = failed.thread.name if failed.thread else "a thread"
    logging.error("%s ended: %s", name, in_a_line(failed.exc_value or SystemExit()))


def _ignored(failed: Any) -> None:
    """Reports what Python could not raise.

    TensorStore calls back after a failed write without naming an object; Orbax raises
    that error itself.
    """
    if failed.object is None:
        logging.debug("called back by a library: %r", failed.exc_value)
    else:
        sys.__unraisablehook__(failed)


def _parse(argv: list[str], complete: Callable[[list[str]], list[str]]) -> list[str]:
    try:
        return flags.FLAGS(complete(argv))
    except Exception as error:  # --config runs a file, which may raise anything
        logging.debug("traceback", exc_info=True)
        text = in_a_line(error)
        if isinstance(error, SyntaxError):
            text = (
                f"--config: {error.filename}, line {error.lineno}: {error.msg}; it "
                "must be a Python file with get_config()"
            )
        sys.exit(f"error: {text}")
