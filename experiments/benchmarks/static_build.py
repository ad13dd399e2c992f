"""Rate of a whole build of single scans, beside reading and drawing the same meshes.

    python -m experiments.benchmarks.static_build [--family=makehuman] [--people=100]

On all cores: (1) every scan of `static_captions` is made and drawn in one fixed
framing, and nothing else; (2) every example is made, with face found, captions measured
and all; these two take turns, and each starts its own processes. Then (3) `tfds build`
runs over the same people, from nothing to shards. Prints one JSON line: scans a second,
and the ratios to (1).
"""

import dataclasses
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import flags

from smile_jax.core import command_line
from smile_jax.core.workers import run_everywhere
from smile_jax.data.builder import tasks_of
from smile_jax.data.examples import Task, make_examples
from smile_jax.data.face_model_builder import (
    STATIC_CAPTIONS,
    FaceModelConfig,
    Heads,
    posed_sequences,
)
from smile_jax.data.rendering import RenderConfig, render_example, rendering_of
from smile_jax.faces.families.catalogue import family_of
from smile_jax.mesh import Framing

_FAMILY = flags.DEFINE_string("family", "procedural", "Whose heads.")
_PEOPLE = flags.DEFINE_integer("people", 100, "How many; 25 scans each.", 2)
_ROUNDS = 3
_BUILDERS = {
    "procedural": "synthetic_faces",
    "makehuman": "makehuman_faces",
    "vitruvian": "vitruvian_faces",
    "ict": "ict_faces",
}
_ROOT = pathlib.Path(__file__).resolve().parents[2]


def draw(task: Task, config: RenderConfig) -> int:
    """Makes and draws every scan; returns how many there were."""
    for sequence in task.sequences:
        mesh = sequence.frames[0]
        x, y, z = (float(c) for c in mesh.vertices.mean(axis=0))
        render_example(mesh, config, Framing((x, y, z), 190.0))
    return len(task.sequences)


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    family = family_of(_FAMILY.value)
    config = dataclasses.replace(  # type: ignore[call-arg]
        STATIC_CAPTIONS, subjects=_PEOPLE.value, name="rate"
    )
    heads = Heads(_FAMILY.value if family.archive else family.name, family.name)
    people = [f"S{i:04d}" for i in range(config.subjects)]
    sequences = [s for one in people for s in posed_sequences(config, heads, one)]
    tasks, form = tasks_of(sequences, 1000, person=True), rendering_of(config)
    rates: dict[str, list[float]] = {"draw": [], "make": []}
    for each in (draw, make_examples):
        list(run_everywhere(each, tasks[: 2 * (os.cpu_count() or 1)], form))
    for _ in range(_ROUNDS):
        for name, each in (("draw", draw), ("make", make_examples)):
            started = time.perf_counter()
            list(run_everywhere(each, tasks, form))
            rates[name].append(len(sequences) / (time.perf_counter() - started))
    found = {name: float(np.median(rate)) for name, rate in rates.items()}
    found["build"] = _build(config, family.name)
    print(
        json.dumps(
            {
                "benchmark": "static_build",
                "family": family.name,
                "scans": len(sequences),
                **{f"{name}_per_s": round(rate, 1) for name, rate in found.items()},
                "make_to_draw": round(found["make"] / found["draw"], 3),
                "build_to_draw": round(found["build"] / found["draw"], 3),
                "cores": len(os.sched_getaffinity(0)),
                "machine": platform.machine(),
            }
        )
    )


def _build(config: FaceModelConfig, family: str) -> float:
    """Scans a second of `smile-jax build`, as it says itself."""
    fields = {"name": "rate", "subjects": config.subjects, "captions": True}
    with tempfile.TemporaryDirectory() as data_dir:
        command = [
            sys.executable, "-m", "smile_jax.build", _BUILDERS[family],
            f"--config={json.dumps(fields)}", f"--data_dir={data_dir}",
        ]  # fmt: skip
        if family_of(_FAMILY.value).archive and _FAMILY.value != family:
            command.append(f"--manual_dir={pathlib.Path(_FAMILY.value).parent}")
        done = subprocess.run(
            command, cwd=_ROOT, capture_output=True, text=True, check=True
        )
    match = re.search(r"\(([\d.]+) frames/s\)", done.stdout)
    assert match, done.stdout
    return float(match[1])


if __name__ == "__main__":
    command_line.run(main)
