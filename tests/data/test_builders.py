"""The builders, run as a user runs them: `tfds build`."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
import types
from collections.abc import Sequence

import numpy as np
import pytest

from smile_jax.data.builder import BuildReport, FaceDatasetBuilder
from smile_jax.data.channels import channel_slices
from smile_jax.data.dataset import open_dataset
from smile_jax.data.examples import BuildResult, Sequence4D
from smile_jax.data.face_model_builder import CONFIGS
from smile_jax.data.record_index import make_index, read_index
from smile_jax.data.records import RecordSource
from smile_jax.data.rendering import sample_frames
from smile_jax.data.schema import FacesConfig
from smile_jax.mesh import MeshError, dynamic_image
from tests.conftest import tfds_build
from tests.mesh.shapes import sphere
from tfds_builders.ict_faces.ict_faces_dataset_builder import Builder as IctFaces


def test_schema_of_the_tiny_dataset(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    assert len(dataset.labels) == 8 * (6 * 2 + 1)
    assert len(set(dataset.subjects)) == 8
    assert len(set(dataset.sequences)) == len(dataset.labels)
    assert dataset.classes[-1] == "neutral"
    record = RecordSource(dataset.path)[0]
    assert record["views"].shape == (1, 3, 32, 32, 7)
    assert record["views"].dtype == np.uint8
    assert record["gender"] == b"unknown" and record["ethnicity"] == b"unknown"
    assert record["yaw_deg"].tolist() == [-30, 0, 30]
    assert 1 < record["mm_per_pixel"] < 20
    for i, sequence in enumerate(dataset.sequences):
        subject, expression, intensity = sequence.split("_")
        assert subject == dataset.subjects[i]
        assert expression == dataset.classes[dataset.labels[i]]
        assert int(intensity) == dataset.intensities[i]


def test_pixels_follow_the_schema(tiny_dataset):
    source = RecordSource(open_dataset(tiny_dataset).path)
    views = source[0]["views"][0].astype(float)
    groups = {
        k: views[..., s]
        for k, s in channel_slices(("texture", "depth", "normals")).items()
    }
    covered = groups["depth"][..., 0] > 0
    assert 0.2 < covered.mean() < 0.95
    assert not views[~covered].any()
    length = np.linalg.norm((groups["normals"][covered] - 127.5) / 127, axis=-1)
    np.testing.assert_allclose(length, 1, atol=0.03)


def test_shards_are_read_without_tensorflow(tiny_dataset):
    code = (
        "import sys, tensorflow_datasets as tfds;"
        f"b = tfds.builder_from_directory({str(open_dataset(tiny_dataset).path)!r});"
        "x = b.as_data_source('train')[0];"
        "assert x['views'].shape == (1, 3, 32, 32, 7);"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def digest(folder) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*array_record*")
    }


def custom(**fields) -> str:
    small = {"name": "small", "subjects": 2, "intensities": [4], "size": 16}
    return "--config=" + json.dumps(small | fields)


@pytest.mark.slow
def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    digests = []
    for run, seed in (("a", 0), ("b", 0), ("c", 1)):
        printed = tfds_build(
            "synthetic_faces", custom(seed=seed), data_dir=tmp_path / run
        )
        assert "wrote 14 examples" in printed and "frames/s" in printed
        assert "skipped 0" in printed
        digests.append(digest(tmp_path / run))
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("ours", CONFIGS, ids=lambda config: config.name)
def test_what_makes_a_config_hard_is_the_same_with_ict(ours):
    (theirs,) = (c for c in IctFaces.BUILDER_CONFIGS if c.name == ours.name)
    turned = {}
    if ours.task == "posed":
        assert theirs.difficulty.pose_deg > ours.difficulty.pose_deg
        turned = {"pose_deg": theirs.difficulty.pose_deg, "shift_mm": 7.0}
    assert theirs.difficulty == dataclasses.replace(ours.difficulty, **turned)


@pytest.mark.slow
def test_dynamic_config_from_ict(tmp_path, ict_archive):
    manual = tmp_path / "manual"
    manual.mkdir()
    shutil.copy(ict_archive, manual)
    config = custom(
        neutral=False, sequence_frames=6, frames=3, dynamic=True, identity_modes=3,
        difficulty={"holes": 0.0},
    )  # fmt: skip
    tfds_build("ict_faces", config, f"--manual_dir={manual}", data_dir=tmp_path)
    dataset = open_dataset(tmp_path / "ict_faces" / "small")
    record = RecordSource(dataset.path)[0]
    assert record["views"].shape == (3, 5, 16, 16, 7)
    assert record["dynamic"].shape == (1, 5, 16, 16, 7)
    assert record["frame_index"].tolist() == [0, 2, 5]
    middle = np.abs(record["dynamic"] / 257 - 127.5)  # levels of 8 bits
    assert middle.max() > 10 > np.median(middle)


@pytest.mark.slow
def test_wrong_manual_folder_is_named(tmp_path):
    (tmp_path / "manual").mkdir()
    (tmp_path / "manual" / "notes.txt").write_text("not a model")
    with pytest.raises(RuntimeError, match=r"manual: no ICT-FaceKit model there"):
        tfds_build(
            "ict_faces",
            "--config=tiny",
            f"--manual_dir={tmp_path / 'manual'}",
            data_dir=tmp_path,
        )


class Scan(Sequence):
    """One generated mesh, or none."""

    def __init__(self, number: int, broken: bool) -> None:
        self.number, self.broken = number, broken

    def __len__(self):
        return 1

    def __getitem__(self, index):
        if self.broken:
            raise MeshError(f"scan{self.number}.obj: empty mesh")
        return sphere(n=10)


class Broken(FaceDatasetBuilder):
    """A builder some of whose scans are unreadable."""

    CLASSES = ("happy", "sad")
    BUILDER_CONFIGS = [  # noqa: RUF012
        FacesConfig(name="x", size=8, yaws_deg=(0,), framing="box")
    ]
    broken: set = set()  # noqa: RUF012

    def describe(self):
        return {"description": "test"}

    @classmethod
    def _get_pkg_dir_path(cls):
        import pathlib

        return pathlib.Path(__file__).parent

    def sequences(self, dl_manager):
        labels = {"expression": "sad", "subject": "A"}
        return [
            Sequence4D(f"{i}", Scan(i, i in self.broken), labels) for i in range(20)
        ]


def generate(broken):
    config = Broken.BUILDER_CONFIGS[0]
    builder = Broken.__new__(Broken)
    builder._builder_config, builder.broken = config, broken
    type(builder).builder_config = property(lambda self: self._builder_config)
    sequences = builder.sequences(None)
    builder._report = BuildReport(total=len(sequences))
    info = types.SimpleNamespace(metadata={})
    type(builder).info = property(lambda self: info)
    return list(builder._generate_examples(sequences))


def test_unreadable_scans_are_listed_and_too_many_are_fatal(capsys):
    assert len(generate({3})) == 19
    printed = capsys.readouterr().out
    assert "wrote 19 examples" in printed and "3: scan3.obj: empty mesh" in printed
    with pytest.raises(ValueError, match=r"(?s)2 of 20.*scan3\.obj.*scan7\.obj"):
        generate({3, 7})


def test_the_index_is_that_of_the_records(tiny_dataset):
    """It is written without reading them, in TFDS's order."""
    folder = open_dataset(tiny_dataset).path
    source = RecordSource(folder, pixels=False)
    written = read_index(folder, source.shards())
    assert written is not None
    read = make_index(source[i] for i in range(len(source)))
    assert list(written) == list(read) and len(written["sequence"]) == len(source)
    for name, column in read.items():
        np.testing.assert_array_equal(written[name], column)
        assert written[name].dtype.kind == column.dtype.kind


def test_report_allows_one_percent():
    report = BuildReport(total=300)
    for i in range(3):
        report.add(BuildResult(f"{i}", skipped=["bad"]))
    report.check_lost()
    report.add(BuildResult("3", skipped=["bad"]))
    with pytest.raises(ValueError, match="more than 1%"):
        report.check_lost()


def test_frames_are_spread_and_clamped():
    assert sample_frames(24, 4).tolist() == [0, 8, 15, 23]
    assert sample_frames(2, 4).tolist() == [0, 1]
    assert sample_frames(1, 1).tolist() == [0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"channels": ("colour",)}, "must name some of"), ({"frames": 0}, "dynamic=True")],
)
def test_config_errors(fields, message):
    with pytest.raises(ValueError, match=message):
        FacesConfig(name="x", **fields)


def test_rank_pooling_of_uint8_stays_in_range():
    clip = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    assert dynamic_image(clip).min() >= 0 and dynamic_image(clip).max() <= 1
