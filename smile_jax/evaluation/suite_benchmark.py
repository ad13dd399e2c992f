"""Runs a suite's methods and seeds, and writes its tables."""

import dataclasses
import pathlib
import re
import time
from collections.abc import Sequence
from typing import Any

from smile_jax.core.files import folder_lock, replace_text
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
    current_rows,
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


@dataclasses.dataclass(frozen=True)
class SuiteBenchmark:
    """A suite with its folders on this machine.

    Attributes:
      path: file of the suite.
      out: folder of the runs' folders.
      results: folder of tables and raw numbers.
      machine: keys of the config, set for every method, that differ from machine to
        machine.
    """

    path: pathlib.Path
    out: pathlib.Path
    results: pathlib.Path
    machine: dict[str, str]

    def run(self, only: str, seeds: Sequence[int] | None, shard: str) -> None:
        """Trains and evaluates what is not done yet, and writes the tables.

        Args:
          only: regular expression that a method's whole name matches.
          seeds: of the suite's, None for all of them.
          shard: "i/n", every n-th run from the i-th on.

        Raises:
          SuiteError: no run is left, or some failed.
        """
        suite, name = read_suite(self.path), self.path.stem
        runs = self._runs(suite)
        first, count = _shard(shard)
        chosen = suite.seeds if seeds is None else seeds
        mine = [r for r in runs if re.fullmatch(only, r.method) and r.seed in chosen]
        mine = mine[first::count]
        if not mine:
            raise SuiteError(
                f"no run is left: methods are {', '.join(suite.methods)}; seeds are "
                f"{', '.join(map(str, suite.seeds))}"
            )
        stored = self._stored(name, runs, say=True)
        there = {place_of(row) for row in stored}
        open_runs = [run for run in mine if not (run.done() or run.place in there)]
        print(f"{len(mine)} runs, {len(mine) - len(open_runs)} of them done")
        methods = {run.method for run in open_runs}
        if untuned := [m for m in suite.unchosen() if m in methods]:
            print(
                f"nothing was chosen yet for {', '.join(untuned)}: run smile-jax sweep "
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
            self._write()
        if not open_runs:
            self._write()
        if failed:
            raise SuiteError("\n".join([f"{len(failed)} runs failed:", *failed]))

    def _runs(self, suite: Suite) -> list[Run]:
        name = self.path.stem
        return runs_of(name, suite, self.out / name, self.machine)

    def _stored(
        self, name: str, runs: Sequence[Run], *, people: bool = False, say: bool = False
    ) -> list[dict[str, Any]]:
        """Rows of runs as they are now that were written before."""
        path = self.results / f"{name}{'_people' if people else ''}.csv"
        every = from_csv(path)
        found = current_rows(every, runs)
        if say and len(found) < len(every):
            gone = sorted({r["method"] for r in every} - {r["method"] for r in found})
            print(
                f"{path}: {len(every) - len(found)} rows are of methods as they were "
                f"({', '.join(gone) or 'some runs'}); they go to {left_out(path).name}"
            )
        return found

    def _write(self) -> None:
        """Raw numbers and tables of what is done, here or by what is stored."""
        folder = self.results
        folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(folder):
            suite = read_suite(self.path)  # a sweep may have chosen something since
            self._write_tables(folder, self.path.stem, suite, self._runs(suite))

    def _write_tables(
        self, folder: pathlib.Path, name: str, suite: Suite, runs: Sequence[Run]
    ) -> None:
        """Writes the tables; the caller keeps other processes out."""
        done = [run for run in runs if run.done()]
        here = {run.place for run in done}
        rows, people = (
            [
                row
                for row in self._stored(name, runs, people=of_people)
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


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or int(found[1]) >= int(found[2]):
        raise SuiteError(f"--shard={text}: must be i/n with i from 0 to n - 1")
    return int(found[1]), int(found[2])
