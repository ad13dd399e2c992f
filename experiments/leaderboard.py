"""The page of all suites, of their raw numbers alone.

    python -m experiments.leaderboard

Reads `experiments/results/<suite>.csv` for each `experiments/suites/<suite>.py` and
writes `docs/leaderboard.html`: scores with their intervals, what they cost, and where
suites name references how far these are above the others.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags
from matplotlib.figure import Figure

from smile_jax.core import command_line
from smile_jax.core.files import replace_text
from smile_jax.evaluation.html import image_of, page, sortable_table
from smile_jax.evaluation.suite_definition import Suite, read_suite
from smile_jax.evaluation.tables import (
    comparisons,
    from_csv,
    interval_text,
    line_label,
    rows_of_line,
    values_of,
    without_empty,
)

_RESULTS = flags.DEFINE_string("results", "experiments/results", "Raw numbers.")
_OUT = flags.DEFINE_string("out", "docs/leaderboard.html", "Page to write.")

_FEW = "few_people_"
_COST = ("labels used", "images seen", "PFLOP", "minutes", "hardware", "runs")


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    parts = [
        "<h1>SMILE-JAX: methods side by side</h1>",
        "<p class=note>Mean over seeds and folds, and half of Student's 95 % interval "
        "where there are several runs. A click on a head sorts. Made of the raw "
        "numbers by <code>python -m experiments.leaderboard</code>.</p>",
    ]
    for path in sorted(pathlib.Path(_RESULTS.value).glob("*.csv")):
        source = pathlib.Path("experiments/suites") / f"{path.stem}.py"
        if source.is_file():
            suite, rows = read_suite(source), from_csv(path)
            parts += [f"<h2>{path.stem}</h2>", _table(suite, rows)]
            people = from_csv(path.with_name(f"{path.stem}_people.csv"))
            parts += [sortable_table(*table) for table in comparisons(suite, people)]
            if figure := label_efficiency(suite, rows):
                parts.append(image_of(figure))
    replace_text(pathlib.Path(_OUT.value), page("SMILE-JAX leaderboard", parts))
    print(f"wrote {_OUT.value}")


def label_efficiency(suite: Suite, rows: Sequence[Mapping[str, str]]) -> Figure | None:
    """Draws the suite's first score over the number of labelled people.

    Probes are `few_people_n`, methods are named "what, n"; None for a suite without
    them.
    """
    counts = [int(e.split("_")[-1]) for e, *_ in suite.shown if e.startswith(_FEW)]
    if not counts:
        return None
    first, metric, *_ = suite.shown[0]
    curves: dict[str, dict[int, list[float]]] = {}
    for name, method, row in suite.listed():
        mine = rows_of_line(rows, method, row)
        what, _, count = name.rpartition(", ")
        if count.isdecimal():
            curves.setdefault(what, {})[int(count)] = values_of(mine, (first, metric))
            continue
        probe = curves.setdefault(f"{name}, probe", {})
        for n in counts:
            probe[n] = values_of(mine, (f"{_FEW}{n}", metric))
    figure = Figure(figsize=(7, 3.6))
    axis = figure.add_subplot()
    for name, curve in curves.items():
        there = {n: x for n, x in sorted(curve.items()) if x}
        if there:
            means = [float(np.mean(x)) for x in there.values()]
            axis.plot([*there], means, marker="o", label=name)
    axis.set_xscale("log")
    ticks = sorted({n for curve in curves.values() for n in curve})
    axis.set_xticks(ticks, [str(n) for n in ticks])
    axis.minorticks_off()
    axis.set_xlabel("people whose labels are used")
    axis.set_ylabel(f"{first}: {metric}")
    axis.legend(frameon=False, fontsize=8)
    return figure


def _table(suite: Suite, rows: Sequence[Mapping[str, str]]) -> str:
    heads = ["method", *(", ".join(column) for column in suite.shown), *_COST]
    lines = []
    for name, method, row in suite.listed():
        mine = rows_of_line(rows, method, row)
        if not mine:
            continue
        scores = [interval_text(values_of(mine, column)) for column in suite.shown]
        name = line_label(name, mine)
        lines.append([name, *scores, *_cost(mine, trained=row == "smile")])
    return sortable_table(*without_empty(heads, lines))


def _cost(rows: Sequence[Mapping[str, Any]], *, trained: bool) -> list[str]:
    runs = {(r["seed"], r["fold"]): r for r in rows}
    labels = rows[0]["labels_used"]
    if not trained:
        return [labels, "", "", "", "", str(len(runs))]

    def mean(name: str, unit: float) -> str:
        known = [float(r[name]) for r in runs.values() if r.get(name)]
        return f"{np.mean(known) / unit:.3g}" if known else ""

    hardware = sorted({r.get("hardware") or "" for r in runs.values()})
    return [
        labels,
        f"{np.mean([float(r['images_seen']) for r in runs.values()]):.0f}",
        mean("flops", 1e15),
        mean("seconds", 60),
        ", ".join(filter(None, hardware)),
        str(len(runs)),
    ]


if __name__ == "__main__":
    command_line.run(main)
