"""Runs the trials of a suite's sweep, and writes what they choose."""

import json
import pathlib
import re
from collections.abc import Mapping

from smile_jax.core.files import folder_lock, replace_text
from smile_jax.evaluation import suite_trials
from smile_jax.evaluation.suite_definition import SuiteError, choices_beside, read_suite
from smile_jax.evaluation.suite_runs import Run
from smile_jax.evaluation.tables import from_csv, keep_aside, to_csv


def run_sweep(
    path: pathlib.Path,
    out: pathlib.Path,
    results: pathlib.Path,
    only: str,
    machine: Mapping[str, str],
) -> None:
    """Runs the trials that are not done yet, and writes scores and choices.

    Args:
      path: file of the suite; the choices are written beside it.
      out: folder of the trials' folders.
      results: folder of the trials' scores.
      only: regular expression that a method's whole name matches.
      machine: keys of the config, set for every trial.

    Raises:
      SuiteError: the suite has no sweep, or no method is left.
    """
    suite, name = read_suite(path), path.stem
    if suite.sweep is None:
        raise SuiteError(f"{path}: this suite has no sweep")
    methods = [m for m in suite.sweep.keys if re.fullmatch(only, m)]
    if not methods:
        raise SuiteError(f"no method is left of {', '.join(suite.sweep.keys)}")
    results.mkdir(parents=True, exist_ok=True)
    scores = results / f"{name}_trials.csv"
    before = from_csv(scores)  # a sweep of more values has them in another order

    def row_of(run: Run) -> suite_trials.Row:
        stored = {row["digest"]: row for row in [*before, *from_csv(scores)]}
        row = stored.get(run.digest) or suite_trials.run_trial(run, suite)
        print(f"{run.method}, {row['value']}: {run.settings}", flush=True)
        return dict(row)

    for method in methods:
        for fold in suite.folds:
            tried = []
            for settings, row in suite_trials.trials(
                name, suite, method, fold, out / f"{name}_sweep", machine, row_of
            ):
                tried.append((settings, row))
                place = suite_trials.place_of(row)
                with folder_lock(results):
                    others = [
                        r for r in from_csv(scores) if suite_trials.place_of(r) != place
                    ]
                    rows = suite_trials.in_order(suite, [*others, row])
                    replace_text(scores, to_csv(rows, suite_trials.COLUMNS))
                    replace_text(scores.with_suffix(".md"), suite_trials.table(rows))
            best, row = max(tried, key=lambda pair: float(pair[1]["value"]))
            print(f"{method}, fold {fold}: {row['value']} by {best}", flush=True)
            beside = choices_beside(path)
            with folder_lock(beside.parent):
                choices = json.loads(beside.read_text()) if beside.exists() else {}
                choices.setdefault(method, {})[str(fold)] = best
                replace_text(beside, json.dumps(choices, indent=2) + "\n")
    with folder_lock(results):  # what is no trial any more is kept aside
        there = {row["digest"] for row in from_csv(scores)}
        gone = [row for row in before if row["digest"] not in there]
        keep_aside(scores, gone, suite_trials.COLUMNS)
