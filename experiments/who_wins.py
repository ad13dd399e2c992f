"""The README's first table, of raw numbers alone.

    python -m experiments.who_wins

Reads `experiments/results/<suite>.csv` of four suites and puts the table into
README.md: mean over seeds and half of Student's 95 % interval, best first.
"""

import pathlib
from collections.abc import Sequence

import numpy as np

from smile_jax import commands
from smile_jax.evaluation.tables import from_csv, markdown, of_line, said, values_of
from smile_jax.files import replace_text

_README = pathlib.Path("README.md")
_RESULTS = pathlib.Path("experiments/results")
_MEASURED, _LABELS = "landmarks, who is who", "labels of 80 people"
# What a line is called, whose runs, which row of theirs, and what pretraining was told.
_LINES = (
    (
        "**SMILE, captions** measured from the geometry",
        "smile, captions",
        "smile",
        _MEASURED,
    ),
    ("**SMILE, labels as text**", "smile, labels as text", "smile", _LABELS),
    ("supervised cross-entropy", "supervised", "smile", _LABELS),
    ("`siglip`, labels as text", "siglip, labels as text", "smile", _LABELS),
    ("`facet`, labels as text", "facet, labels as text", "smile", _LABELS),
    ("`conclugen` with captions", "conclugen, captions", "smile", _MEASURED),
    ("`multiview`, captions", "multiview, captions", "smile", _MEASURED),
    ("`shu`", "shu", "smile", _MEASURED),
    ("`simclr`", "simclr", "smile", "nothing"),
    ("`vicreg`", "vicreg", "smile", "nothing"),
    ("`conclugen`", "conclugen", "smile", "nothing"),
    ("Barlow Twins of two crops", "two_crop", "smile", "nothing"),
    ("masked autoencoder", "mae", "smile", "nothing"),
    ("SMILE without text", "smile, no text", "smile", "who is who"),
    ("what captions say, as numbers", "smile, captions", "actions", _MEASURED),
    ("pixels, principal components", "smile, captions", "pixels_pca", "nothing"),
    ("untrained tower", "smile, captions", "random_init", "nothing"),
)
_COLUMNS = (
    ("linear probe", "ict_methods", "linear_probe"),
    ("zero-shot", "ict_methods", "zero_shot"),
    ("20 other people: linear probe", "ict_other_people", "linear_probe"),
    ("probe on labels of one person", "ict_methods", "few_people_1"),
    ("sequences: linear probe", "ict_dynamic", "linear_probe"),
    ("single scans before tuning", "ict_untuned", "linear_probe"),
)
_HEADS = ["", "told in pretraining", *(head for head, *_ in _COLUMNS)]
_SEEDS = 3  # where there are fewer, it is said


def main(argv: list[str]) -> None:
    commands.no_words(argv)
    text = _README.read_text()
    start = text.index(markdown(_HEADS, []))
    end = text.index("\n\n", start) + 1
    replace_text(_README, text[:start] + table(_RESULTS) + text[end:])
    print(f"wrote the table into {_README}")


def table(results: pathlib.Path) -> str:
    """Markdown, of a folder of raw numbers."""
    rows = {suite: from_csv(results / f"{suite}.csv") for _, suite, _ in _COLUMNS}
    lines = []
    for name, method, row, told in _LINES:
        cells = [
            values_of(of_line(rows[suite], method, row), (evaluation, "accuracy"))
            for _, suite, evaluation in _COLUMNS
        ]
        if cells[0]:
            mean = float(np.mean(cells[0]))
            lines.append((mean, [name, told, *map(_cell, cells)]))
    best_first = sorted(lines, key=lambda line: -line[0])
    return markdown(_HEADS, [cells for _, cells in best_first])


def _cell(values: Sequence[float]) -> str:
    if len(values) == _SEEDS and np.ptp(values) == 0:  # nothing in it is chance
        return f"{values[0]:.3f}"
    if not values or len(values) == _SEEDS:
        return said(values)
    return f"{said(values)} ({len(values)} of {_SEEDS} seeds)"


if __name__ == "__main__":
    commands.run(main)
