"""Runs that differ in their seed alone, as one row a method: mean and interval.

    for seed in 0 1 2; do
        smile-jax train --config=experiments/ict_dynamic.py \
            --config.seed=$seed --workdir=runs/ict_dynamic_$seed
        smile-jax evaluate --workdir=runs/ict_dynamic_$seed
    done
    python -m experiments.seeds runs/ict_dynamic_0 runs/ict_dynamic_1 runs/ict_dynamic_2

The interval is Student's, of 95 per cent about the mean: what another seed does to
training, on the same test people. Other people would move scores more.
"""

import argparse
import json
import pathlib
from collections.abc import Sequence

import numpy as np

from smile_jax.evaluation.tables import interval_text

SCORES = ("linear_probe", "linear_probe_centred", "knn", "zero_shot", "who")

Scores = dict[str, dict[str, float]]  # of each method, by the score's name


def main() -> None:
    """Runs the experiment."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=pathlib.Path, help="folders of runs")
    parser.add_argument(
        "--scores", nargs="+", default=SCORES,
        help="columns, by their names in results.json; 'all' for every one",
    )  # fmt: skip
    arguments = parser.parse_args()
    if len(arguments.runs) < 2:
        parser.error("name the folders of two runs or more")
    try:
        names = None if arguments.scores == ["all"] else arguments.scores
        print(table(arguments.runs, names))
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None


def table(runs: Sequence[pathlib.Path], names: Sequence[str] | None = None) -> str:
    """Markdown: mean and half of the interval over runs, a row for each method.

    Args:
      runs: folders of evaluated runs.
      names: of scores; None for all of them.

    Raises:
      ValueError: a run was not evaluated, or they differ in more than their seed.
    """
    settings = [_settings(run) for run in runs]
    seeds = [of_run.pop("seed") for of_run in settings]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds {', '.join(seeds)}: two runs of one seed are one run")
    for run, of_run in zip(runs[1:], settings[1:], strict=True):
        other = [key for key, value in of_run.items() if settings[0][key] != value]
        if other:
            raise ValueError(
                f"{run} and {runs[0]} differ in {', '.join(other)}: not one experiment"
            )
    scores = [_scores(run) for run in runs]
    if names is None:
        names = list(dict.fromkeys(name for s in scores[0].values() for name in s))
    rows = [["method", *names], ["---"] * (len(names) + 1)]
    for method in scores[0]:
        cells = [_cell([of_run[method].get(name) for of_run in scores])
                 for name in names]  # fmt: skip
        rows.append([method, *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(values: list[float | None]) -> str:
    there = [value for value in values if value is not None]
    if len(there) < len(values):
        return ""
    return interval_text(there)


def _settings(run: pathlib.Path) -> dict[str, str]:
    """Returns each key of the run's config as text."""
    flat: dict[str, str] = {}

    def walk(values: dict, prefix: str) -> None:
        for key, value in values.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")
            else:
                flat[prefix + key] = json.dumps(value)

    walk(json.loads((run / "config.json").read_text()), "")
    return flat


def _scores(run: pathlib.Path) -> Scores:
    path = run / "eval/results.json"
    if not path.exists():
        raise ValueError(f"no {path}: run smile-jax evaluate --workdir={run} first")
    found: Scores = {}
    for row in json.loads(path.read_text())["rows"]:
        folds = row["per_fold"]
        found[row["method"]] = {
            name: float(np.mean([fold[name] for fold in folds])) for name in folds[0]
        }
    return found


if __name__ == "__main__":
    main()
