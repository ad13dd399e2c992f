"""A run on dynamic images, from the dataset to answers about files."""

import json
import zlib

import numpy as np
import pytest

from smile_jax.data.dataset import open_dataset
from smile_jax.data.face_model_builder import Performance
from smile_jax.data.records import RecordSource
from smile_jax.evaluation.fold_loop import evaluate
from smile_jax.faces import Difficulty
from smile_jax.inference.input_files import clip_of, frames_in
from smile_jax.inference.preprocessing import ReadingOptions
from smile_jax.inference.recognizer import Recognizer
from smile_jax.mesh.writers import write_ply
from tests.conftest import tfds_build
from tests.training.common import train_here

CONFIG = {
    "name": "moving", "subjects": 6, "intensities": [4], "neutral": False,
    "sequence_frames": 6, "frames": 0, "dynamic": True, "size": 32,
    "yaws_deg": [-30, 0, 30],
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("moving")
    tfds_build("synthetic_faces", f"--config={json.dumps(CONFIG)}", data_dir=data_dir)
    return data_dir / "synthetic_faces" / "moving"


@pytest.mark.slow
def test_a_run_on_dynamic_images(dataset, tmp_path):
    source = RecordSource(open_dataset(dataset).path)
    assert source[0]["dynamic"].dtype == np.uint16
    workdir = tmp_path / "run"
    keys = {"data.clip": "dynamic", "augment.relight": False, "train.steps": 4}
    printed = train_here(dataset, workdir, **keys)
    assert "step 4/4" in printed
    results = evaluate(workdir, "holdout")
    assert results["rows"][0]["zero_shot"] is not None

    record, dataset_info = source[0], open_dataset(dataset)
    folder = tmp_path / "sequence"
    folder.mkdir()
    frames = Performance(
        source="", family="", identity_modes=None, num_frames=CONFIG["sequence_frames"],
        person_seed=zlib.crc32(b"0/" + record["subject"]), seed=int(record["seed"]),
        expression=dataset_info.classes[record["expression"]],
        intensity=int(record["intensity"]), difficulty=Difficulty(),
    )  # fmt: skip
    for i, mesh in enumerate(frames):
        write_ply(folder / f"{i}.ply", mesh)
    recognizer = Recognizer.of_run(workdir)
    how = ReadingOptions(pose="as_is", unit_mm=1.0)
    clip = recognizer.reader.read(clip_of(*frames_in(folder)), how).batch["views"]
    assert clip.dtype == np.uint16
    gap = np.abs(clip.astype(float) - record["dynamic"]) / 65535
    assert np.quantile(gap, 0.95) < 0.002
