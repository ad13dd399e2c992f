"""Chooses the settings of a suite's methods on training people.

    smile-jax sweep --suite=SUITE

Every method of the suite's sweep has as many trials, on training people alone: a fold
of them is held out and scored, beside the test people, whom no trial looks at. The best
values are written beside the suite (`x_chosen.json`), where `smile-jax benchmark` finds
them, and every trial into `RESULTS/x_trials.csv` and, as a table, `x_trials.md`. Trials
that stand there, or whose folder is done, are not done again; those that are no trials
any more go to `RESULTS/x_trials_left_out.csv`. Other flags: see `smile-jax benchmark`.
"""

import pathlib

from absl import flags

from smile_jax.core import command_line, extras
from smile_jax.core.own_files import find_own

_SUITE = flags.DEFINE_string(
    "suite", None, "Suite: a Python file, or its name.", required=True
)
_OUT = flags.DEFINE_string("out", "runs", "Folder for the folders of all trials.")
_RESULTS = flags.DEFINE_string(
    "results", "experiments/results", "Folder for the scores of the trials."
)
_ONLY = flags.DEFINE_string("only", ".*", "Regular expression of the methods to try.")
_SETTINGS = flags.DEFINE_multi_string(
    "set", [], "KEY=VALUE sets a config key for every trial; may be repeated."
)


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    command_line.end_with_children()
    extras.require("a sweep", "evaluate")
    from smile_jax.evaluation.suite_sweep import run_sweep

    suite = pathlib.Path(find_own(_SUITE.value, folder="experiments/suites"))
    if pathlib.Path(__file__).parent in suite.resolve().parents:
        raise ValueError(
            f"--suite={_SUITE.value}: its choices are written beside it, and this one "
            "is part of the installation; copy the file, or work in a checkout"
        )
    run_sweep(
        suite,
        pathlib.Path(_OUT.value),
        pathlib.Path(_RESULTS.value),
        _ONLY.value,
        command_line.key_values(_SETTINGS.value),
    )


if __name__ == "__main__":
    command_line.run(main)
