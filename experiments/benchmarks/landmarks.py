"""Errors of found landmarks in mm, what is taken for a face, and heads a second.

    python -m experiments.benchmarks.landmarks --family=makehuman [--family=ARCHIVE]
        [--weights=FOLDER]

Generated people whom training did not see: scans of a dataset's difficulty, and heads
with all that training does to them (cut, bent, hair, glasses, holes, turned up to 45
degrees, ...); the first look finds them. Then how well faces are framed and turned by
what is found, against delivered landmarks; and things that are no face. Prints tables;
one core is timed.
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
from smile_jax.landmarking.face_template import fit_template
from smile_jax.landmarking.first_look import WEIGHTS, FirstLook, NoFaceError
from smile_jax.landmarking.landmark_pose import pose_of
from smile_jax.landmarking.landmarker import Landmarker
from smile_jax.landmarking.network import read_network
from smile_jax.landmarking.training_heads import non_face_mesh, scanned_head
from smile_jax.mesh import Landmarks, Mesh, MeshError
from smile_jax.mesh.pose import degrees_between

_FAMILY = flags.DEFINE_multi_string(
    "family", ["procedural"], "Name, folder or archive of a family; may be repeated."
)
_HEADS = flags.DEFINE_integer("heads", 200, "Of each kind.")
_WEIGHTS = flags.DEFINE_string(
    "weights", str(WEIGHTS.parent), "Folder of the networks to measure."
)

_SEED = 990_000_000  # training's are below
_PARTS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
    "inner": slice(17, 68),
    "all": slice(0, 68),
}

Heads = Iterator[tuple[Mesh, np.ndarray]]


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    del argv
    folder = pathlib.Path(_WEIGHTS.value)
    look = FirstLook(read_network(folder / "first_look.safetensors"))
    marks = Landmarker(read_network(folder / "landmarker.safetensors"))

    def find(mesh: Mesh) -> Landmarks:
        face = look(mesh)
        if face is None or not face.found:
            raise NoFaceError(face)
        return marks(mesh, face.pose)

    models = [load_face_model(source) for source in _FAMILY.value]
    print("| heads | known | no face | " + " | ".join(_PARTS) + " |")
    print("|" + "---|" * (len(_PARTS) + 3))
    for model in models:
        for name, heads in (("scans", _scans), ("everything", _anything)):
            print(_row(f"{model.name}, {name}", find, heads(model)), flush=True)
    print(
        "\n| scans | sure | framed, mm | turned, deg | scale |\n|---|---|---|---|---|"
    )
    for model in models:
        print(_placed(model, look), flush=True)
    model = models[0]
    print(f"\nno faces: {_refused(find, model)} of {_HEADS.value} refused")
    _speed("first look", look, model)
    _speed("first look and landmarks", find, model)


def _placed(model: FaceModel, look: FirstLook) -> str:
    """How far what is found is from delivered landmarks: medians and 99th percentiles.

    The scale is that of the found face against its template's, over that of landmarks.
    """
    table = []
    for mesh, points in _scans(model):
        face = look(mesh)
        if face is None or not face.found:
            continue
        true = pose_of(points.astype(np.float64))
        fit = fit_template(points, np.ones(len(points)))
        assert fit is not None
        apart = np.subtract(face.pose.framing.center, true.framing.center)
        degrees = degrees_between(face.rotation, true.rotation.astype(np.float64))
        off = abs(np.log(face.scale / fit.scale))
        table.append((face.sure, np.linalg.norm(apart[:2]), degrees, off))
    sure, *others = np.array(table).T
    cells = [f"{np.median(sure):.2f}, {np.quantile(sure, 0.01):.2f}"]
    cells += [f"{np.median(x):.2f}, {np.quantile(x, 0.99):.2f}" for x in others]
    return f"| {model.name}, {len(table)} found | " + " | ".join(cells) + " |"


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


def _speed(name: str, find: Callable, model: FaceModel) -> None:
    heads = [mesh for mesh, _ in _scans(model)][:20]
    _found(find, heads[0])
    started = time.perf_counter()
    for mesh in heads:
        _found(find, mesh)
    seconds = (time.perf_counter() - started) / len(heads)
    points = len(heads[0].vertices)
    print(f"{name}: {1e3 * seconds:.1f} ms a head of {points} points, one core")


if __name__ == "__main__":
    app.run(main)
