r"""Whether what depth sensors and point clouds show gets the same answer as the mesh.

    python -m experiments.sensors --workdir=runs/demo [--heads=100]

Generated heads of nobody that the run saw are seen by a simulated depth camera (640 x
480 pixels, 600 of focal length, 0.55 m away; a 16-bit PNG in steps of 1 mm), and as
point clouds of the same pixels (XYZ), with noise. Each gets an answer as files do; told
is how many have the label that their mesh without colours has, the median cosine of
their embeddings, and how many could not be read. Two minutes on two CPU cores for each
line of 100.
"""

import dataclasses
import json
import pathlib
import tempfile
from collections.abc import Callable, Sequence

import numpy as np
from absl import flags
from PIL import Image

from smile_jax.core import command_line
from smile_jax.faces import EXPRESSIONS, Difficulty, load_face_model
from smile_jax.faces.sampling import sample_clip, sample_subject
from smile_jax.faces.scanner import depth_image_of
from smile_jax.inference.prediction import Predictions
from smile_jax.inference.recognizer import Recognizer
from smile_jax.mesh import Mesh
from smile_jax.mesh.writers import write_ply

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_HEADS = flags.DEFINE_integer("heads", 100, "Heads.", 1)
_SEED = 9000  # of people; training has others
_HEIGHT, _WIDTH, _FOCAL, _AWAY = 480, 640, 600.0, 550.0  # pixels and mm
_NOISE_MM = (0.0, 0.5, 1.0, 2.0)


def heads(count: int) -> list[Mesh]:
    """Frontal heads without colours, at the origin, each of another person."""
    model = load_face_model("")
    calm = Difficulty(pose_deg=0.0, shift_mm=0.0, holes=0.0)
    found = []
    for i in range(count):
        rng = np.random.default_rng(_SEED + i)
        person = sample_subject(model, rng, calm)
        expression = EXPRESSIONS[i % len(EXPRESSIONS)]
        level = 0 if expression == "neutral" else 4
        (mesh,) = sample_clip(model, person, expression, level, rng, calm, 1)
        middle = mesh.vertices.mean(axis=0)
        found.append(
            dataclasses.replace(
                mesh.without_materials(),
                vertices=(mesh.vertices - middle).astype(np.float32),
                colors=None,
                landmarks=None,
            )
        )
    return found


def seen(mesh: Mesh, noise_mm: float, seed: int) -> np.ndarray:
    """(h, w) depth in mm as a sensor measures it, 0 where nothing is."""
    depth = depth_image_of(
        mesh, height=_HEIGHT, width=_WIDTH, focal=_FOCAL, distance_mm=_AWAY
    )
    rng = np.random.default_rng(seed)
    return np.where(depth > 0, depth + rng.normal(0, noise_mm, depth.shape), 0)


def write_image(folder: pathlib.Path, name: str, depth: np.ndarray) -> pathlib.Path:
    """Writes a depth image in mm, and its camera."""
    camera = {"fx": _FOCAL, "unit_mm": 1.0}
    (folder / "camera.json").write_text(json.dumps(camera))
    Image.fromarray(depth.round().astype(np.uint16)).save(folder / f"{name}.png")
    return folder / f"{name}.png"


def write_cloud(folder: pathlib.Path, name: str, depth: np.ndarray) -> pathlib.Path:
    """Writes the points of a depth image, y up and towards the camera."""
    rows, columns = np.nonzero(depth > 0)
    z = depth[rows, columns]
    x = (columns - (_WIDTH - 1) / 2) / _FOCAL * z
    y = ((_HEIGHT - 1) / 2 - rows) / _FOCAL * z
    path = folder / f"{name}.xyz"
    np.savetxt(path, np.stack([x, y, _AWAY - z], axis=1), fmt="%.3f")
    return path


def compare(answers: Predictions, meshes: dict[str, tuple[str, np.ndarray]]) -> str:
    """Agreement of labels and of embeddings, by the files' stems."""
    same, cosines = 0, []
    for answer in answers:
        label, embedding = meshes[pathlib.Path(answer.name).stem]
        same += answer.label == label
        cosines.append(float(embedding @ answer.embedding))
    middle = np.median(cosines) if cosines else float("nan")
    return f"{same:6} {middle:10.3f} {len(answers.skipped):10}"


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    command_line.before_jax()
    model = Recognizer.load(_WORKDIR.value)
    found = heads(_HEADS.value)
    kinds: Sequence[tuple[str, Callable]] = (
        ("depth image", write_image),
        ("point cloud", write_cloud),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for i, mesh in enumerate(found):
            write_ply(folder / f"{i:03d}.ply", mesh)
        own = model.predict([f"{folder}/*.ply"])
        assert isinstance(own, Predictions)
        meshes = {pathlib.Path(a.name).stem: (a.label, a.embedding) for a in own}
        print(f"{len(own)} heads; labels: {len({a.label for a in own})} kinds")
        print(f"{'seen as':12} {'noise mm':>9} {'same':>6} {'cosine':>10} {'lost':>10}")
        for kind, write in kinds:
            for noise in _NOISE_MM:
                paths = [
                    write(folder, f"{i:03d}", seen(mesh, noise, i))
                    for i, mesh in enumerate(found)
                    if f"{i:03d}" in meshes
                ]
                answers = model.predict(paths)
                assert isinstance(answers, Predictions)
                print(f"{kind:12} {noise:9.1f} {compare(answers, meshes)}", flush=True)


if __name__ == "__main__":
    command_line.run(main)
