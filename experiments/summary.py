"""Prints one line about an evaluated run."""

import json
import pathlib
import time

from absl import app, flags

_NAME = flags.DEFINE_string("name", "demo", "First word of the line.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_STARTED = flags.DEFINE_integer("started", None, "Unix time of the start.")


def main(_: list[str]) -> None:
    """Runs the experiment."""
    results = json.loads(
        (pathlib.Path(_WORKDIR.value) / "eval/results.json").read_text()
    )
    rows = {row["method"]: row for row in results["rows"]}
    scores = {
        "linear_probe": rows["smile"]["linear_probe"],
        "zero_shot": rows["smile"]["zero_shot"],
        "random_init": rows["random_init"]["linear_probe"],
        "pixels_pca": rows["pixels_pca"]["linear_probe"],
    }
    words = [f"{name}={s['accuracy']:.3f}" for name, s in scores.items() if s]
    people = sum(results["labels_seen"].values())
    used = f"of_{people}_people" if people else "none"
    words.append(f"labels_in_pretraining={used}")
    if _STARTED.value is not None:
        words.append(f"seconds={time.time() - _STARTED.value:.0f}")
    print(f"{_NAME.value}: {' '.join(words)}")


if __name__ == "__main__":
    app.run(main)
