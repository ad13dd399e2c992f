"""Captions in datasets: what is stored, by which landmarks, against what."""

import json

import numpy as np
import pytest

from smile_jax.data.builder import against_person, tasks_of, with_landmarks
from smile_jax.data.dataset import open_dataset
from smile_jax.data.examples import (
    Sequence4D,
    Task,
    make_example,
    make_examples,
)
from smile_jax.data.face_model_builder import FaceModelConfig, Heads, posed_sequences
from smile_jax.data.landmark_sources import DetectedLandmarks, VertexLandmarks
from smile_jax.data.records import RecordSource
from smile_jax.data.rendering import rendering_of
from smile_jax.evaluation.fold_loop import evaluate
from smile_jax.evaluation.results import table
from smile_jax.faces import EXPRESSIONS, load_procedural
from smile_jax.faces.captions import NEUTRAL, NUM_ACTIONS, PHRASES, caption
from smile_jax.faces.landmark_motion import FIRST, MODEL, PERSON
from smile_jax.inference.recognizer import Recognizer
from smile_jax.mesh import Mesh
from smile_jax.training.run_plan import make_plan
from tests.conftest import tfds_build
from tests.data.trees import write_tree
from tests.training.common import shrunk_config, train_here
from tests.training.test_resume import assert_identical, final_state


def built(name, data_dir, *flags, **fields):
    config = {"name": "told", "size": 16, "yaws_deg": [-20, 0, 20], "captions": True}
    tfds_build(
        name, f"--config={json.dumps(config | fields)}", *flags, data_dir=data_dir
    )
    dataset = open_dataset(data_dir / name / "told")
    source = RecordSource(dataset.path)
    return dataset, [source[i] for i in range(len(source))]


def check(records, rest):
    """Captions are their numbers in words, and say against what."""
    for record in records:
        assert record["rest"].decode() == rest
        assert record["actions"].shape == (NUM_ACTIONS,)
        assert record["caption"].decode() == caption(record["actions"])
    told = [record["caption"].decode() for record in records]
    assert len(set(told)) > len(told) / 2
    return told


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return built(
        "synthetic_faces", tmp_path_factory.mktemp("data"), subjects=6, intensities=[4],
        neutral=True,
    )  # fmt: skip


def test_single_scans_are_told_against_their_person(scans):
    dataset, records = scans
    metadata = json.loads((dataset.path / "metadata.json").read_text())
    assert metadata["build"]["captions_against"] == {PERSON: len(records)}
    told = check(records, PERSON)
    by_name = dict(zip(dataset.sequences, told, strict=True))
    surprised = [text for name, text in by_name.items() if "surprise" in name]
    happy = [text for name, text in by_name.items() if "happy" in name]
    assert all("inner brows raised" in text for text in surprised)
    assert all("lip corners pulled up" in text for text in happy)
    assert not any("lip corners pulled up" in text for text in surprised)


def test_a_run_learns_each_caption_in_several_phrasings(scans):
    dataset, _ = scans
    config = shrunk_config(
        dataset.path,
        text_source="captions",
        **{
            "objective.smile.alignment_over": "pairs",
            "objective.smile.redundancy": 0.0,
            "objective.smile.pair_width": 1.0, "prompts.phrasings": 4, "data.views": 2,
        },
    )  # fmt: skip
    plan = make_plan(config)
    prompts = plan.train_prompts
    told = set(dataset.captions[plan.pretrain_records])
    assert set(prompts.classes) == told and len(prompts.texts) > 3 * len(told)
    assert plan.fields["actions"] is None  # the records hold them
    for record in plan.pretrain_records:
        row = plan.fields["prompt"][record]
        assert prompts.classes[row] == dataset.captions[record]
        assert (
            prompts.texts[np.flatnonzero(prompts.owners == row)[0]]
            == (dataset.captions[record])
        )
    held_out = np.setdiff1d(np.arange(len(dataset.labels)), plan.pretrain_records)
    unknown = [r for r in held_out if dataset.captions[r] not in told]
    assert (plan.fields["prompt"][unknown] == -1).all()


@pytest.mark.slow
def test_a_run_may_learn_from_captions_and_know_no_words(scans, tmp_path):
    dataset, _ = scans
    keys = {
        "objective.name": "conclugen_captions",
        "objective.conclugen.queue_batches": 1,
    }
    keys |= {"data.views": 2, "train.steps": 3, "model.text.context_length": 96}
    keys |= {
        "objective.smile.alignment_over": "pairs",
        "objective.smile.redundancy": 0.0,
    }
    keys |= {"tune.text": "frozen"}
    train_here(dataset.path, tmp_path / "run", text_source="captions", **keys)
    for stop in (2, 0):  # and what it carries is resumed
        part = keys | {"train.stop_after_steps": stop}
        train_here(dataset.path, tmp_path / "parts", text_source="captions", **part)
    ours, whole = (final_state(tmp_path / x, step=3) for x in ("parts", "run"))
    assert np.abs(whole["extra"]["queue"]).min() > 0
    assert_identical(ours, whole)
    last = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1]
    for term in ("contrast", "clustering", "reconstruction"):
        assert json.loads(last)[f"{term}/loss"] > 0
    (row,) = evaluate(tmp_path / "run", "holdout", baselines=False)["rows"]
    assert row["linear_probe"]["accuracy"] and not row["zero_shot"]
    with pytest.raises(ValueError, match="did not learn to compare faces"):
        Recognizer.of_run(tmp_path / "run").embed_text(["a face"])


