"""The sweep of a suite: tunes each method on training people.

A trial is a run that holds out a fold of training people beside the test people, and is
evaluated on it (`--protocol=validation`); no test person's picture is looked at.
"""

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from smile_jax.config import to_config
from smile_jax.evaluation.suite_definition import Suite, SuiteError, function
from smile_jax.evaluation.suite_runs import Run, folder_name, perform, rows_of
from smile_jax.evaluation.tables import markdown, values_of

COLUMNS = (
    "suite", "method", "seed", "fold", "trial", "settings", "evaluation", "metric",
    "value", "images_seen", "seconds", "flops", "hardware", "commit", "digest",
)  # fmt: skip

Row = dict[str, Any]  # of a trial, by those names


def trials(
    name: str,
    suite: Suite,
    method: str,
    fold: int,
    out: pathlib.Path,
    machine: Mapping[str, Any],
    row_of: Callable[[Run], Row],
) -> Iterator[tuple[dict[str, Any], Row]]:
    """Settings and row of each trial of a method.

    A key of the sweep after another is tried, with the best of those before it.

    Args:
      name: of the suite.
      suite: with a sweep.
      method: of it.
      fold: that is tested on later.
      out: folder whose folders the trials are.
      machine: keys of the config that this machine wants.
      row_of: does a trial, or has done it.
    """
    sweep = suite.sweep
    if sweep is None:
        raise SuiteError(f"{name}: this suite has no sweep")
    if method in suite.starts:
        raise SuiteError(
            f"{method!r} starts from another run: nothing is chosen for it"
        )
    keys = sweep.keys[method]
    best = {key: values[0] for key, values in keys.items()}
    settings = {**suite.methods[method], **sweep.settings}
    config = settings.pop("config", suite.config)
    folds = settings.get("data.folds") or _folds(config)
    settings |= {
        "seed": sweep.seed,
        "data.fold": fold,
        "data.validation_fold": (fold + 1) % folds,
    }
    rows: dict[str, Row] = {}
    for key, values in keys.items():
        tried = [{**best, key: value} for value in values]
        for candidate in tried:
            told = json.dumps(candidate)
            if told in rows:
                continue
            run = Run(
                name, method, sweep.seed, fold, config, {**settings, **candidate},
                out, machine, protocol="validation", alone=True,
                only=(suite.shown[0][0],),
            )  # fmt: skip
            # By what it is: the next sweep may try it in another place.
            where = out / f"{folder_name(method, fold)}_{run.training_digest}"
            run = dataclasses.replace(run, workdir=where)
            place = {"method": method, "fold": fold, "trial": len(rows)}
            rows[told] = row_of(run) | place | {"settings": told}
            yield candidate, rows[told]
        # The first of equals: values that stand first are the usual ones.
        best = max(tried, key=lambda one: float(rows[json.dumps(one)]["value"]))


def place_of(row: Mapping[str, Any]) -> tuple[str, int, int]:
    """Method, fold and number of a trial."""
    return row["method"], int(row["fold"]), int(row["trial"])


def in_order(suite: Suite, rows: Sequence[Row]) -> list[Row]:
    """Sorts rows of trials as the suite orders its methods.

    Rows of other methods, or of more trials than there are, are left out.
    """
    assert suite.sweep is not None
    order = list(suite.sweep.keys)
    known = [
        row
        for row in rows
        if row["method"] in order
        and place_of(row)[2] < suite.sweep.trials(row["method"])
    ]
    return sorted(known, key=lambda r: (order.index(r["method"]), *place_of(r)[1:]))


def table(rows: Sequence[Row]) -> str:
    """Trials, in order; the best of each method and fold in bold."""
    lines = []
    for _, own in itertools.groupby(rows, key=lambda row: place_of(row)[:2]):
        trials = list(own)
        best = max(trials, key=lambda row: float(row["value"]))
        for row in trials:
            keys = json.loads(row["settings"])
            value = f"{float(row['value']):.3f}"
            lines.append(
                [
                    row["method"],
                    str(row["fold"]),
                    ", ".join(f"{key}={x}" for key, x in keys.items()),
                    f"**{value}**" if row is best else value,
                ]
            )
    shown = f"{rows[0]['evaluation']}: {rows[0]['metric']}"
    return markdown(["method", "fold", "settings", shown], lines)


def _folds(config: str) -> int:
    return to_config(function(pathlib.Path(config), "get_config")()).data.folds


def run_trial(run: Run, suite: Suite) -> Row:
    """Trains and scores a trial if needed, and returns its row."""
    if not run.done():
        perform(run)
    rows = list(rows_of(run))
    evaluation, metric, *_ = suite.shown[0]
    (value,) = values_of(rows, (evaluation, metric))
    row = {k: v for k, v in rows[0].items() if k in COLUMNS}
    return row | {"evaluation": evaluation, "metric": metric, "value": value}
