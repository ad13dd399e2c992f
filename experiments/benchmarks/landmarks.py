"""Errors of found landmarks in mm, what is taken for a face, and heads a second.

    python -m experiments.benchmarks.landmarks [--ict=ARCHIVE] [--weights=FILE]

Generated people whom training did not see: scans of a dataset's difficulty, and heads
with all that training does to them (cut, bent, hair, glasses, holes, turned up to 45
degrees, ...). Then things that are no face. Prints tables; one core is timed.
"""

import os

# One core is timed.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"

import pathlib
import time
from collections.abc import Callable, Iterator

import numpy as np
from absl import app, flags

from smile_jax.faces import (
    EXPRESSIONS,
    Difficulty,
    FaceModel,
    load_face_model,
    sample_clip,
    sample_subject,
)
from smile_jax.landmarking import landmarker as shipped
from smile_jax.landmarking.landmarker import Landmarker, read_network
from smile_jax.landmarking.training_heads import non_face_mesh, scanned_head
from smile_jax.mesh import Mesh, MeshError

_ICT = flags.DEFINE_string("ict", "", "ICT-FaceKit tree or archive, for its heads too.")
_HEADS = flags.DEFINE_integer("heads", 200, "Of each kind.")
_WEIGHTS = flags.DEFINE_string("weights", str(shipped.WEIGHTS), "Network to measure.")

_SEED = 990_000_000  # training's are below
_PARTS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
    "all": slice(0, 68),
}

Heads = Iterator[tuple[Mesh, np.ndarray]]


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    del argv
    find = Landmarker(read_network(pathlib.Path(_WEIGHTS.value)))
    print("| heads | known | no face | " + " | ".join(_PARTS) + " |")
    print("|" + "---|" * (len(_PARTS) + 3))
    for path in ("", _ICT.value) if _ICT.value else ("",):
        model = load_face_model(path)
        for name, heads in (("scans", _scans), ("everything", _anything)):
            print(_row(f"{model.name}, {name}", find, heads(model)), flush=True)
    model = load_face_model(_ICT.value)
    print(f"no faces: {_refused(find, model)} of {_HEADS.value} refused")
    _speed(find, model)


def _scans(model: FaceModel) -> Heads:
    """Returns heads as datasets have them: a performance at its apex."""
    for i in range(_HEADS.value):
        rng, difficulty = np.random.default_rng(_SEED + i), Difficulty(pose_deg=10.0)
        subject = sample_subject(model, rng, difficulty)
        name, intensity = EXPRESSIONS[i % 6], 1 + i % 4
        mesh = sample_clip(model, subject, name, intensity, rng, difficulty)[0]
        assert mesh.landmarks is not None
        yield mesh, mesh.landmarks


def _anything(model: FaceModel) -> Heads:
    for i in range(_HEADS.value):
        yield scanned_head(model, np.random.default_rng(_SEED + i))


def _row(name: str, find: Callable, heads: Heads) -> str:
    errors, refused = [], 0
    for mesh, points in heads:
        try:
            found = find(mesh)
        except MeshError:
            refused += 1
            continue
        apart = np.linalg.norm(found.points - points, axis=1)
        errors.append(np.where(found.valid, apart, np.nan))
    table = np.array(errors)
    known = np.isfinite(table).mean()
    cells = []
    for part in _PARTS.values():
        apart = table[:, part][np.isfinite(table[:, part])]
        cells.append(f"{np.median(apart):.1f}, {np.quantile(apart, 0.9):.1f}")
    return f"| {name} | {known:.0%} | {refused} | " + " | ".join(cells) + " |"


def _refused(find: Callable, model: FaceModel) -> int:
    others = (
        non_face_mesh(model, np.random.default_rng(_SEED + i))
        for i in range(_HEADS.value)
    )
    return sum(not _found(find, mesh) for mesh in others)


def _found(find: Callable, mesh: Mesh) -> bool:
    """Returns True if a face is found."""
    try:
        find(mesh)
    except MeshError:
        return False
    return True


def _speed(find: Callable, model: FaceModel) -> None:
    heads = [mesh for mesh, _ in _scans(model)][:20]
    _found(find, heads[0])
    started = time.perf_counter()
    for mesh in heads:
        _found(find, mesh)
    rate = len(heads) / (time.perf_counter() - started)
    print(f"{rate:.1f} heads a second of {len(heads[0].vertices)} points, one core")


if __name__ == "__main__":
    app.run(main)