@pytest.mark.slow
def test_prompts_are_scored_by_way_of_captions_too(scans, tmp_path):
    dataset, _ = scans
    words = tmp_path / "words.yaml"
    classes = ", ".join(f"{name}: [very {name}]" for name in EXPRESSIONS)
    words.write_text(f"classes: {{{classes}}}")
    train_here(
        dataset.path,
        tmp_path / "run",
        text_source="captions",
        **{
            "objective.smile.alignment_over": "pairs",
            "objective.smile.redundancy_mode": "actions",
            "prompts.style": "actions", "data.views": 2, "train.steps": 2,
            "model.text.context_length": 96,
        },
    )  # fmt: skip
    results = evaluate(tmp_path / "run", "holdout", [str(words)])
    rows = {row["method"]: row for row in results["rows"]}
    scores = rows["smile"]["zero_shot_grounded"]
    assert list(scores) == ["its own", str(words)]
    assert 0 <= scores["its own"]["accuracy"] <= 1
    assert not rows["random_init"]["zero_shot_grounded"]
    assert "by its own prompts, by way of captions: " in table(results)


@pytest.mark.parametrize(("seconds", "tempo"), [(1.0, "quickly"), (8.0, "held")])
def test_captions_tell_how_fast_where_they_are_asked_to(seconds, tempo):
    def made(**fields):
        config = FaceModelConfig(
            name="x", captions=True, intensities=(4,), neutral=False,
            sequence_frames=25, seconds=seconds, frames=0, dynamic=True, size=16,
            yaws_deg=(0,), **fields,
        )  # fmt: skip
        first = next(posed_sequences(config, Heads("", "procedural"), "S0000"))
        return make_example(first, rendering_of(config)).example["caption"]

    assert made(tempo=True) == f"{made()}, {tempo}"
    with pytest.raises(ValueError, match="tempo=True needs captions=True"):
        FaceModelConfig(name="x", tempo=True)


class Counted(list):
    """Frames that count how often they are read."""

    reads = 0

    def __getitem__(self, index):
        self.reads += 1
        return super().__getitem__(index)


@pytest.mark.parametrize("broken", [False, True])
def test_each_scan_of_a_person_is_read_once(broken):
    """And a person who is made in parts gets the same captions."""
    config = FaceModelConfig(name="x", captions=True, intensities=(4,), size=16)
    listed = list(posed_sequences(config, Heads("", "procedural"), "S0000"))
    for sequence in listed:
        sequence.frames = Counted([sequence.frames[0]])
        sequence.facts = None
    if broken:
        listed[2].frames = Counted([Mesh(np.zeros((3, 3), np.float32), _TRIANGLE)])
    (task,) = tasks_of(listed, 100, person=True)
    made = make_examples(task, rendering_of(config))
    reads = [s.frames.reads for s in listed]
    # What cannot be drawn is looked at again, for its measurements.
    assert reads == [1 + (broken and i == 2) for i in range(7)]
    told = [m.example and m.example["caption"] for m in made]
    assert (told[2] is None) == broken
    parts = tasks_of(listed, 3, person=True)
    assert [len(part.sequences) for part in parts] == [3, 3, 1]
    again = [m for part in parts for m in make_examples(part, rendering_of(config))]
    assert [m.example and m.example["caption"] for m in again] == told
    assert {m.rest for m in made} == ({"", PERSON} if broken else {PERSON})


def test_against_what_captions_are_measured():
    single, several = Sequence4D("a", [None], {}), Sequence4D("b", [None] * 3, {})
    assert against_person([single, single], "auto")
    assert not against_person([single, several], "auto")
    assert against_person([several], "person")
    assert not against_person([several], "first")
    assert tasks_of([single, several], 9, person=False) == [
        Task((single,)), Task((several,)),
    ]  # fmt: skip


_TRIANGLE = np.array([[0, 1, 2]], np.int32)


def test_who_has_too_few_scans_is_told_against_the_face_model(tmp_path):
    _, records = built(
        "synthetic_faces", tmp_path, subjects=1, intensities=[], neutral=True
    )
    assert [record["rest"].decode() for record in records] == [MODEL]


def test_a_single_scan_has_no_first_frame(tmp_path):
    with pytest.raises(RuntimeError, match="single scans, which do not move"):
        built("synthetic_faces", tmp_path, subjects=1, rest="first")


