"""Time and memory of an evaluation by the number of clips.

    python -m experiments.benchmarks.evaluation --clips=2000 --clips=20000
        [--features=768] [--folder=FOLDER]

Makes features, not pictures: of people and of six classes, for all views and for each
subset of three of them, in files as `smile-jax evaluate` has them. Then takes all
evaluations of features, by probes that learn from four fifths of the people, and writes
`results.json` and `predictions.csv`. Prints one JSON line for each number of clips:
seconds of each evaluation and in all, without making features; peak memory; and how
much of files was mapped beside that, which the system takes back when it needs room
(Linux tells them apart). Each number of clips has a process of its own.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from absl import app, flags

from smile_jax.evaluation.base import Fold, SubsetFeatures, summarize
from smile_jax.evaluation.embed import EmbeddedSet, view_subsets
from smile_jax.evaluation.fold_loop import outcomes_of
from smile_jax.evaluation.registry import EVALUATIONS
from smile_jax.evaluation.results import write_predictions
from smile_jax.evaluation.row_store import RowStore

_CLIPS = flags.DEFINE_multi_integer("clips", [2000, 20_000], "Clips, of all people.")
_FEATURES = flags.DEFINE_integer("features", 768, "Width of features.")
_FOLDER = flags.DEFINE_string("folder", None, "Where files go; by default a new one.")
_EACH = 24  # clips of a person
_CLASSES = ("angry", "disgusted", "afraid", "happy", "sad", "surprised")
_VIEWS, _JOINT = 3, 128
_AT_ONCE = 10_000  # clips that are made together


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    del argv
    if len(_CLIPS.value) > 1:
        for clips in _CLIPS.value:
            words = [sys.executable, "-m", "experiments.benchmarks.evaluation"]
            words += [f"--clips={clips}", f"--features={_FEATURES.value}"]
            words += [f"--folder={_FOLDER.value}"] if _FOLDER.value else []
            subprocess.run(words, check=True)
        return
    with tempfile.TemporaryDirectory(dir=_FOLDER.value) as folder:
        print(json.dumps(_measure(_CLIPS.value[0], pathlib.Path(folder))), flush=True)


def _measure(clips: int, folder: pathlib.Path) -> dict:
    fields, embedded = _made(clips, folder)
    memory = _Memory()
    started = time.perf_counter()
    train = fields["subject"] < 0.8 * (fields["subject"].max() + 1)
    rows = np.concatenate([np.flatnonzero(train), np.flatnonzero(~train)])
    split = int(train.sum())
    views = SubsetFeatures(
        view_subsets(_VIEWS), embedded.partial_fused, embedded.partial, rows, split
    )
    fold = Fold(
        embedded.fused[rows],
        split,
        {name: x[rows] for name, x in fields.items()},
        _CLASSES,
        test=embedded.rows(rows[split:]),
        some_views=views,
    )
    found, seconds = {}, {}
    for e in (e for e in EVALUATIONS if set(e.fields) <= fields.keys()):
        begun = time.perf_counter()
        found |= outcomes_of(fold, [e])
        seconds[e.name] = round(time.perf_counter() - begun, 2)
    begun = time.perf_counter()
    scores = {
        e.name: summarize(e, [found[e.name]], _CLASSES)
        for e in EVALUATIONS
        if e.name in found
    }
    answers = {
        f"smile/{name}": outcome.answers[""].astype(str)
        for name, outcome in found.items()
        if outcome.answers.get("", np.zeros((0, 0))).ndim == 1
    }
    write_predictions(answers, folder / "predictions.csv")
    (folder / "results.json").write_text(json.dumps(scores))
    seconds["files"] = round(time.perf_counter() - begun, 2)
    return {
        "clips": clips,
        "features": _FEATURES.value,
        "seconds": round(time.perf_counter() - started, 1),
        "peak_gb": round(memory.peaks["RssAnon"] / 1e6, 2),
        "mapped_gb": round(memory.peaks["RssFile"] / 1e6, 2),
        "linear_probe": scores["linear_probe"]["linear_probe"]["accuracy"],
        "each": seconds,
    }


class _Memory(threading.Thread):
    """Watches the memory of this process.

    Attributes:
      peaks: kB of its own ("RssAnon") and of mapped files ("RssFile").
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks = {"RssAnon": 0, "RssFile": 0}
        self.start()

    def run(self) -> None:
        while True:
            text = pathlib.Path("/proc/self/status").read_text()
            for name, before in self.peaks.items():
                found = re.search(rf"{name}:\s+(\d+) kB", text)
                self.peaks[name] = max(before, int(found[1]) if found else 0)
            time.sleep(0.05)


def _made(
    clips: int, folder: pathlib.Path
) -> tuple[dict[str, np.ndarray], EmbeddedSet]:
    """Fields and features of clips: of each person, of each class, and noise."""
    subject = np.arange(clips) // _EACH
    label = np.arange(clips) % len(_CLASSES)
    fields = {
        "label": label,
        "subject": subject,
        "pose_deg": np.random.default_rng(1).normal(size=(clips, 3)) * 8,
    }
    subsets = view_subsets(_VIEWS)
    store = RowStore(clips, folder)
    rng = np.random.default_rng(0)
    width = _FEATURES.value
    of_class = rng.normal(size=(len(_CLASSES), width))
    for first in range(0, clips, _AT_ONCE):
        rows = slice(first, min(first + _AT_ONCE, clips))
        names, person = np.unique(subject[rows], return_inverse=True)
        own = np.stack([np.random.default_rng(n).normal(size=width) for n in names])
        shared = of_class[label[rows]] + 2 * own[person]
        for i in range(len(subsets) + 1):
            noise = 25 * rng.standard_normal((len(person), width), np.float32)
            name = "fused" if i == len(subsets) else f"fused_{i}"
            store.write(name, first, (shared + noise).astype(np.float32))
            joint = store[name][rows, :_JOINT]
            joint = joint / np.linalg.norm(joint, axis=1, keepdims=True)
            store.write(name.replace("fused", "joint"), first, joint)
        store.write("views", first, np.repeat(joint[:, None], _VIEWS, axis=1))
        shares = np.full((len(person), _VIEWS), 1 / _VIEWS, np.float32)
        store.write("weights", first, shares)
    return fields, EmbeddedSet.of_store(store, len(subsets))


if __name__ == "__main__":
    app.run(main)
