"""Makes the table of families left out from raw numbers alone.

    python -m experiments.families_table [--evaluation=linear_probe]

Reads `families_people.csv` of experiments/results and prints accuracies over six
expressions, or six and neutral, family by family: mean over seeds, with half of
Student's 95 % interval if there are several. Then the differences that matter, each
with its 95 % interval over people and seeds (`smile_jax.evaluation.significance`).
"""

import collections
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from smile_jax.core import command_line
from smile_jax.evaluation.significance import FoldCounts, difference
from smile_jax.evaluation.tables import from_csv, interval_text, markdown
from smile_jax.experiments.mixture import FAMILIES

_RAW = flags.DEFINE_string(
    "raw", "experiments/results/families_people.csv", "Raw numbers of people."
)
_EVALUATION = flags.DEFINE_string(
    "evaluation", "zero_shot", "Whose answers: zero_shot or linear_probe."
)
_TEXTS = ("captions", "labels as text")
# Line of the table -> the method that is tested on a family.
_LINES = {
    **{f"{own} alone": f"{own} alone" for own in FAMILIES},
    "all others": "all but {family}",
    "all others, randomised": "all but {family}, randomised",
    "with neutral": "all but {family}, randomised, seven classes",
    "32 people of each": "all but {family}, randomised, 32 people",
    "100 people of each": "all but {family}, randomised, 100 people",
}

# (method, family tested) -> seed -> person -> right answers and clips.
Counts = Mapping[tuple[str, str], Mapping[str, Mapping[str, np.ndarray]]]


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    counts = counts_of(from_csv(pathlib.Path(_RAW.value)), _EVALUATION.value)
    if not counts:
        raise ValueError(
            f"{_RAW.value}: no answers of {_EVALUATION.value}; run "
            "experiments/suites/families.py first"
        )
    for text in _TEXTS:
        print(f"\n{text}\n")
        print(markdown(["trained on", *FAMILIES], scores(counts, text)))
        print(markdown(["difference", *FAMILIES], differences(counts, text)))


def counts_of(rows: Sequence[Mapping[str, Any]], evaluation: str) -> Counts:
    """Sorts raw rows by method, family, seed and person."""
    found: Any = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in rows:
        if row["evaluation"] != evaluation or row["row"] != "smile":
            continue
        people, of_several, person = row["subject"].partition(": ")
        only = row["method"].partition("all but ")[2].split(",")[0]
        family = people.partition("_faces")[0] if of_several else only
        right = np.array([float(row["right"]), float(row["clips"])])
        found[row["method"], family][row["seed"]][person or people] = right
    return found


def scores(counts: Counts, text: str) -> list[list[str]]:
    """A line for each way to train, a cell for each family that is tested."""
    lines = []
    for name, method in _LINES.items():
        cells = []
        for family in FAMILIES:
            seeds = counts.get((f"{method.format(family=family)}, {text}", family), {})
            totals = [sum(people.values()) for people in seeds.values()]
            values = [float(right / clips) for right, clips in totals]
            cells.append(interval_text(values) if values else "")
        if any(cells):
            lines.append([name, *cells])
    return lines


def differences(counts: Counts, text: str) -> list[list[str]]:
    """Randomised against plain mixing, and that against the best single family."""
    lines = []
    for name, ours, theirs in (
        ("randomised - plain", "all others, randomised", ["all others"]),
        ("plain - best alone", "all others", [f"{own} alone" for own in FAMILIES]),
    ):
        cells = []
        for family in FAMILIES:
            found = [
                counts.get((f"{_LINES[line].format(family=family)}, {text}", family))
                for line in (ours, *theirs)
            ]
            mine, *others = found
            known = [x for x in others if x]
            if not mine or not known:
                cells.append("")
                continue
            best = max(known, key=_accuracy)
            d = difference([_paired(mine, best)])
            cells.append(f"{d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f})")
        if any(cells):
            lines.append([name, *cells])
    return lines


def _accuracy(seeds: Mapping[str, Mapping[str, np.ndarray]]) -> float:
    right, clips = np.sum([sum(people.values()) for people in seeds.values()], axis=0)
    return float(right / clips)


def _paired(
    ours: Mapping[str, Mapping[str, np.ndarray]],
    theirs: Mapping[str, Mapping[str, np.ndarray]],
) -> FoldCounts:
    every = [people.keys() for people in (*ours.values(), *theirs.values())]
    people = sorted(set.intersection(*map(set, every)))

    def right(seeds: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
        return np.array([[run[p][0] for p in people] for run in seeds.values()])

    clips = np.array([next(iter(ours.values()))[p][1] for p in people])
    return FoldCounts(right(ours), right(theirs), clips)


if __name__ == "__main__":
    command_line.run(main)
