"""Finds expressions in long recordings.

    smile-jax spot --workdir=RUN --data=DATASET [--window_s=1.0]

DATASET is built with events to be found (config `recordings` of generated faces). The
run embeds a window around every 1/10 second; a small head is trained on the recordings
of the people that the run was trained on, and every setting is chosen on them. Prints
F1 as MEGC counts it, beside motion energy with a threshold and chance, and writes
`RUN/eval/spotting.json` and `spotting.csv`, a row for each interval that was found.
"""

import csv
import dataclasses
import json
import pathlib
from typing import Any

from absl import flags

from smile_jax.core import command_line, extras

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_DATA = flags.DEFINE_string("data", None, "Built dataset of recordings.", required=True)
_WINDOW = flags.DEFINE_float(
    "window_s", 1.0, "Seconds that the run sees around each frame.", lower_bound=0.05
)
_EVERY = flags.DEFINE_float(
    "every_s", 0.1, "Seconds between two windows.", lower_bound=0.01
)


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    extras.require("spotting", "evaluate")
    workdir = pathlib.Path(_WORKDIR.value)
    command_line.before_jax()
    from smile_jax.evaluation.recording_windows import read_recordings
    from smile_jax.evaluation.spotting_head import (
        chance_counts,
        choose_rule,
        count_intervals,
        head_curves,
        motion_curve,
        scores_by_kind,
    )
    from smile_jax.evaluation.trained_run import load_run

    run = load_run(workdir)
    train, test = read_recordings(run, _DATA.value, _WINDOW.value, _EVERY.value)
    methods = {
        "smile": head_curves(train, test),
        "motion": tuple([motion_curve(r) for r in part] for part in (train, test)),
    }
    results: dict[str, Any] = {}
    found = []
    for name, (own, curves) in methods.items():
        reading = choose_rule(train, own)
        results[name] = count_intervals(test, curves, reading).scores()
        results[name] |= scores_by_kind(test, curves, reading)
        results[name]["reading"] = dataclasses.asdict(reading)
        for recording, curve in zip(test, curves, strict=True):
            for first, last in reading.intervals(curve, recording.rate_hz):
                apex = first + int(curve[first : last + 1].argmax())
                found.append((name, recording.name, first, apex, last))
    results["chance"] = chance_counts(train, test).scores()
    folder = workdir / "eval"
    folder.mkdir(exist_ok=True)
    (folder / "spotting.json").write_text(json.dumps(results, indent=1) + "\n")
    with (folder / "spotting.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["method", "recording", "onset", "apex", "offset"])
        writer.writerows(found)
    print(f"{'':10}{'F1':>8}{'precision':>11}{'recall':>8}{'false a minute':>16}")
    for name, s in results.items():
        print(
            f"{name:10}{s['f1']:8.3f}{s['precision']:11.3f}{s['recall']:8.3f}"
            f"{s['false_per_minute']:16.1f}"
        )
    print(f"wrote spotting.json and spotting.csv into {folder}")


if __name__ == "__main__":
    command_line.run(main)
