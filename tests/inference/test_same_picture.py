"""What `predict` sees of a file is what training saw of the same head."""

import dataclasses
import functools
import types

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smile_jax.config import Config
from smile_jax.data.examples import Sequence4D, make_example
from smile_jax.data.face_model_builder import FaceModelConfig, Heads, posed_sequences
from smile_jax.data.pose_landmarks import labelled_anchors
from smile_jax.evaluation.linear_probe import linear_probe
from smile_jax.faces import Difficulty
from smile_jax.inference.input_files import clip_of
from smile_jax.inference.preprocessing import Reader, ReadingOptions
from smile_jax.mesh import Landmarks, Mesh, MeshError
from smile_jax.mesh.landmark_schemes import bosphorus_labels
from smile_jax.mesh.writers import write_landmarks, write_obj, write_ply
from smile_jax.training.run_info import RenderSettings
from tests.faces.heads import performed
from tests.mesh.shapes import sphere

CALM = Difficulty(pose_deg=0.0, shift_mm=0.0, holes=0.0)
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


def sequences(config, source):
    """Of all people, a happy and an angry one of each."""
    config = dataclasses.replace(config, intensities=(3,))
    heads = Heads(source, "ict" if source else "procedural")
    return [
        sequence
        for i in range(config.subjects)
        for expression in ("happy", "anger")
        for sequence in posed_sequences(config, heads, f"S{i:04d}")
        if sequence.labels["expression"] == expression
    ]


SAID = {
    "as_is": "as it is",
    "landmarks": "turned by its landmark file",
    "found": "turned by its face",
    "surface": "turned by its surface",
}


def reader(config, extents_mm=None) -> Reader:
    """Of a run on such a dataset."""
    rendering = RenderSettings(
        yaws_deg=config.yaws_deg,
        channels=config.channels,
        clip="views",
        frames=config.frames,
        motion=config.motion,
        size=config.size,
        pose=config.pose,
        framing=config.framing,
        still=config.still,
        magnify=config.magnify,
        band_hz=config.band_hz,
        extents_mm=extents_mm,
    )
    return Reader(types.SimpleNamespace(rendering=rendering, config=Config()))


def other_scan(mesh: Mesh, seed: int = 0) -> Mesh:
    """The same surface with its points in another order."""
    order = np.random.default_rng(seed).permutation(len(mesh.vertices))
    place = np.argsort(order).astype(np.int32)
    return Mesh(mesh.vertices[order], place[mesh.faces])


def delivered_anchors(sequence):
    return labelled_anchors(bosphorus_labels(sequence.frames[0].landmarks))


def write_labelled_landmarks(path, sequence) -> None:
    """As a `.lm3` file; frames of generated heads have those of their model."""
    found = bosphorus_labels(sequence.frames[0].landmarks)
    write_landmarks(path, Landmarks(np.stack(list(found.values())), tuple(found)))


@pytest.mark.parametrize(
    "pose, ict, suffix",
    [
        ("as_is", False, "ply"),
        ("landmarks", False, "obj"),
        ("found", False, "ply"),
        *(
            pytest.param(*variant, marks=pytest.mark.slow)
            for variant in (
                ("surface", False, "ply"),
                ("as_is", True, "ply"),
                ("as_is", True, "obj"),
                ("surface", True, "ply"),
                ("found", True, "ply"),
                ("landmarks", True, "ply"),
            )
        ),
    ],
)
def test_scores_are_those_of_the_dataset(pose, ict, suffix, request, tmp_path):
    path = str(request.getfixturevalue("ict_archive")) if ict else ""
    shape = config(pose)
    found = sequences(shape, path)
    if pose == "landmarks":  # as they are delivered with scans
        for sequence in found:
            sequence.anchors = functools.partial(delivered_anchors, sequence)
    made = [make_example(sequence, shape) for sequence in found]
    assert not any(m.skipped or m.notes for m in made)
    stored = np.stack([m.example["views"] for m in made])
    split = 2 * TRAINED
    of_run, how = reader(shape), ReadingOptions(pose=pose, unit_mm=1.0)
    seen = []
    for i, sequence in enumerate(found[split:]):
        file = tmp_path / f"{i}.{suffix}"
        (write_ply if suffix == "ply" else write_obj)(file, sequence.frames[0])
        if pose == "landmarks":
            with pytest.raises(MeshError, match=r"neither .* is beside it"):
                of_run.read(clip_of(file), how)
            write_labelled_landmarks(file.with_suffix(".lm3"), sequence)
        read = of_run.read(clip_of(file), how)
        seen.append(read.batch["views"])
        assert read.placing.said == SAID[pose]
    seen = np.stack(seen)
    difference = np.abs(stored[split:].astype(int) - seen)
    assert (difference > 2).mean() < 1e-3
    people, labels = np.repeat(np.arange(TRAINED), 2), np.tile([0, 1], TRAINED)
    flat = [x.reshape(len(x), -1).astype(np.float32) for x in (stored, seen)]
    probe = linear_probe(flat[0][:split], labels, people)
    answers = [probe(test) for test in (flat[0][split:], flat[1])]
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
    seen = reader(shape, (extent, extent)).read(clip_of(file))
    assert seen.batch["views"].shape == (1, 2, 32, 32, 4)
    with pytest.raises(MeshError, match=r"head\.ply: its picture is .* unit_mm"):
        reader(shape, (extent / 2, extent / 1.5)).read(clip_of(file))
    before = dataclasses.replace(reader(shape).info.rendering, framing="landmarks")
    old = Reader(types.SimpleNamespace(rendering=before, config=Config()))
    with pytest.raises(MeshError, match=r"head\.ply: .* framed by landmarks"):
        old.read(clip_of(file), ReadingOptions(pose="as_is"))
    assert (
        old.read(clip_of(file), ReadingOptions(pose="surface")).placing.turned_deg < 30
    )
    with pytest.raises(MeshError, match="2 meshes, and this run saw single scans"):
        reader(shape).read(clip_of(file, file))


