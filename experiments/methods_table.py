"""Makes the tables of methods from raw numbers alone.

    python -m experiments.methods_table

Reads `ict_methods.csv` and `demo.csv` of experiments/results and writes the short table
into README.md and the full one into experiments/results.md: mean over seeds with half
of Student's 95 % interval, best linear probe first; last the demo, on other faces.
"""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from smile_jax.core import command_line
from smile_jax.core.files import replace_text
from smile_jax.evaluation.tables import (
    from_csv,
    interval_text,
    markdown,
    rows_of_line,
    values_of,
)

_RESULTS = pathlib.Path("experiments/results")
_MEASURED, _LABELS = "landmarks, identities", "labels of 80 people"
# Name in the table, method, its row in the evaluation, what pretraining was told.
_LINES = (
    ("**SMILE, labels as text**", "smile, labels as text", "smile", _LABELS),
    ("**SMILE, captions**", "smile, captions", "smile", _MEASURED),
    ("supervised cross-entropy", "supervised", "smile", _LABELS),
    ("FACET-VLM, labels as text", "facet, labels as text", "smile", _LABELS),
    ("MultiviewVLM, captions", "multiview, captions", "smile", _MEASURED),
    ("ConCluGen, captions", "conclugen, captions", "smile", _MEASURED),
    ("Shu et al.", "shu", "smile", _MEASURED),
    ("SimCLR", "simclr", "smile", "none"),
    ("pixels, principal components", "smile, captions", "pixels_pca", "none"),
    ("untrained tower", "smile, captions", "random_init", "none"),
)
_DEMO = "the demo: MakeHuman's heads, SMILE, captions"
_COLUMNS = {
    "linear probe": "linear_probe",
    "linear probe, labels of one person": "few_people_1",
    "10-NN": "knn",
    "zero-shot": "zero_shot",
}
_SHORT = ("linear probe", "zero-shot")
_SEEDS = 3  # where there are fewer, it is said
# The columns of each document's table.
TABLES = {"README.md": _SHORT, "experiments/results.md": tuple(_COLUMNS)}


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    for name, columns in TABLES.items():
        path = pathlib.Path(name)
        text = path.read_text()
        start = text.index(markdown(_heads(columns), []))
        end = text.index("\n\n", start) + 1
        replace_text(path, text[:start] + table(_RESULTS, columns) + text[end:])
        print(f"wrote the table into {path}")


def table(results: pathlib.Path, columns: Sequence[str]) -> str:
    """Returns a table in Markdown, of a folder of raw numbers."""
    lines = []
    rows = from_csv(results / "ict_methods.csv")
    for name, method, row, told in _LINES:
        cells = _scores(rows_of_line(rows, method, row), columns)
        if cells[0]:
            shown = [_cell(values, _SEEDS) for values in cells]
            lines.append((float(np.mean(cells[0])), [name, told, *shown]))
    best_first = [line for _, line in sorted(lines, key=lambda line: -line[0])]
    demo = _scores(
        rows_of_line(from_csv(results / "demo.csv"), "demo", "smile"), columns
    )
    if demo[0]:
        best_first.append([_DEMO, _MEASURED, *(_cell(values, 1) for values in demo)])
    return markdown(_heads(columns), best_first)


def _heads(columns: Sequence[str]) -> list[str]:
    return ["method", "supervision in pretraining", *columns]


def _scores(
    rows: Sequence[Mapping[str, str]], columns: Sequence[str]
) -> list[list[float]]:
    """Returns the accuracies in each column, one for each seed."""
    return [values_of(rows, (_COLUMNS[c], "accuracy")) for c in columns]


def _cell(values: Sequence[float], seeds: int) -> str:
    """Returns mean and interval, and how many seeds there are if not all."""
    if len(values) == seeds and np.ptp(values) == 0:  # nothing in it is chance
        return f"{values[0]:.3f}"
    if not values or len(values) == seeds:
        return interval_text(values)
    return f"{interval_text(values)} ({len(values)} of {seeds} seeds)"


if __name__ == "__main__":
    command_line.run(main)
