"""The README's table of methods, made of raw numbers alone.

    python -m experiments.methods_table

Reads `experiments/results/ict_methods.csv` and puts the table into README.md: mean over
seeds and half of Student's 95 % interval, best linear probe first.
"""

import pathlib
from collections.abc import Sequence

import numpy as np

from smile_jax import commands
from smile_jax.evaluation.tables import from_csv, markdown, of_line, said, values_of
from smile_jax.files import replace_text

_README = pathlib.Path("README.md")
_ROWS = pathlib.Path("experiments/results/ict_methods.csv")
_MEASURED, _LABELS = "landmarks, who is who", "labels of 80 people"
# Name in the table, method, its row in the evaluation, what pretraining was told.
_LINES = (
    ("**SMILE, labels as text**", "smile, labels as text", "smile", _LABELS),
    ("**SMILE, captions**", "smile, captions", "smile", _MEASURED),
    ("supervised cross-entropy", "supervised", "smile", _LABELS),
    ("FACET-VLM, labels as text", "facet, labels as text", "smile", _LABELS),
    ("MultiviewVLM, captions", "multiview, captions", "smile", _MEASURED),
    ("ConCluGen, captions", "conclugen, captions", "smile", _MEASURED),
    ("Shu et al.", "shu", "smile", _MEASURED),
    ("SimCLR", "simclr", "smile", "nothing"),
    ("pixels, principal components", "smile, captions", "pixels_pca", "nothing"),
    ("untrained tower", "smile, captions", "random_init", "nothing"),
)
_COLUMNS = (
    ("linear probe", "linear_probe"),
    ("the same, labels of one person", "few_people_1"),
    ("10-NN", "knn"),
    ("zero-shot", "zero_shot"),
)
_HEADS = ["", "told in pretraining", *(head for head, _ in _COLUMNS)]
_SEEDS = 3  # where there are fewer, it is said


def main(argv: list[str]) -> None:
    commands.no_words(argv)
    text = _README.read_text()
    start = text.index(markdown(_HEADS, []))
    end = text.index("\n\n", start) + 1
    replace_text(_README, text[:start] + table(_ROWS) + text[end:])
    print(f"wrote the table into {_README}")


def table(raw: pathlib.Path) -> str:
    """Returns the table in Markdown.

    Args:
      raw: file of raw numbers of the suite.
    """
    rows, lines = from_csv(raw), []
    for name, method, row, told in _LINES:
        mine = of_line(rows, method, row)
        cells = [values_of(mine, (e, "accuracy")) for _, e in _COLUMNS]
        if cells[0]:
            mean = float(np.mean(cells[0]))
            lines.append((mean, [name, told, *map(_cell, cells)]))
    best_first = sorted(lines, key=lambda line: -line[0])
    return markdown(_HEADS, [cells for _, cells in best_first])


def _cell(values: Sequence[float]) -> str:
    """Mean and interval; how many seeds there are, if not all."""
    if len(values) == _SEEDS and np.ptp(values) == 0:  # nothing in it is chance
        return f"{values[0]:.3f}"
    if not values or len(values) == _SEEDS:
        return said(values)
    return f"{said(values)} ({len(values)} of {_SEEDS} seeds)"


if __name__ == "__main__":
    commands.run(main)
