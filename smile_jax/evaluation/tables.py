"""Tables of a suite, of its raw rows alone."""

import csv
import io
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

from smile_jax.core.files import replace_text
from smile_jax.evaluation.significance import Difference, FoldCounts, difference
from smile_jax.evaluation.suite_definition import Suite


def to_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Returns rows as CSV text, one line per row."""
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def from_csv(path: pathlib.Path) -> list[dict[str, str]]:
    """Rows of a file; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def keep_aside(
    path: pathlib.Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> None:
    """Appends outdated rows to the `left_out` file of a results file."""
    if rows:
        every = [*from_csv(left_out(path)), *rows]
        replace_text(left_out(path), to_csv(every, columns))


def left_out(path: pathlib.Path) -> pathlib.Path:
    """Returns the file that outdated rows of a file of raw numbers go to."""
    return path.with_name(f"{path.stem}_left_out.csv")


MEANS = (
    "method", "evaluation", "metric", "condition", "mean", "half_interval", "runs",
)  # fmt: skip


def means(suite: Suite, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the scores that a suite shows, as rows with columns `MEANS`."""
    found = []
    for name, method, row in suite.listed():
        mine = rows_of_line(rows, method, row)
        for column in suite.shown:
            if not (values := values_of(mine, column)):
                continue
            evaluation, metric, *condition = column
            mean, half = interval(values)
            found.append(
                {
                    "method": line_label(name, mine),
                    "evaluation": evaluation,
                    "metric": metric,
                    "condition": condition[0] if condition else "",
                    "mean": f"{mean:.4f}",
                    "half_interval": f"{half:.4f}" if len(values) > 1 else "",
                    "runs": len(values),
                }
            )
    return found


def scores(
    suite: Suite, rows: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[list[str]]]:
    """Returns the heads and lines of the table that a suite shows.

    Mean over seeds and folds, with half of Student's 95 per cent interval if there are
    several.
    """
    heads = ["method", *(": ".join(column) for column in suite.shown), "runs"]
    lines = []
    for name, method, row in suite.listed():
        mine = rows_of_line(rows, method, row)
        found = [values_of(mine, column) for column in suite.shown]
        count = max(map(len, found))
        if count:
            lines.append(
                [line_label(name, mine), *map(interval_text, found), str(count)]
            )
    return without_empty(heads, lines)


def rows_of_line(
    rows: Sequence[Mapping[str, Any]], method: str, row: str
) -> list[Mapping[str, Any]]:
    """Returns the raw rows behind one line of a table."""
    return [r for r in rows if (r["method"], r["row"]) == (method, row)]


def without_empty(
    heads: Sequence[str], lines: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """Returns a table without its empty columns."""
    full = [i for i, _ in enumerate(heads) if any(line[i] for line in lines)]
    return [heads[i] for i in full], [[line[i] for i in full] for line in lines]


def line_label(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns a line's name, and a note if pretraining saw the test people."""
    transductive = any(str(r.get("transductive")) == "True" for r in rows)
    return f"{name} (transductive)" if transductive else name


def values_of(rows: Sequence[Mapping[str, Any]], column: Sequence[str]) -> list[float]:
    """Values of an evaluation's metric, in one of its conditions or without any."""
    evaluation, metric, *condition = column
    wanted = evaluation, metric, condition[0] if condition else ""
    return [
        float(r["value"])
        for r in rows
        if (r["evaluation"], r["metric"], r.get("condition") or "") == wanted
    ]


# Of a method: right answers and clips by (seed, fold, person).
_Counts = Mapping[tuple[str, str, str], np.ndarray]


def comparisons(
    suite: Suite, people: Sequence[Mapping[str, Any]]
) -> list[tuple[list[str], list[list[str]]]]:
    """Compares each reference of a suite with each other line of its table of scores.

    Args:
      suite: names the references; the first evaluation that it shows is compared.
      people: raw rows of right answers by person.

    Returns:
      Heads and lines of a table for each reference: the difference, its 95 per cent
      interval, and p after Holm for all comparisons with that reference; intervals are
      not corrected, and without several runs or folds there is no p.
    """
    evaluation = suite.shown[0][0]
    counts: dict[tuple[str, str], dict[tuple[str, str, str], np.ndarray]] = {}
    for r in people:
        if r["evaluation"] == evaluation:
            own = counts.setdefault((r["method"], r["row"]), {})
            place = str(r["seed"]), str(r["fold"]), r["subject"]
            own[place] = np.array([float(r["right"]), float(r["clips"])])
    made = (_comparison(suite, counts, name) for name in suite.references)
    return [(heads, lines) for heads, lines in made if lines]


def _comparison(
    suite: Suite, counts: Mapping[tuple[str, str], _Counts], reference: str
) -> tuple[list[str], list[list[str]]]:
    """Compares one reference, by the counts of each (method, row)."""
    ours = counts.get((reference, "smile"), {})
    found: list[tuple[str, Difference, str]] = []
    for name, method, row in suite.listed():
        theirs = counts.get((method, row), {})
        if (method, row) == (reference, "smile"):
            continue
        if folds := _shared_folds(ours, theirs):
            runs = ", ".join(str(_runs(x, folds)) for x in (ours, theirs))
            found.append((name, difference(list(folds.values())), runs))
    tested = {name: d.p for name, d, _ in found if d.p is not None}
    adjusted: dict[str, float] = {}
    if tested:
        corrected = multipletests(list(tested.values()), method="holm")[1]
        adjusted = dict(zip(tested, corrected, strict=True))
    lines = []
    for name, d, runs in found:
        p = f"{adjusted[name]:.2g}" if name in adjusted else ""
        reach = f"{d.low:+.3f} to {d.high:+.3f}"
        lines.append([name, f"{d.mean:+.3f}", reach, p, runs])
    heads = [
        f"{reference}, {suite.shown[0][0]}, above", "by", "95 % interval", "p (Holm)",
        "runs of each",
    ]  # fmt: skip
    return heads, lines


def _shared_folds(ours: _Counts, theirs: _Counts) -> dict[str, FoldCounts]:
    """Returns the counts of two methods in the folds that both have runs of.

    They cover the people who were tested in all of these runs.
    """
    found = {}
    for fold in sorted({f for _, f, _ in ours} & {f for _, f, _ in theirs}):
        of_runs = [_by_run(counts, fold) for counts in (ours, theirs)]
        every = [run for runs in of_runs for run in runs]
        people = sorted(set.intersection(*(set(run) for run in every)))
        # Of a person of whom a run answered fewer clips, the others are not known.
        people = [x for x in people if len({run[x][1] for run in every}) == 1]
        if people:
            right = [
                np.array([[run[name][0] for name in people] for run in runs])
                for runs in of_runs
            ]
            clips = np.array([every[0][name][1] for name in people])
            found[fold] = FoldCounts(right[0], right[1], clips)
    return found


def _by_run(counts: _Counts, fold: str) -> list[dict[str, np.ndarray]]:
    """Counts by person of each run of a fold, by seed."""
    runs: dict[str, dict[str, np.ndarray]] = {}
    for (seed, of, subject), count in counts.items():
        if of == fold:
            runs.setdefault(seed, {})[subject] = count
    return [runs[seed] for seed in sorted(runs)]


def _runs(counts: _Counts, folds: Mapping[str, FoldCounts]) -> int:
    """Counts a method's runs in some folds."""
    return len({(seed, fold) for seed, fold, _ in counts if fold in folds})


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    every = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in every) + "\n"


def latex(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Writes a table in LaTeX, with the rules of booktabs."""

    def line(cells: Sequence[str]) -> str:
        words = [c.replace("_", r"\_").replace("%", r"\%") for c in cells]
        return " & ".join(w.replace("±", r"$\pm$") for w in words) + r" \\"

    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
            r"\toprule",
            line(heads),
            r"\midrule",
            *map(line, lines),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def interval_text(values: Sequence[float]) -> str:
    """Returns a mean and its interval as text."""
    if not values:
        return ""
    mean, half = interval(values)
    return f"{mean:.3f} ± {half:.3f}" if len(values) > 1 else f"{mean:.3f}"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half of Student's 95 per cent interval about it; NaN for one value."""
    if len(values) == 1:
        return values[0], math.nan
    deviation = float(np.std(values, ddof=1))
    reach = float(stats.t.ppf(0.975, len(values) - 1))
    return float(np.mean(values)), reach * deviation / math.sqrt(len(values))
