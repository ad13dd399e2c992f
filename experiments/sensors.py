r"""Whether what depth sensors and point clouds show gets the same answer as the mesh.

    python -m experiments.sensors --workdir=runs/procedural [--heads=100]

Generated heads of nobody that the run saw are seen by a simulated depth camera (640 x
480 pixels, 600 of focal length, 0.55 m away; a 16-bit PNG in steps of 1 mm), and as
point clouds of the same pixels (XYZ), with noise. Each gets an answer as files do; told
is how many have the label that their mesh without colours has, the median cosine of
their embeddings, how many have the label that the sensor gives without noise, and how
many could not be read. The first line is of the part of each mesh that the sensor sees:
what it costs to see no more, whatever the sensor. Fifteen minutes for 100 heads on two
CPU cores.
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
from smile_jax.faces.scanner import DepthSensor
from smile_jax.inference.prediction import Prediction, Predictions
from smile_jax.inference.recognizer import Recognizer
from smile_jax.mesh import Mesh
from smile_jax.mesh.writers import write_ply

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_HEADS = flags.DEFINE_integer("heads", 100, "Heads.", 1)
_SEED = 9000  # of people; training has others
_SENSOR = DepthSensor()
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
    depth = _SENSOR.depth(mesh)
    rng = np.random.default_rng(seed)
    return np.where(depth > 0, depth + rng.normal(0, noise_mm, depth.shape), 0)


def write_image(folder: pathlib.Path, name: str, depth: np.ndarray) -> pathlib.Path:
    """Writes a depth image in mm, and its camera."""
    camera = {"fx": _SENSOR.focal, "unit_mm": 1.0}
    (folder / "camera.json").write_text(json.dumps(camera))
    Image.fromarray(depth.round().astype(np.uint16)).save(folder / f"{name}.png")
    return folder / f"{name}.png"


def write_cloud(folder: pathlib.Path, name: str, depth: np.ndarray) -> pathlib.Path:
    """Writes the points of a depth image, y up and towards the camera."""
    rows, columns = np.nonzero(depth > 0)
    z = depth[rows, columns]
    x = (columns - (_SENSOR.width - 1) / 2) / _SENSOR.focal * z
    y = ((_SENSOR.height - 1) / 2 - rows) / _SENSOR.focal * z
    path = folder / f"{name}.xyz"
    points = np.stack([x, y, _SENSOR.distance_mm - z], axis=1)
    np.savetxt(path, points, fmt="%.3f")
    return path


def by_stem(answers: Predictions) -> dict[str, Prediction]:
    """The answers by the stems of their files."""
    return {pathlib.Path(answer.name).stem: answer for answer in answers}


def agreement(answers: dict[str, Prediction], others: dict[str, Prediction]) -> str:
    """How many have the same label, of how many."""
    both = [name for name in answers if name in others]
    same = sum(answers[name].label == others[name].label for name in both)
    return f"{same} of {len(both)}"


def line(what: str, own: dict, found: dict, clean: dict, lost: int) -> str:
    """A line of the table."""
    cosines = [float(own[n].embedding @ found[n].embedding) for n in found if n in own]
    middle = float(np.median(cosines)) if cosines else float("nan")
    return (
        f"{what:24} {agreement(found, own):>12} {middle:8.3f} "
        f"{agreement(found, clean):>14} {lost:5}"
    )


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    command_line.before_jax()
    model = Recognizer.load(_WORKDIR.value)
    found = {f"{i:03d}": mesh for i, mesh in enumerate(heads(_HEADS.value))}

    def answers(paths: list[pathlib.Path]) -> tuple[dict[str, Prediction], int]:
        predicted = model.predict(paths)
        assert isinstance(predicted, Predictions)
        return by_stem(predicted), len(predicted.skipped)

    def mesh_files(folder: pathlib.Path, meshes: dict[str, Mesh]) -> list[pathlib.Path]:
        folder.mkdir()
        paths = [folder / f"{name}.ply" for name in meshes]
        for path, mesh in zip(paths, meshes.values(), strict=True):
            write_ply(path, mesh)
        return paths

    kinds: Sequence[tuple[str, Callable]] = (
        ("depth image", write_image),
        ("point cloud", write_cloud),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        own, _ = answers(mesh_files(folder / "whole", found))
        head = ("seen as", "same label", "cosine", "as noiseless")
        print("{:24} {:>12} {:>8} {:>14}  lost".format(*head))
        parts = {name: _SENSOR.visible_part(mesh) for name, mesh in found.items()}
        cut, lost = answers(mesh_files(folder / "parts", parts))
        print(line("its visible part", own, cut, cut, lost), flush=True)
        for kind, write in kinds:
            clean: dict[str, Prediction] = {}
            for noise in _NOISE_MM:
                paths = [
                    write(folder, name, seen(mesh, noise, int(name)))
                    for name, mesh in found.items()
                ]
                told, lost = answers(paths)
                clean = clean or told
                what = f"{kind}, {noise:g} mm noise"
                print(line(what, own, told, clean, lost), flush=True)


if __name__ == "__main__":
    command_line.run(main)
