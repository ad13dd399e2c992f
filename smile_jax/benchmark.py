"""Runs a suite: `python -m smile_jax.benchmark --suite=experiments/suites/x.py`.

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
import re
import time
from collections.abc import Sequence
from typing import Any

from absl import flags

from smile_jax.core import command_line
from smile_jax.core.extras import needed_for
from smile_jax.core.files import in_turn, replace_text
from smile_jax.core.own_files import find_own

with needed_for("a benchmark", "evaluate"):
    from smile_jax.evaluation.suite_definition import (
        OF_LABELS,
        Suite,
        SuiteError,
        read_suite,
    )
    from smile_jax.evaluation.suite_runs import (
        COLUMNS,
        PEOPLE_COLUMNS,
        Run,
        kept,
        people_of,
        perform,
        place_of,
        rows_of,
        runs_of,
    )
    from smile_jax.evaluation.tables import (
        MEANS,
        comparisons,
        from_csv,
        keep_aside,
        latex,
        left_out,
        markdown,
        means,
        scores,
        to_csv,
    )

_SUITE = flags.DEFINE_string("suite", None, "Python file of the suite.", required=True)
_OUT = flags.DEFINE_string("out", "runs", "Folder of the runs' folders.")
_RESULTS = flags.DEFINE_string(
    "results", "experiments/results", "Folder of tables and raw numbers."
)
_ONLY = flags.DEFINE_string("only", ".*", "Methods to run, a regular expression.")
_SEEDS = flags.DEFINE_multi_integer("seeds", None, "Of the suite's, only these.")
_SHARD = flags.DEFINE_string("shard", "0/1", "i/n: every n-th run from the i-th on.")
_SETTINGS = flags.DEFINE_multi_string(
    "set", [], "KEY=VALUE of the config, for every method; may be repeated."
)


def main(argv: list[str]) -> None:
    command_line.no_words(argv)
    command_line.end_with_children()
    path = pathlib.Path(find_own(_SUITE.value, folder="experiments/suites"))
    suite, name = read_suite(path), path.stem
    runs = _runs(path, suite)
    first, count = _shard(_SHARD.value)
    seeds = suite.seeds if _SEEDS.value is None else _SEEDS.value
    mine = [r for r in runs if re.fullmatch(_ONLY.value, r.method) and r.seed in seeds]
    mine = mine[first::count]
    if not mine:
        raise SuiteError(
            f"no run is left: methods are {', '.join(suite.methods)}; seeds are "
            f"{', '.join(map(str, suite.seeds))}"
        )
    stored = _stored(name, runs, say=True)
    there = {place_of(row) for row in stored}
    open_runs = [run for run in mine if not (run.done() or run.place in there)]
    print(f"{len(mine)} runs, {len(mine) - len(open_runs)} of them done")
    methods = {run.method for run in open_runs}
    if untuned := [m for m in suite.unchosen() if m in methods]:
        print(
            f"nothing was chosen yet for {', '.join(untuned)}: run smile_jax.sweep "
            "first, or these runs are done again when it has chosen"
        )
    failed = []
    started = time.monotonic()
    for number, run in enumerate(open_runs, 1):
        print(f"{number}/{len(open_runs)} {run.workdir}", flush=True)
        try:
            perform(run)
        except SuiteError as error:
            failed.append(str(error))
            print(f"  {error}", flush=True)
        left = (time.monotonic() - started) / number * (len(open_runs) - number)
        print(f"  {left / 60:.0f} minutes left", flush=True)
        _write(path)
    if not open_runs:
        _write(path)
    if failed:
        raise SuiteError("\n".join([f"{len(failed)} runs failed:", *failed]))


def _runs(path: pathlib.Path, suite: Suite) -> list[Run]:
    settings = command_line.key_values(_SETTINGS.value)
    return runs_of(path.stem, suite, pathlib.Path(_OUT.value) / path.stem, settings)


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or int(found[1]) >= int(found[2]):
        raise SuiteError(f"--shard={text}: must be i/n with i from 0 to n - 1")
    return int(found[1]), int(found[2])


def _stored(
    name: str, runs: Sequence[Run], *, people: bool = False, say: bool = False
) -> list[dict[str, Any]]:
    """Rows of runs as they are now that were written before."""
    path = pathlib.Path(_RESULTS.value) / f"{name}{'_people' if people else ''}.csv"
    every = from_csv(path)
    found = kept(every, runs)
    if say and len(found) < len(every):
        gone = sorted({r["method"] for r in every} - {r["method"] for r in found})
        print(
            f"{path}: {len(every) - len(found)} rows are of methods as they were "
            f"({', '.join(gone) or 'some runs'}); they go to {left_out(path).name}"
        )
    return found


def _write(path: pathlib.Path) -> None:
    """Raw numbers and tables of what is done, here or by what is stored."""
    folder = pathlib.Path(_RESULTS.value)
    folder.mkdir(parents=True, exist_ok=True)
    with in_turn(folder):
        suite = read_suite(path)  # a sweep may have chosen something since
        _write_tables(folder, path.stem, suite, _runs(path, suite))


def _write_tables(
    folder: pathlib.Path, name: str, suite: Suite, runs: Sequence[Run]
) -> None:
    """While no other process does."""
    done = [run for run in runs if run.done()]
    here = {run.place for run in done}
    rows, people = (
        [
            row
            for row in _stored(name, runs, people=of_people)
            if place_of(row) not in here
        ]
        for of_people in (False, True)
    )
    rows += [row for run in done for row in rows_of(run)]
    if not rows:
        return
    evaluations = {evaluation for evaluation, *_ in suite.shown} & OF_LABELS
    people += [row for run in done for row in people_of(run, evaluations)]
    order = {run.place: i for i, run in enumerate(runs)}

    for end, found, columns in (
        ("", rows, COLUMNS),
        ("_people", people, PEOPLE_COLUMNS),
    ):
        found.sort(key=lambda row: order[place_of(row)])
        path = folder / f"{name}{end}.csv"
        every = from_csv(path)
        digests = {row["digest"] for row in found}
        gone = [row for row in every if row.get("digest") not in digests]
        keep_aside(path, gone, columns)
        replace_text(path, to_csv(found, columns))
    tables = [scores(suite, rows), *comparisons(suite, people)]
    made = {f: "\n".join(f(*table) for table in tables) for f in (markdown, latex)}
    replace_text(folder / f"{name}.md", made[markdown])
    replace_text(folder / f"{name}.tex", made[latex])
    replace_text(folder / f"{name}_table.csv", to_csv(means(suite, rows), MEANS))
    print(made[markdown])
    count = len({place_of(row) for row in rows})
    print(f"wrote {name}*.csv, .md and .tex into {folder}, of {count} runs")


if __name__ == "__main__":
    command_line.run(main)
