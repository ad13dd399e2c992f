"""A run that version 2 of the checkpoints wrote is continued, evaluated, used.

`old_runs/format_2.tar.xz` holds the first two of four steps of the demo, shrunk until
it is small, on the procedural `tiny` config. It was made by

    smile-jax train --config=experiments/demo.py --workdir=half \
        --config.data.dir=/data/synthetic_faces/tiny --config.train.stop_after_steps=2 \
        (and the keys below)

at the last commit of that format. It goes through the upgrades to all later ones; a new
format whose upgrade it does not go through adds an archive here and changes none.
"""

import json
import pathlib
import shutil
import tarfile

import numpy as np
import pytest

from smile_jax.config import ConfigError
from smile_jax.data.dataset import open_dataset
from smile_jax.evaluation.fold_loop import evaluate
from smile_jax.inference.recognizer import Recognizer
from smile_jax.training.run_info import RunInfo
from smile_jax.training.run_migration import FORMAT
from tests.training.common import train_here

OLD = pathlib.Path(__file__).parent / "old_runs" / "format_2.tar.xz"
KEYS = {
    "train.steps": 4,
    "model.vision.patch_size": 8,
    "model.vision.width": 4,
    "model.vision.heads": 1,
    "model.vision.mlp_width": 4,
    "model.vision.stem": "patch",
    "model.text.width": 4,
    "model.text.heads": 1,
    "model.text.mlp_width": 8,
    "model.text.vocab_size": 336,
    "tune.text": "frozen",
    "model.projector_dim": 4,
    "model.embed_dim": 4,
    "train.log_every": 1,
    "train.keep_checkpoints": 1,
}
# Of the same run when it went on at that commit, on one device, on `tiny` as it is
# built now.
LOSSES = (12.097917556762695, 12.344486236572266)


@pytest.fixture
def old_dataset(tiny_dataset, tmp_path):
    """`tiny` as it says of itself that it was built then."""
    copied = tmp_path / "synthetic_faces" / "tiny"
    shutil.copytree(tiny_dataset, copied)
    metadata = next(copied.rglob("metadata.json"))
    said = json.loads(metadata.read_text())
    del said["framing"]
    metadata.write_text(json.dumps(said))
    return copied


@pytest.fixture
def old_run(old_dataset, tmp_path):
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    workdir = tmp_path / "half"
    (run,) = workdir.glob("checkpoints/*/run/metadata")
    before, now = "/data/synthetic_faces/tiny/1.0.0", open_dataset(old_dataset).path
    run.write_text(run.read_text().replace(before, str(now)))
    return workdir


def test_a_key_that_no_method_had_is_named(old_run):
    (run,) = old_run.glob("checkpoints/*/run/metadata")
    stored = json.loads(run.read_text())
    stored["config"]["loss"]["magic"] = 1.0
    with pytest.raises(ConfigError, match=r"objective\.magic: there is no such"):
        RunInfo.from_json(stored, old_run)


def test_it_goes_on_as_it_would_have(old_run, old_dataset):
    info = Recognizer.of_run(old_run).info
    assert info.config.objective.name == "smile"
    assert (
        info.config.objective.smile.redundancy_off_diagonal
        == info.config.objective.smile.off_diagonal
    )
    assert info.rendering.framing == "landmarks"
    printed = train_here(old_dataset, old_run, **KEYS)
    assert "steps      2 of 4 done" in printed
    rows = [json.loads(x) for x in (old_run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    np.testing.assert_allclose([r["loss"] for r in rows[2:]], LOSSES, rtol=2e-4)
    (run,) = old_run.glob("checkpoints/4/run/metadata")
    assert json.loads(run.read_text())["format"] == FORMAT


def test_it_is_evaluated(old_run):
    results = evaluate(old_run, "holdout")
    smile = results["rows"][0]
    assert smile["method"] == "smile" and smile["zero_shot"] is not None
    assert results["step"] == 2
