"""What `predict` sees of a file is what training saw of the same head."""

import dataclasses
import types

import numpy as np
import pytest

from smile_jax.config import Config
from smile_jax.data.examples import make_example
from smile_jax.data.face_model_builder import FaceModelConfig, posed_sequences
from smile_jax.evaluation.linear_probe import linear_probe
from smile_jax.inference.recognizer import Recognizer, mesh_paths, other_files
from smile_jax.mesh import Landmarks, MeshError
from smile_jax.mesh.schemes import bosphorus_labels
from smile_jax.mesh.writers import write_landmarks, write_obj, write_ply
from smile_jax.training.run_info import Rendering

TRAINED, TESTED = 24, 12  # people; two expressions of each


def config(pose: str) -> FaceModelConfig:
    return FaceModelConfig(
        name="x",
        subjects=TRAINED + TESTED,
        size=32,
        yaws_deg=(-20.0, 20.0),
        channels=("depth", "normals"),
        pose=pose,
    )


def sequences(config, path):
    """Of all people, a happy and an angry one of each."""
    config = dataclasses.replace(config, intensities=(3,))
    return [
        sequence
        for i in range(config.subjects)
        for expression in ("happy", "anger")
        for sequence in posed_sequences(config, path, f"S{i:04d}")
        if sequence.labels["expression"] == expression
    ]


def recognizer(config, extents_mm=None) -> Recognizer:
    """Of a run on such a dataset, as far as files matter."""
    rendering = Rendering(
        yaws_deg=config.yaws_deg,
        channels=config.channels,
        clip="views",
        frames=1,
        motion=False,
        size=config.size,
        pose=config.pose,
        framing=config.framing,
        extents_mm=extents_mm,
    )
    info = types.SimpleNamespace(rendering=rendering, config=Config())
    return Recognizer(None, {}, info)


def write_labelled_landmarks(path, sequence) -> None:
    """As a `.lm3` file; frames of generated heads have those of their model."""
    found = bosphorus_labels(sequence.frames[0].landmarks)
    write_landmarks(path, Landmarks(np.stack(list(found.values())), tuple(found)))


@pytest.mark.parametrize(
    "pose, ict, suffix",
    [
        ("as_is", False, "ply"),
        ("landmarks", False, "obj"),
        *(
            pytest.param(*variant, marks=pytest.mark.slow)
            for variant in (
                ("surface", False, "ply"),
                ("as_is", True, "ply"),
                ("as_is", True, "obj"),
                ("surface", True, "ply"),
                ("landmarks", True, "ply"),
            )
        ),
    ],
)
def test_scores_are_those_of_the_dataset(pose, ict, suffix, request, tmp_path):
    path = str(request.getfixturevalue("ict_archive")) if ict else ""
    shape = config(pose)
    found = sequences(shape, path)
    made = [make_example(sequence, shape) for sequence in found]
    assert not any(m.skipped or m.notes for m in made)
    stored = np.stack([m.example["views"] for m in made])
    split = 2 * TRAINED
    of_run = recognizer(shape)
    seen = []
    for i, sequence in enumerate(found[split:]):
        file = tmp_path / f"{i}.{suffix}"
        (write_ply if suffix == "ply" else write_obj)(file, sequence.frames[0])
        if pose == "landmarks":
            with pytest.raises(MeshError, match=r"--pose=auto"):
                of_run.clip_of(file)
            write_labelled_landmarks(file.with_suffix(".lm3"), sequence)
        seen.append(of_run.clip_of(file)["views"])
    seen = np.stack(seen)
    difference = np.abs(stored[split:].astype(int) - seen)
    assert (difference > 2).mean() < 1e-3
    people, labels = np.repeat(np.arange(TRAINED), 2), np.tile([0, 1], TRAINED)
    flat = [x.reshape(len(x), -1).astype(np.float32) for x in (stored, seen)]
    answers = [
        linear_probe(flat[0][:split], labels, people, test).answers
        for test in (flat[0][split:], flat[1])
    ]
    truth = np.tile([0, 1], TESTED)
    scores = [(a == truth).mean() for a in answers]
    assert scores[0] > 0.7
    assert abs(scores[0] - scores[1]) <= 0.02, scores


def test_what_training_could_not_have_seen_is_refused(tmp_path):
    shape = dataclasses.replace(config("as_is"), subjects=1, framing="box")
    (sequence, _) = sequences(shape, "")
    file = tmp_path / "head.ply"
    write_ply(file, sequence.frames[0])
    extent = float(make_example(sequence, shape).example["mm_per_pixel"]) * shape.size
    seen = recognizer(shape, (extent, extent)).clip_of(file)
    assert seen["views"].shape == (1, 2, 32, 32, 4)
    with pytest.raises(MeshError, match=r"head\.ply: its picture is .* unit_mm"):
        recognizer(shape, (extent / 2, extent / 1.5)).clip_of(file)
    before = dataclasses.replace(recognizer(shape).info.rendering, framing="landmarks")
    old = Recognizer(None, {}, types.SimpleNamespace(rendering=before, config=Config()))
    with pytest.raises(MeshError, match=r"head\.ply: .* framed by landmarks"):
        old.clip_of(file)
    assert old.clip_of(file, pose="surface")["views"].shape == (1, 2, 32, 32, 4)


def test_folders_that_are_no_sequence_are_refused(tmp_path):
    shape = dataclasses.replace(config("as_is"), subjects=1)
    (sequence, _) = sequences(shape, "")
    for name in ("f1.ply", "f2.ply", "f10.ply"):
        write_ply(tmp_path / name, sequence.frames[0])
    (tmp_path / "notes.txt").touch()
    assert [p.name for p in mesh_paths(tmp_path)] == ["f1.ply", "f2.ply", "f10.ply"]
    assert other_files(tmp_path) == ["notes.txt"]
    with pytest.raises(MeshError, match="3 meshes, and this run saw single scans"):
        recognizer(shape).clip_of(tmp_path)
    for name in ("sphere.ply", "g2.ply", "f2_1.ply", "f3.obj"):
        (tmp_path / name).touch()
        with pytest.raises(MeshError, match="are not frames of one sequence"):
            mesh_paths(tmp_path)
        (tmp_path / name).unlink()
