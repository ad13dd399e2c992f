"""Runs that older versions of the checkpoints wrote are continued, evaluated, used.

`old_runs/format_2.tar.xz` holds the first two of four steps of the demo, shrunk until
it is small, on the procedural `tiny` config. It was made by

    smile-jax train --config=experiments/demo.py --workdir=half \
        --config.data.dir=/data/synthetic_faces/tiny --config.train.stop_after_steps=2 \
        (and the keys below)

at the last commit of that format. It goes through the upgrades to all later ones; a new
format whose upgrade it does not go through adds an archive here and changes none.

`old_runs/format_7_conv.tar.xz` is the same with `CONV` in place of the keys of a
transformer: whatever `stem` and `pool` said, of convolutions there was one kind. Its
checksums were taken out, for the dataset's place is put in.
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
from smile_jax.models.convnet import ConvConfig
from smile_jax.training.run_info import RunInfo
from smile_jax.training.run_migration import FORMAT
from tests.conftest import tfds_build
from tests.training.common import train_here

OLD = pathlib.Path(__file__).parent / "old_runs"
KEYS = {
    "train.steps": 4,
    "model.vision.width": 4,
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
VIT = {
    "model.vision.patch_size": 8,
    "model.vision.heads": 1,
    "model.vision.mlp_width": 4,
    "model.vision.stem": "patch",
}
CONV = {
    "model.vision.kind": "conv",
    "model.vision.depth": 2,
    "model.vision.stem": "patch",
    "model.vision.pool": "class",
}
# Of the same runs when they went on at those commits, on one device, on `tiny` as it
# was framed then.
LOSSES = (12.097917556762695, 12.344486236572266)
CONV_LOSSES = (31.076725006103516, 35.76166915893555)


@pytest.fixture(scope="module")
def tiny_then(tmp_path_factory):
    """`tiny` as it was framed then."""
    folder = tmp_path_factory.mktemp("then")
    config = {
        "name": "then", "subjects": 8, "intensities": [2, 4], "size": 32,
        "yaws_deg": [-30.0, 0.0, 30.0], "framing": "face",
    }  # fmt: skip
    flag = f"--config={json.dumps(config)}"
    tfds_build("synthetic_faces", flag, data_dir=folder)
    return folder / "synthetic_faces" / "then"


@pytest.fixture
def old_dataset(tiny_then, tmp_path):
    """The same as it says of itself that it was built then."""
    copied = tmp_path / "synthetic_faces" / "tiny"
    shutil.copytree(tiny_then, copied)
    metadata = next(copied.rglob("metadata.json"))
    said = json.loads(metadata.read_text())
    del said["framing"]
    metadata.write_text(json.dumps(said))
    return copied


@pytest.fixture
def old_run(old_dataset, tmp_path):
    return unpacked("format_2", "1.0.0", old_dataset, tmp_path)


def unpacked(name, version, dataset, folder):
    """The run of an archive, as if a dataset had been its own."""
    with tarfile.open(OLD / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    workdir = folder / "half"
    (run,) = workdir.glob("checkpoints/*/run/metadata")
    before = f"/data/synthetic_faces/tiny/{version}"
    run.write_text(run.read_text().replace(before, str(open_dataset(dataset).path)))
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
    goes_on(old_run, old_dataset, LOSSES, **VIT)


def test_a_convolutional_tower_stays_what_it_was(tiny_then, tmp_path):
    workdir = unpacked("format_7_conv", "3.3.0", tiny_then, tmp_path)
    vision = Recognizer.of_run(workdir).info.model.vision
    assert isinstance(vision, ConvConfig)
    assert (vision.stem, vision.pool) == ("conv", "mean")
    now = {**CONV, "model.vision.stem": "conv", "model.vision.pool": "mean"}
    goes_on(workdir, tiny_then, CONV_LOSSES, **now)


def goes_on(workdir, dataset, losses, **keys):
    """Checks that the last two steps have the losses that they once had."""
    printed = train_here(dataset, workdir, **KEYS, **keys)
    assert "steps      2 of 4 done" in printed
    rows = [json.loads(x) for x in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    np.testing.assert_allclose([r["loss"] for r in rows[2:]], losses, rtol=2e-4)
    (run,) = workdir.glob("checkpoints/4/run/metadata")
    assert json.loads(run.read_text())["format"] == FORMAT


def test_it_is_evaluated(old_run):
    results = evaluate(old_run, "holdout")
    smile = results["rows"][0]
    assert smile["method"] == "smile" and smile["zero_shot"] is not None
    assert results["step"] == 2
