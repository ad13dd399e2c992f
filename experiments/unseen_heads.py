"""Answers of a run of single scans about people, and heads, that it never saw.

    python -m experiments.unseen_heads --workdir=runs/demo --family=makehuman
        [--family=ARCHIVE]

Writes heads of new people as PLY and asks `predict`: by each way of turning heads, and
by each head that answers; also of another face model than it was trained on. Accuracy
over the six expressions, and over seven with neutral faces, where the run knows them.
Then how far neighbours are apart (`Displacement.misfit`) in sequences and in folders of
people, as registered meshes and as scans: what `predict` tells the two by.
"""

import itertools
import pathlib
import tempfile

import numpy as np
from absl import flags

import smile_jax
from smile_jax.core import command_line
from smile_jax.experiments.heads import unseen_head
from smile_jax.faces import EXPRESSIONS, Difficulty, FaceModel, load_face_model
from smile_jax.faces.sampling import sample_clip, sample_subject
from smile_jax.faces.scanner import scan_head
from smile_jax.inference.recognizer import Recognizer
from smile_jax.mesh import Mesh, frame_mesh
from smile_jax.mesh.displacement import Displacement
from smile_jax.mesh.writers import write_ply

_WORKDIR = flags.DEFINE_string("workdir", None, "Evaluated run.", required=True)
_FAMILY = flags.DEFINE_multi_string(
    "family", ["procedural"], "Name, folder or archive of a family; may be repeated."
)
_HEADS = flags.DEFINE_integer("heads", 119, "Heads of each face model.", 7)
_ASKED = (
    {"pose": "as_is"},
    {"pose": "auto"},
    {"pose": "surface"},
    {"head": "probe"},
    {"head": "zero_shot_grounded"},
)
_PEOPLE, _POINTS, _FRAMES = 6, 6000, 24


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    command_line.no_words(argv)
    run = smile_jax.load(_WORKDIR.value)
    families = [load_face_model(source) for source in _FAMILY.value]
    models = {model.name: model for model in families}
    print("| heads | asked | six expressions | with neutral |\n|---|---|---|---|")
    for name, model in models.items():
        answers(name, model, run)
    print(
        "\n| heads | meshes | frames, mm apart | people, mm apart |\n|---|---|---|---|"
    )
    for name, model in models.items():
        distances(name, model)


def answers(name: str, model: FaceModel, run: Recognizer) -> None:
    """A row for each way of asking."""
    labels = []
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i in range(_HEADS.value):
            labels.append(EXPRESSIONS[i % len(EXPRESSIONS)])
            paths.append(pathlib.Path(folder) / f"{i}.ply")
            write_ply(paths[-1], unseen_head(model, labels[-1], (7, i)))
        for asked in _ASKED:
            found = run.predict(paths, how="each", **asked)
            truth = [labels[paths.index(pathlib.Path(a.name))] for a in found]
            pairs = list(zip(found, truth, strict=True))
            six = [_of_six(a) == t for a, t in pairs if t != "neutral"]
            seven = [a.label == t for a, t in pairs]
            known = "neutral" in found[0].probabilities
            cells = f"{np.mean(six):.3f}", f"{np.mean(seven):.3f}" if known else ""
            words = " ".join(f"--{key}={value}" for key, value in asked.items())
            print(f"| {name} | `{words}` | {' | '.join(cells)} |", flush=True)


def _of_six(answer) -> str:
    shares = {k: p for k, p in answer.probabilities.items() if k != "neutral"}
    return max(shares, key=shares.__getitem__)


def distances(name: str, model: FaceModel) -> None:
    """Prints how far neighbours are apart: frames in the fastest part, and people."""
    hard = Difficulty()
    meshes: list[tuple[Mesh, Mesh]] = []
    for i in range(_PEOPLE):
        rng = np.random.default_rng(i)
        person = sample_subject(model, rng, hard)
        clip = sample_clip(model, person, "surprise", 4, rng, hard, _FRAMES)
        meshes.append((clip[6], clip[7]))
    for kind, form in (("registered", lambda mesh: mesh), ("scans", _scanned)):
        frames = [_apart(form(a), form(b)) for a, b in meshes]
        firsts = [form(first) for first, _ in meshes]
        people = [_apart(a, b) for a, b in itertools.pairwise(firsts)]
        said = [f"{min(x):.2f} to {max(x):.2f}" for x in (frames, people)]
        print(f"| {name} | {kind} | {' | '.join(said)} |", flush=True)


def _scanned(mesh: Mesh) -> Mesh:
    framing = frame_mesh(mesh)
    return scan_head(mesh, framing=framing, points=_POINTS, texture_size=16).mesh()


def _apart(first: Mesh, second: Mesh) -> float:
    return Displacement(first, frame_mesh(first)).misfit(second)


if __name__ == "__main__":
    command_line.run(main)
