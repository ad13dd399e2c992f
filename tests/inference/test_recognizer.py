"""A trained run answers for files: scans, sequences, what is no face."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest

import smile_jax
from smile_jax import predict
from smile_jax.data.rendering import POSES
from smile_jax.evaluation.fold_loop import evaluate
from smile_jax.inference.prediction import Prediction, Predictions
from smile_jax.inference.recognizer import HEADS
from smile_jax.inference.reference_set import FILE
from smile_jax.mesh import Mesh, MeshError, read_mesh
from smile_jax.mesh.writers import write_obj, write_ply
from smile_jax.training.checkpoints import CheckpointError
from tests.faces.heads import performed
from tests.mesh.shapes import sphere


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    clip = performed("happy", 7, seed=1)
    (folder / "clip").mkdir()
    for i in range(7):
        write_ply(folder / "clip" / f"{i}.ply", clip[i])
    write_ply(folder / "scan.ply", clip[3])
    write_ply(folder / "ball.ply", sphere(90.0, n=50))
    (folder / "broken.ply").write_text("ply\n")
    return folder


@pytest.fixture(scope="module")
def run(plain_run, tmp_path_factory):
    """An evaluated copy."""
    workdir = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(plain_run, workdir)
    evaluate(workdir, "holdout")["known"].save(workdir)
    return workdir


@pytest.fixture(scope="module")
def model(run):
    return smile_jax.load(run)


def test_a_scan(model, files):
    r = model.predict(str(files / "scan.ply"), prompts=["a happy face", "a sad face"])
    assert isinstance(r, Prediction) and r.label in r.probabilities
    assert sum(r.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(r.embedding) == pytest.approx(1, abs=1e-5)
    assert r.view_weights.sum() == pytest.approx(1, abs=1e-5)
    assert r.view_probabilities.shape == (len(r.yaws_deg), 2)
    assert r.is_face and r.face_score > 0.8 and r.timeline is None and r.read is None
    assert r.unit_mm == 1 and r.pose == "as it is" and len(r.nearest) == 3
    assert set(model.predict(files / "scan.ply").probabilities) == set(
        model.info.config.data.classes
    )


def test_of_several_heads_each_can_be_answered(model, files, tmp_path):
    """The surest alone by default, and how many there are is said."""
    happy, sad = read_mesh(files / "scan.ply"), performed("sad", seed=2)[0]
    beside = (sad.vertices * [-1, 1, -1] + [340, 0, 0]).astype(np.float32)
    points = np.concatenate([happy.vertices, beside])
    faces = np.concatenate([happy.faces, sad.faces + len(happy.vertices)])
    write_ply(tmp_path / "two.ply", Mesh(points, faces.astype(np.int32)))
    one = model.predict(tmp_path / "two.ply")
    assert one.is_face and any("2 heads" in line for line in one.warnings)
    paths = [tmp_path / "two.ply", files / "scan.ply", files / "broken.ply"]
    found = model.predict(paths, heads="all")
    names = [pathlib.Path(answer.name).name for answer in found]
    assert names == ["two.ply#1", "two.ply#2", "scan.ply"] and len(found.skipped) == 1
    first, second, alone = found
    assert abs(first.turned_deg - second.turned_deg) > 90
    assert not any("heads" in line for line in (*first.warnings, *alone.warnings))
    embedding = max(
        first.embedding @ alone.embedding, second.embedding @ alone.embedding
    )
    assert embedding > 0.98
    with pytest.raises(ValueError, match="heads='both'"):
        model.predict(paths, heads="both")


def test_a_sequence_of_a_run_on_scans_is_answered_frame_by_frame(model, files):
    r = model.predict(files / "clip")
    assert r.frames == 7 and r.timeline.frames.tolist() == list(range(7))
    apex = int(r.timeline.motion_mm.argmax())
    assert 1 < apex < 6
    # The clip's answer is that of its apex, not of its first frame.
    np.testing.assert_allclose(
        list(r.probabilities.values()), r.timeline.probabilities[apex], atol=1e-4
    )
    alone = model.predict(files / "clip" / f"{apex}.ply", pose="as_is")
    assert alone.timeline is None
    each = model.predict(files / "clip", how="each")
    assert isinstance(each, Predictions) and len(each) == 7


def test_lists_go_on_where_one_file_cannot_be_used(model, files):
    names = [files / n for n in ("scan.ply", "broken.ply", "ball.ply")]
    told = []
    found = model.predict(
        names, batch_size=2, progress=lambda done, total: told.append((done, total))
    )
    assert [a.name.split("/")[-1] for a in found] == ["scan.ply", "ball.ply"]
    assert list(found.skipped) == [str(files / "broken.ply")]
    assert told[-1] == (3, 3)
    ball = found[1]
    assert not ball.is_face and "taken for no face" in ball.warnings[0]
    found = model.predict(names, require_face=True)
    assert len(found) == 1 and "no face" in found.skipped[str(files / "ball.ply")]
    with pytest.raises(MeshError, match=r"broken\.ply: byte"):
        model.predict(files / "broken.ply")


def test_one_prompt_is_compared_with_nothing(model, files):
    r = model.predict(files / "scan.ply", ["a happy face"])
    assert list(r.probabilities.values()) == [1.0]
    (text,) = smile_jax.embed_text(["a happy face"], model)
    assert r.cosines["a happy face"] == pytest.approx(
        float(text @ r.embedding), abs=1e-5
    )
    assert r.row()["cosine"] == pytest.approx(r.cosines["a happy face"], abs=1e-4)
    (said,) = r.warnings
    assert "compared with nothing" in said and f"{text @ r.embedding:.3f}" in said
    two = model.predict(files / "scan.ply", ["a happy face", "a sad face"])
    assert not two.warnings and "cosine" not in two.row()


def test_frames_are_numbered_by_their_names(model, files, tmp_path):
    """Frames 000, 001, 008 at 25 Hz: the last one is 0.32 s after the first."""
    for number, place in (("000", 0), ("001", 1), ("008", 3)):
        shutil.copy(files / "clip" / f"{place}.ply", tmp_path / f"f_{number}.ply")
    r = model.predict(tmp_path, how="sequence", rate_hz=25.0)
    assert r.timeline.frames.tolist() == [0, 1, 8]
    np.testing.assert_allclose(r.timeline.time_s, [0, 0.04, 0.32])
    assert set(r.timeline.phases(r.label).values()) <= {0, 1, 8}
    assert "6 frame numbers are missing between 0 and 8" in r.warnings[0]


def test_a_lost_texture_is_told_by_a_run_that_sees_it(model, files, tmp_path):
    assert "texture" in model.info.config.data.inputs
    mesh = read_mesh(files / "scan.ply")
    uv = np.zeros((len(mesh.vertices), 2), np.float32)
    plain = dataclasses.replace(mesh, colors=None, uv=uv, uv_faces=mesh.faces)
    write_obj(tmp_path / "a.obj", plain, "skins/mine.png")
    r = model.predict(tmp_path / "a.obj")
    assert "its texture image 'skins/mine.png' is not found in" in r.warnings[0]
    assert "no texture, which this run sees" in r.warnings[1]
    write_obj(tmp_path / "b.obj", dataclasses.replace(mesh, colors=None))
    assert "no texture" in model.predict(tmp_path / "b.obj").warnings[0]
    assert not model.predict(files / "scan.ply").warnings


def test_batches_do_not_change_answers(model, files):
    paths = sorted((files / "clip").glob("*.ply"))
    one, many = (model.predict(paths, batch_size=size, pose="as_is") for size in (1, 5))
    for a, b in zip(one, many, strict=True):
        np.testing.assert_allclose(a.embedding, b.embedding, atol=1e-5)


def test_the_probe_and_what_needs_an_evaluation(model, run, files, tmp_path):
    r = model.predict(files / "scan.ply", head="probe")
    assert set(r.probabilities) == set(model.info.config.data.classes)
    assert r.view_probabilities is None and r.distance is not None
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / FILE).unlink()
    fresh = smile_jax.load(tmp_path / "run")
    assert fresh.predict(files / "scan.ply").distance is None
    with pytest.raises(ValueError, match="evaluate the run first"):
        fresh.predict(files / "scan.ply", head="probe")
    for wrong, said in (
        ({"head": "oracle"}, "head='oracle'"),
        ({"head": "probe", "prompts": ["a"]}, "not prompts"),
        ({"head": "zero_shot_grounded"}, "learned from captions"),
        ({"prompts": "a happy face"}, "give a list"),
        ({"prompts": ["a", "a"]}, "twice"),
        ({"how": "sideways"}, "'sideways'"),
        ({"pose": "sideways"}, "pose='sideways'"),
    ):
        with pytest.raises(ValueError, match=said):
            model.predict(files / "scan.ply", **wrong)


def test_the_same_clip_seen_otherwise(model, files):
    r = model.predict(files / "clip", keep=True)
    question = model.question()
    same = model.again(r, question)
    np.testing.assert_allclose(same.embedding, r.embedding, atol=1e-5)
    one = model.again(r, question, cameras=[0])
    assert one.view_weights.tolist() == [1.0] and len(one.yaws_deg) == 1
    first = model.again(r, question, frame=0)
    np.testing.assert_allclose(
        list(first.probabilities.values()), r.timeline.probabilities[0], atol=1e-4
    )
    lit = model.again(r, question, light_from=(0.9, 0.0, 0.436))
    assert np.abs(lit.embedding - r.embedding).max() > 1e-4


def test_texts_and_names(model, run):
    texts = smile_jax.embed_text(["a happy face", "a sad face"], model)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)
    again = smile_jax.embed_text(["a sad face"], run)
    np.testing.assert_allclose(again[0], texts[1], atol=1e-5)
    with pytest.raises(CheckpointError, match="nothing/here: there is no such folder"):
        smile_jax.load("nothing/here")
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        smile_jax.lode  # noqa: B018
    assert "load" in dir(smile_jax)


def test_what_is_kept_is_of_these_parameters(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    assert smile_jax.load(copy).known is not None
    kept = smile_jax.load(copy).known
    type(kept)(**{**vars(kept), "step": 1}).save(copy)
    assert smile_jax.load(copy).known is None


def test_the_command_knows_the_choices_without_importing_them():
    assert predict._HEADS == HEADS and set(predict._POSES) == set(POSES)
