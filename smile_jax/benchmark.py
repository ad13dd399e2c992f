"""Trains and evaluates all methods and seeds of a suite, and writes its tables.

    smile-jax benchmark --suite=SUITE [--only=REGEX] [--seeds=0] [--shard=0/4]

Trains and evaluates each method with each seed in a folder of `--out`, one after
another; started again after a kill it goes on where it was, and does nothing again that
is done, here or, by the digest of a row, on another machine. `--only=REGEX` takes
methods whose whole name it matches, `--seeds=0` runs of that seed (may be repeated),
`--shard=0/4` every fourth run (start those that others start from first).
`--set=KEY=VALUE` is for what differs from machine to machine:
`--set=model.pretrained_text=FOLDER`.

Writes `RESULTS/<suite>.csv`, a line for each number of each run, `<suite>_people.csv`,
a line for each person, and `<suite>.md` and `.tex`, tables made of these alone: scores,
and where the suite names references their difference from other methods, with an
interval over people and runs; `<suite>_table.csv` has the scores as numbers. Each is of
all runs that are done. Rows of a method that is another one now, by its settings or its
own code, are taken out, which is said, and are kept in `RESULTS/<suite>_left_out.csv`.
"""

import pathlib

from absl import flags

from smile_jax.core import command_line, extras
from smile_jax.core.own_files import find_own

_SUITE = flags.DEFINE_string(
    "suite", None, "Suite: a Python file, or its name.", required=True
)
_OUT = flags.DEFINE_string("out", "runs", "Folder for the folders of all runs.")
_RESULTS = flags.DEFINE_string(
    "results", "experiments/results", "Folder for tables and raw numbers."
)
_ONLY = flags.DEFINE_string("only", ".*", "Regular expression of the methods to run.")
_SEEDS = flags.DEFINE_multi_integer("seeds", None, "Run only these seeds of the suite.")
_SHARD = flags.DEFINE_string(
    "shard", "0/1", "i/n runs every n-th run from the i-th on."
)
_SETTINGS = flags.DEFINE_multi_string(
    "set", [], "KEY=VALUE sets a config key for every method; may be repeated."
)


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    command_line.end_with_children()
    extras.require("a benchmark", "evaluate")
    from smile_jax.evaluation.suite_benchmark import SuiteBenchmark

    benchmark = SuiteBenchmark(
        pathlib.Path(find_own(_SUITE.value, folder="experiments/suites")),
        pathlib.Path(_OUT.value),
        pathlib.Path(_RESULTS.value),
        command_line.key_values(_SETTINGS.value),
    )
    benchmark.run(_ONLY.value, _SEEDS.value, _SHARD.value)


if __name__ == "__main__":
    command_line.run(main)
