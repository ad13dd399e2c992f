"""Results as rows and files."""

import csv
import json

import numpy as np
import pytest

from smile_jax.inference.prediction import Prediction, Predictions
from tests.inference.test_timeline import timeline


def prediction(name="a.ply", **changes) -> Prediction:
    fields = {
        "name": name,
        "frames": 1,
        "label": "smile",
        "probabilities": {"smile": 0.912345, "$x": 0.087655},
        "view_probabilities": np.array([[0.9, 0.1], [0.4, 0.6]], np.float32),
        "embedding": np.ones(4, np.float32) / 2,
        "feature": np.arange(3, dtype=np.float32),
        "views": np.ones((2, 4), np.float32) / 2,
        "yaws_deg": (-30.0, 30.0),
        "view_weights": np.array([0.25, 0.75], np.float32),
        "frame_weights": None,
        "is_face": True,
        "face_score": 0.93,
        "distance": None,
        "nearest": (),
        "pose": "as it is",
        "turned_deg": float("nan"),
        "unit_mm": 1.0,
    }
    return Prediction(**fields | changes)


def answers() -> Predictions:
    return Predictions(
        [prediction(), prediction("clip", frames=4, timeline=timeline())],
        {"b.ply": "broken"},
        ("notes.txt",),
        ("x: 2 meshes, taken as single scans",),
    )


def test_rows_have_four_digits_and_say_what_was_done():
    first, second = answers().rows()
    assert first["file"] == "a.ply" and first["prediction"] == "smile"
    assert first["smile"] == 0.9123 and first["prediction at 30 deg"] == "$x"
    assert first["weight at -30 deg"] == 0.25 and first["turned_deg"] is None
    assert first["onset"] is None and second["apex"] == 14
    assert list(first) == list(second)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_files_hold_the_rows(tmp_path, suffix):
    path = tmp_path / "new" / f"answers{suffix}"
    if suffix == ".parquet":
        pd = pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
    answers().write(path)
    if suffix == ".csv":
        rows = list(csv.DictReader(path.read_text().splitlines()))
        assert rows[1]["offset"] == "16" and rows[0]["distance"] == ""
    elif suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert rows == answers().rows()
    else:
        assert pd.read_parquet(path)["smile"].tolist() == [0.9123, 0.9123]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_other_files_are_refused_before_anything_is_done(tmp_path):
    with pytest.raises(ValueError, match=r"x\.txt: name a file of \.csv, \.jsonl"):
        answers().write(tmp_path / "x.txt")
    with pytest.raises(ValueError, match=r"x\.csv: name a file of \.npz"):
        answers().write_embeddings(tmp_path / "x.csv")


def test_embeddings_and_slices(tmp_path):
    found = answers()
    found.write_embeddings(tmp_path / "e.npz")
    with np.load(tmp_path / "e.npz") as file:
        assert file["names"].tolist() == ["a.ply", "clip"]
        assert file["views"].shape == (2, 2, 4) and file["feature"].shape == (2, 3)
    assert len(found) == 2 and found[1].name == "clip" and len(found[:1]) == 1
    assert found[:1].skipped == {"b.ply": "broken"}
    assert repr(found) == "Predictions(2 answers, 1 files skipped)"
    pytest.importorskip("pandas")
    assert found.to_pandas()["smile"].tolist() == [0.9123, 0.9123]
