"""Evaluates a run: `python -m smile_jax.evaluate --workdir=DIR [--protocol=holdout]`.

`--prompts=FILE` adds zero-shot scores in other words (docs/text.md).

Writes `DIR/eval/results.json` and `DIR/eval/report.html`.
"""

import pathlib
import sys

from absl import app, flags, logging

from smile_jax.evaluation import report
from smile_jax.evaluation.run import (
    PROTOCOLS,
    evaluate,
    table,
    write_results,
)
from smile_jax.hostmemory import cpu_only, keep_freed_memory
from smile_jax.training.checkpoints import CheckpointError

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run, or of fold_<i> runs.", required=True
)
_PROMPTS = flags.DEFINE_multi_string(
    "prompts", [], "Also zero-shot with the words of this YAML file; may be repeated."
)
_PROTOCOL = flags.DEFINE_enum("protocol", "holdout", PROTOCOLS, "How to test.")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; flags start with --")
    workdir = pathlib.Path(_WORKDIR.value)
    if cpu_only():
        keep_freed_memory()
    try:
        results = evaluate(workdir, _PROTOCOL.value, _PROMPTS.value)
    except (ValueError, OSError, CheckpointError) as error:
        logging.debug("traceback", exc_info=True)  # shown with --verbosity=1
        sys.exit(f"error: {error}")
    folder = workdir / "eval"
    write_results(results, folder)
    report.write(results, workdir, folder / "report.html")
    print(table(results))
    print(f"wrote {folder / 'results.json'} and {folder / 'report.html'}")


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)  # Orbax tells every file at INFO
    app.run(main)