@pytest.mark.parametrize("done", [{"still": True}, {"magnify": 4.0}])
def test_motion_is_treated_as_in_the_dataset(done, tmp_path):
    frames = performed("happy", 5)
    for i, mesh in enumerate(frames):
        write_ply(tmp_path / f"{i}.ply", dataclasses.replace(mesh, landmarks=None))
    paths = sorted(tmp_path.iterdir())
    shape = dataclasses.replace(
        config("as_is"), frames=5, framing="box", channels=("depth",), **done
    )
    stored, plain = (
        make_example(Sequence4D("x", frames, {}), form).example["views"].astype(int)
        for form in (shape, dataclasses.replace(shape, still=False, magnify=0.0))
    )
    record = (
        reader(shape)
        .read(clip_of(*paths), ReadingOptions(pose="as_is", unit_mm=1.0))
        .record
    )
    assert np.abs(record["views"] - stored).mean() < 0.05
    assert np.abs(record["views"] - plain).mean() > 0.2


@pytest.mark.parametrize("unit, millimetres", [("mm", 1), ("cm", 10), ("m", 1000)])
def test_units_are_told_by_the_face(unit, millimetres, tmp_path):
    shape = dataclasses.replace(config("as_is"), subjects=1)
    (sequence, _) = sequences(shape, "")
    head = sequence.frames[0]
    scaled = dataclasses.replace(
        head, vertices=head.vertices / np.float32(millimetres), landmarks=None
    )
    write_ply(tmp_path / "head.ply", scaled)
    read = reader(shape).read(clip_of(tmp_path / "head.ply"))
    assert read.placing.unit_mm == millimetres
    expected = make_example(sequence, shape).example["views"]
    difference = np.abs(expected.astype(int) - read.batch["views"])
    assert (difference > 2).mean() < 0.01


def test_what_shows_no_face_is_no_matter_of_units(tmp_path):
    """Where the picture is of another size than training's, that is the reason."""
    write_ply(tmp_path / "far.ply", sphere(n=20, radius=3.0))
    with pytest.raises(MeshError, match=r"far\.ply: no face found") as raised:
        reader(config("as_is"), (190.0, 190.0)).read(clip_of(tmp_path / "far.ply"))
    assert "unit" not in str(raised.value)


@pytest.mark.parametrize(
    "turn_deg, said", [(8, "as it is"), (35, "turned by its face")]
)
def test_heads_far_off_the_front_are_turned(turn_deg, said, tmp_path):
    shape = dataclasses.replace(config("as_is"), subjects=1, difficulty=CALM)
    (sequence, _) = sequences(shape, "")
    head = sequence.frames[0]
    turn = Rotation.from_euler("y", turn_deg, degrees=True).as_matrix()
    turned = (head.vertices @ turn.T).astype(np.float32)
    write_ply(tmp_path / "a.ply", dataclasses.replace(head, vertices=turned))
    read = reader(shape).read(clip_of(tmp_path / "a.ply"))
    assert read.placing.said.startswith(said)
    assert abs(read.placing.turned_deg - turn_deg) < 5
    kept = reader(shape).read(clip_of(tmp_path / "a.ply"), ReadingOptions(pose="as_is"))
    assert kept.placing.said == "as it is"


def test_what_has_no_face_to_turn_is_said(tmp_path):
    write_ply(tmp_path / "ball.ply", sphere(90.0, n=40))
    read = reader(config("as_is")).read(clip_of(tmp_path / "ball.ply"))
    assert "there is no face" in read.placing.said and read.placing.sure < 0.3
    with pytest.raises(MeshError, match=r"ball\.ply: no face found"):
        reader(config("as_is")).read(
            clip_of(tmp_path / "ball.ply"), ReadingOptions(pose="found")
        )


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"pose": "sideways"}, "pose='sideways'"),
        ({"unit_mm": -1.0}, "unit_mm=-1.0"),
        ({"rate_hz": float("inf")}, "rate_hz=inf"),
    ],
)
def test_settings_are_checked(wrong, said):
    with pytest.raises(ValueError, match=said):
        ReadingOptions(**wrong)
