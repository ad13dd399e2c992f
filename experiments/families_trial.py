r"""One trial on a family left out: trains, tests on another family, notes a row.

    python -m experiments.families_trial --train=makehuman/scans \
        --train=synthetic/scans --test=ict --steps=625 --set=data.local_mean=0.0

For choices, which are made without the family that a result is reported of: this one
serves results on Vitruvian. A quarter of the pictures is 625 steps. The row goes to
experiments/results/families_trials.csv; the run lies in runs/families_trial until the
next trial.
"""

import csv
import pathlib
import shutil
import subprocess
import sys
import time

from absl import flags

from smile_jax.core import command_line
from smile_jax.evaluation.tables import from_csv

_TRAIN = flags.DEFINE_multi_string(
    "train", None, "<family>/<config> to train on; may be repeated.", required=True
)
_TEST = flags.DEFINE_string(
    "test", None, "Family whose `heads` are tested.", required=True
)
_TEXT = flags.DEFINE_enum("text", "labels", ("labels", "captions"), "Text source.")
_STEPS = flags.DEFINE_integer("steps", 625, "Steps of 48 pictures.", 1)
_SET = flags.DEFINE_multi_string("set", [], "KEY=VALUE of the config; may be repeated.")
_ROWS = flags.DEFINE_string(
    "rows", "experiments/results/families_trials.csv", "File that gets the row."
)
_WORKDIR = pathlib.Path("runs/families_trial")
_CONFIGS = {"labels": "mixture", "captions": "mixture_captions"}


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    shutil.rmtree(_WORKDIR, ignore_errors=True)
    folders = [f"data/{name.replace('/', '_faces/')}" for name in _TRAIN.value]
    mixture = tuple((folder, 1.0) for folder in folders)
    started = time.monotonic()
    _command(
        "train",
        f"--config=experiments/{_CONFIGS[_TEXT.value]}.py",
        f"--workdir={_WORKDIR}",
        f"--config.data.mixture={mixture!r}",
        f"--config.train.steps={_STEPS.value}",
        *(f"--config.{pair}" for pair in _SET.value),
    )
    trained = time.monotonic()
    _command(
        "evaluate",
        f"--workdir={_WORKDIR}",
        "--nobaselines",
        "--only=zero_shot",
        "--protocol=cross",
        f"--test_data=data/{_TEST.value}_faces/heads",
    )
    answers = from_csv(_WORKDIR / "eval_cross_zero_shot" / "predictions.csv")
    clips = [row for row in answers if row["label"]]
    row = {
        "train": " ".join(_TRAIN.value),
        "test": _TEST.value,
        "text": _TEXT.value,
        "steps": _STEPS.value,
        "settings": " ".join(_SET.value),
        "zero_shot": _accuracy(clips, "zero_shot"),
        "linear_probe": _accuracy(clips, "linear_probe"),
        "by_class": " ".join(
            f"{name} {_accuracy([c for c in clips if c['label'] == name], 'zero_shot')}"
            for name in sorted({c["label"] for c in clips})
        ),
        "seconds": round(trained - started),
    }
    path = pathlib.Path(_ROWS.value)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(*(f"{key}: {value}" for key, value in row.items()), sep="\n")


def _command(name: str, *words: str) -> None:
    subprocess.run([sys.executable, "-m", f"smile_jax.{name}", *words], check=True)


def _accuracy(clips: list[dict[str, str]], evaluation: str) -> str:
    right = sum(c[f"smile/{evaluation}"] == c["label"] for c in clips)
    return f"{right / len(clips):.3f}"


if __name__ == "__main__":
    command_line.run(main)
