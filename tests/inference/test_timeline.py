"""Answers over time: phases of a curve, and a burst found where it is."""

import csv
import dataclasses
import types

import numpy as np
import pytest

from smile_jax.config import Config
from smile_jax.faces import load_face_model
from smile_jax.faces.events import MICRO, Event
from smile_jax.faces.sampling import RECORDED, sample_clip, sample_subject
from smile_jax.inference.input_files import InputClip, frames_in
from smile_jax.inference.preprocessing import ReadingOptions
from smile_jax.inference.recognizer import Question, Recognizer
from smile_jax.inference.timeline import Timeline, phases_of, plot, write_csv
from smile_jax.mesh import MeshError
from smile_jax.mesh.writers import write_ply
from smile_jax.training.run_info import RenderSettings

QUESTION = Question(("a smile", "rest"), None)


@pytest.mark.parametrize(
    "curve, phases",
    [
        ([0, 0, 0.1, 0.5, 1, 0.6, 0.1, 0], (3, 4, 5)),
        ([0, 1, 1, 0], (1, 1, 2)),
        ([1, 0.5, 0], (0, 0, 1)),
        ([0, 0.5, 1], (1, 2, 2)),
        ([0.3, 0.3], (0, 0, 1)),
        ([0, 0.9, 0, 1, 0], (3, 3, 3)),
    ],
)
def test_phases_by_hand(curve, phases):
    assert phases_of(np.array(curve, float)) == phases


def timeline() -> Timeline:
    curve = np.array([0.1, 0.2, 0.9, 0.3])
    return Timeline(
        frames=np.array([10, 12, 14, 16]),
        time_s=np.arange(4) / 5,
        motion_mm=np.array([0, 0.1, 0.8, 0.2]),
        prompts=("smile", "$x"),
        probabilities=np.stack([curve, 1 - curve], axis=1),
        seconds=True,
    )


def test_rows_and_picture(tmp_path):
    write_csv({"a": timeline()}, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["frame"] for row in rows] == ["10", "12", "14", "16"]
    assert rows[2]["smile"] == "0.9000" and rows[2]["time_s"] == "0.4000"
    assert timeline().phases("smile") == {"onset": 14, "apex": 14, "offset": 16}
    plot({"a": timeline(), "b": timeline()}, tmp_path / "t.png")
    assert (tmp_path / "t.png").stat().st_size > 10_000


def recognizer() -> Recognizer:
    """Of a run on single scans, in place of whose model the mouth's corners count: how
    far the lower half of the picture is from the first one's."""
    rendering = RenderSettings(
        yaws_deg=(0.0,), channels=("depth",), clip="views", frames=1, motion=False,
        size=48, pose="as_is", framing="face", still=False, magnify=0.0,
        band_hz=(0.0, np.inf), extents_mm=None,
    )  # fmt: skip
    info = types.SimpleNamespace(rendering=rendering, config=Config())
    temporal = types.SimpleNamespace(needs=())
    spec = types.SimpleNamespace(model=types.SimpleNamespace(temporal=temporal))
    found = Recognizer(spec, {}, info)
    first: list[np.ndarray] = []

    def probabilities(batch, question):
        views = batch["views"][:, 0, 0, 24:].astype(float)
        first.append(views[:1])
        moved = np.abs(views - first[0]).mean(axis=(1, 2, 3))
        share = 1 - np.exp(-moved)
        return np.stack([share, 1 - share], axis=1)

    found.probabilities = probabilities
    found.embed = lambda batch: (batch, {})
    return found


@pytest.fixture(scope="module")
def burst(tmp_path_factory):
    """A folder of 20 scans with a strong smile from frame 8 to 14."""
    model = load_face_model("")
    calm = dataclasses.replace(RECORDED, sensor_mm=0.0, holes=0.0, pose_deg=0.0)
    rng = np.random.default_rng(0)
    still = sample_clip(
        model, sample_subject(model, rng, calm), "neutral", 0, rng, calm, 20
    )
    event = Event(8, 11, 14, MICRO, ("positive",), {"AU12": 0.9, "AU26": 0.5})
    course = {name: w * event.curve(20) for name, w in event.actions.items()}
    clip = dataclasses.replace(still, course=course)
    folder = tmp_path_factory.mktemp("burst")
    for i in range(20):
        write_ply(folder / f"{i:03d}.ply", clip[i])
    return folder


def test_a_burst_peaks_inside_itself(burst):
    clip = InputClip("burst", frames_in(burst))
    _, found = recognizer().timeline_of(clip, QUESTION, ReadingOptions(rate_hz=10.0))
    assert found.frames.tolist() == list(range(20)) and found.seconds
    np.testing.assert_allclose(found.time_s, np.arange(20) / 10)
    phases = found.phases("a smile")
    assert 8 <= phases["onset"] <= phases["apex"] <= phases["offset"] <= 14
    assert phases["apex"] == found.motion_mm.argmax() == 11
    assert found.motion_mm[:8].max() < 0.2 < 2 < found.motion_mm[11]


def test_one_mesh_has_no_timeline(burst):
    with pytest.raises(MeshError, match="no timeline of it"):
        recognizer().timeline_of(
            InputClip("one", (burst / "000.ply",)), QUESTION, ReadingOptions()
        )
