"""Chooses settings: `python -m smile_jax.sweep --suite=experiments/suites/x.py`.

Every method of the suite's sweep has as many trials, on training people alone: a fold
of them is held out and scored, beside the test people, whom no trial looks at. The best
values are written beside the suite (`x_chosen.json`), where `smile_jax.benchmark` finds
them, and every trial into `RESULTS/x_trials.csv` and, as a table, `x_trials.md`. Trials
that stand there, or whose folder is done, are not done again; those that are no trials
any more go to `RESULTS/x_trials_left_out.csv`. Other flags: see `smile_jax.benchmark`.
"""

import json
import pathlib
import re

from absl import flags

from smile_jax.core import command_line
from smile_jax.core.extras import needed_for
from smile_jax.core.files import in_turn, replace_text
from smile_jax.core.own_files import find_own

with needed_for("a sweep", "evaluate"):
    from smile_jax.evaluation import suite_trials
    from smile_jax.evaluation.suite_definition import (
        SuiteError,
        choices_beside,
        read_suite,
    )
    from smile_jax.evaluation.suite_runs import Run
    from smile_jax.evaluation.tables import from_csv, keep_aside, to_csv

_SUITE = flags.DEFINE_string("suite", None, "Python file of the suite.", required=True)
_OUT = flags.DEFINE_string("out", "runs", "Folder of the trials' folders.")
_RESULTS = flags.DEFINE_string(
    "results", "experiments/results", "Folder of the trials' scores."
)
_ONLY = flags.DEFINE_string("only", ".*", "Methods to try, a regular expression.")
_SETTINGS = flags.DEFINE_multi_string(
    "set", [], "KEY=VALUE of the config, for every trial; may be repeated."
)


def main(argv: list[str]) -> None:
    command_line.no_words(argv)
    command_line.end_with_children()
    path = pathlib.Path(find_own(_SUITE.value, folder="experiments/suites"))
    suite, name = read_suite(path), path.stem
    if suite.sweep is None:
        raise SuiteError(f"{path}: this suite has no sweep")
    methods = [m for m in suite.sweep.keys if re.fullmatch(_ONLY.value, m)]
    if not methods:
        raise SuiteError(f"no method is left of {', '.join(suite.sweep.keys)}")
    machine = command_line.key_values(_SETTINGS.value)
    results = pathlib.Path(_RESULTS.value)
    results.mkdir(parents=True, exist_ok=True)
    scores = results / f"{name}_trials.csv"
    out = pathlib.Path(_OUT.value) / f"{name}_sweep"
    before = from_csv(scores)  # a sweep of more values has them in another order

    def row_of(run: Run) -> suite_trials.Row:
        stored = {row["digest"]: row for row in [*before, *from_csv(scores)]}
        row = stored.get(run.digest) or suite_trials.done(run, suite)
        print(f"{run.method}, {row['value']}: {run.settings}", flush=True)
        return dict(row)

    for method in methods:
        for fold in suite.folds:
            tried = []
            for settings, row in suite_trials.trials(
                name, suite, method, fold, out, machine, row_of
            ):
                tried.append((settings, row))
                place = suite_trials.place_of(row)
                with in_turn(results):
                    others = [
                        r for r in from_csv(scores) if suite_trials.place_of(r) != place
                    ]
                    rows = suite_trials.in_order(suite, [*others, row])
                    replace_text(scores, to_csv(rows, suite_trials.COLUMNS))
                    replace_text(scores.with_suffix(".md"), suite_trials.table(rows))
            best, row = max(tried, key=lambda pair: float(pair[1]["value"]))
            print(f"{method}, fold {fold}: {row['value']} by {best}", flush=True)
            beside = choices_beside(path)
            with in_turn(beside.parent):
                choices = json.loads(beside.read_text()) if beside.exists() else {}
                choices.setdefault(method, {})[str(fold)] = best
                replace_text(beside, json.dumps(choices, indent=2) + "\n")
    with in_turn(results):  # what is no trial any more is kept aside
        there = {row["digest"] for row in from_csv(scores)}
        gone = [row for row in before if row["digest"] not in there]
        keep_aside(scores, gone, suite_trials.COLUMNS)


if __name__ == "__main__":
    command_line.run(main)