def test_sequences_are_told_against_their_first_frame(tmp_path):
    """BU-4DFE's tree, its landmarks as delivered; without them, they are found."""
    tree = tmp_path / "tree"
    write_tree("bu4dfe", tree, points=2500, frames=5)
    dataset, records = built(
        "bu4dfe", tmp_path, f"--manual_dir={tree}", frames=1, dynamic=True
    )
    told = check(records, FIRST)
    by_name = dict(zip(dataset.sequences, told, strict=True))
    assert "lip corners pulled up" in by_name["F001_Happy"]
    assert "jaw dropped" in by_name["F001_Surprise"]
    one = next(tree.glob("**/F001/Happy/002.bnd"))
    one.unlink()
    _, records = built(
        "bu4dfe", tmp_path / "one", f"--manual_dir={tree}", frames=0, dynamic=True
    )
    assert len(records) == 12  # the frame beside it stands for it
    for path in tree.glob("**/*.bnd"):
        path.unlink()
    asked = "landmarks='delivered', which 12 of"
    with pytest.raises(RuntimeError, match=asked):
        built(
            "bu4dfe", tmp_path / "none", f"--manual_dir={tree}", landmarks="delivered"
        )
    dataset, records = built(
        "bu4dfe",
        tmp_path / "found",
        f"--manual_dir={tree}",
        frames=1,
        dynamic=True,
        pose="auto",
    )
    metadata = json.loads((dataset.path / "metadata.json").read_text())
    assert metadata["build"]["captions_by_found_landmarks"] == len(records) == 12
    by_name = dict(zip(dataset.sequences, check(records, FIRST), strict=True))
    assert "lip corners pulled up" in by_name["F001_Happy"]


def test_landmarks_of_one_person_are_of_one_kind():
    """Delivered for all of a person's sequences, or found for all of them."""

    def sequence(subject, delivered):
        return Sequence4D(
            key=f"{subject}{delivered}",
            frames=[],
            labels={"subject": subject},
            landmarks=VertexLandmarks((0,)) if delivered else None,
        )

    listed = [sequence("a", True), sequence("a", True), sequence("b", True)]
    listed.append(sequence("b", False))
    kinds = {
        how: [type(s.landmarks) for s in with_landmarks(listed, how)]
        for how in ("auto", "delivered", "found")
    }
    assert kinds["auto"] == [VertexLandmarks] * 2 + [DetectedLandmarks] * 2
    assert kinds["found"] == [DetectedLandmarks] * 4
    assert kinds["delivered"] == [VertexLandmarks] * 3 + [type(None)]
    mesh = load_procedural()
    own = Mesh(mesh.mean, mesh.faces, landmarks=mesh.mean[mesh.landmarks])
    np.testing.assert_array_equal(DetectedLandmarks()(0, own).points, own.landmarks)
    found = DetectedLandmarks(always=True)(0, own)
    assert found.confidence is not None
    assert np.median(np.linalg.norm(found.points - own.landmarks, axis=1)) < 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "fields"),
    [("bu3dfe", {"intensities": [4]}), ("bosphorus", {"groups": ["N", "E"]})],
)
def test_delivered_landmarks_of_single_scans(tmp_path, layout, fields):
    tree = tmp_path / "tree"
    write_tree(layout, tree, points=2500)
    dataset, records = built(layout, tmp_path, f"--manual_dir={tree}", **fields)
    told = dict(zip(dataset.sequences, check(records, PERSON), strict=True))
    for name, text in told.items():
        expression = dataset.classes[records[list(told).index(name)]["expression"]]
        if expression == "happy":
            assert "lip corners pulled up" in text


@pytest.mark.slow
def test_points_of_a_common_topology(tmp_path):
    tree = tmp_path / "tree"
    write_tree("coma", tree, frames=5)
    listed = tmp_path / "points.json"
    listed.write_text(json.dumps(load_procedural().landmarks.tolist()))
    options = {
        "channels": ["depth", "normals"], "unit_mm": 1000.0, "frames": 1,
        "landmark_vertices": str(listed), "dynamic": True,
    }  # fmt: skip
    _, records = built("coma", tmp_path, f"--manual_dir={tree}", **options)
    assert {record["rest"].decode() for record in records} == {FIRST}
    assert {record["caption"].decode() for record in records} - {NEUTRAL}
    listed.write_text(json.dumps([10**6] * 68))
    with pytest.raises(RuntimeError, match="names the point 1000000"):
        built("coma", tmp_path / "b", f"--manual_dir={tree}", **options)
    listed.write_text("[1, 2]")
    with pytest.raises(RuntimeError, match="numbers of 68 points"):
        built("coma", tmp_path / "c", f"--manual_dir={tree}", **options)


def test_every_phrase_is_written_once():
    texts = [text for phrase in PHRASES for text in (phrase.text, *phrase.others)]
    assert len(set(texts)) == len(texts)
