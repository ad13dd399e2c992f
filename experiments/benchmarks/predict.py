"""Prediction of single scans beside the renderer alone.

    python -m experiments.benchmarks.predict --workdir=runs/demo [--ict=ARCHIVE]

100 heads are written as PLY. Each is (1) read and rendered as for the run, one
after the other, nothing else; (2) answered by `predict`, which also looks for a face,
embeds and tells the prompts apart. Both are warm and take turns. Prints one JSON line:
scans a second (medians), and their ratio.
"""

import json
import os
import pathlib
import platform
import statistics
import tempfile
import time

import numpy as np
from absl import flags

import smile_jax
from smile_jax.core import command_line
from smile_jax.data.examples import Sequence4D, make_example
from smile_jax.data.mesh_sequence import MeshFiles
from smile_jax.faces import Difficulty, load_face_model
from smile_jax.faces.sampling import sample_clip, sample_subject
from smile_jax.mesh.writers import write_ply

_WORKDIR = flags.DEFINE_string("workdir", None, "A run's folder.", required=True)
_ICT = flags.DEFINE_string("ict", "", "ICT-FaceKit tree or archive; else procedural.")
_SCANS = flags.DEFINE_integer("scans", 100, "How many.", 1)
_ROUNDS = 3


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    face, hard = load_face_model(_ICT.value), Difficulty()
    model = smile_jax.load(_WORKDIR.value)
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder) / f"{i:03d}.ply" for i in range(_SCANS.value)]
        for i, path in enumerate(paths):
            rng = np.random.default_rng(i)
            person = sample_subject(face, rng, hard)
            write_ply(path, sample_clip(face, person, "happy", 3, rng, hard, 1)[0])
        model.predict(paths[:32], how="each")  # compiled
        rates: dict[str, list[float]] = {"render": [], "predict": []}
        for _ in range(_ROUNDS):
            rates["render"].append(_rate(lambda: _render(model, paths)))
            rates["predict"].append(_rate(lambda: model.predict(paths, how="each")))
    median = {name: statistics.median(found) for name, found in rates.items()}
    print(
        json.dumps(
            {
                **{f"{name}_per_s": round(rate, 2) for name, rate in median.items()},
                "ratio": round(median["predict"] / median["render"], 3),
                "cores": os.cpu_count(),
                "machine": platform.processor() or platform.machine(),
                "size": model.info.rendering.size,
            }
        )
    )


def _rate(work) -> float:
    started = time.perf_counter()
    work()
    return _SCANS.value / (time.perf_counter() - started)


def _render(model, paths) -> None:
    r = model.info.rendering
    form = model.reader.rendering()
    for path in paths:
        files = MeshFiles([path])
        sequence = Sequence4D(str(path), files, {"subject": ""})
        made = make_example(
            sequence,
            type(form)(**{**vars(form), "pose": r.pose, "framing": r.framing}),
        )
        assert made.example is not None


if __name__ == "__main__":
    command_line.run(main)
