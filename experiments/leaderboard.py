"""The page of all suites, of their raw numbers alone.

    python -m experiments.leaderboard

Reads `experiments/results/<suite>.csv` for each `experiments/suites/<suite>.py` and
writes `docs/leaderboard.html`: scores with their intervals, and what they cost.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from smile_jax import commands
from smile_jax.evaluation.page import page, sortable
from smile_jax.evaluation.suite import Suite, read_suite
from smile_jax.evaluation.tables import from_csv, said, values_of
from smile_jax.files import replace_text

_RESULTS = flags.DEFINE_string("results", "experiments/results", "Raw numbers.")
_OUT = flags.DEFINE_string("out", "docs/leaderboard.html", "Page to write.")

_COST = ("labels used", "images seen", "PFLOP", "minutes", "hardware", "runs")


def main(argv: list[str]) -> None:
    commands.no_words(argv)
    parts = [
        "<h1>SMILE-JAX: methods side by side</h1>",
        "<p class=note>Mean over seeds and folds, and half of Student's 95 % interval "
        "where there are several runs. A click on a head sorts. Made of the raw "
        "numbers by <code>python -m experiments.leaderboard</code>.</p>",
    ]
    for path in sorted(pathlib.Path(_RESULTS.value).glob("*.csv")):
        source = pathlib.Path("experiments/suites") / f"{path.stem}.py"
        if source.is_file():
            table = _table(read_suite(source), from_csv(path))
            parts += [f"<h2>{path.stem}</h2>", table]
    replace_text(pathlib.Path(_OUT.value), page("SMILE-JAX leaderboard", parts))
    print(f"wrote {_OUT.value}")


def _table(suite: Suite, rows: Sequence[Mapping[str, str]]) -> str:
    heads = ["method", *(", ".join(column) for column in suite.shown), *_COST]
    lines = []
    for name, method, row in suite.listed():
        mine = [r for r in rows if (r["method"], r["row"]) == (method, row)]
        if not mine:
            continue
        scores = [said(values_of(mine, column)) for column in suite.shown]
        lines.append([name, *scores, *_cost(mine, trained=row == "smile")])
    return sortable(heads, lines)


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
    commands.run(main)
