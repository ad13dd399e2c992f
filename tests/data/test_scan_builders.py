"""The builders of licensed datasets: `tfds build` over miniature trees."""

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from smile_jax.data.dataset import open_dataset
from smile_jax.data.four_dme_labels import Label
from smile_jax.data.mixture import open_mixture
from smile_jax.data.records import DataError, RecordSource
from smile_jax.mesh import MeshError, read_mesh
from tests.conftest import ROOT, tfds_build
from tests.data.trees import write_tree
from tfds_builders.four_dme import four_dme_dataset_builder as four_dme

LAYOUTS = (
    "bosphorus", "bp4d", "bu3dfe", "bu4dfe", "coma", "facescape", "four_dme",
    "mesh_folder",
)  # fmt: skip


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """One tree of each dataset, to read only."""
    folder = tmp_path_factory.mktemp("trees")
    for layout in LAYOUTS:
        write_tree(layout, folder / layout, raw=True)
    return folder


def config_json(name: str, **fields) -> str:
    return "--config=" + json.dumps({"name": name, "size": 16} | fields)


def build(layout, tree, data_dir, *flags, config=None, **fields):
    config = config or config_json("small", **{"yaws_deg": [-20, 0, 20]} | fields)
    printed = tfds_build(
        layout, config, f"--manual_dir={tree}", *flags, data_dir=data_dir
    )
    (folder,) = (data_dir / layout).glob("[a-z]*")
    dataset = open_dataset(folder)
    return dataset, RecordSource(dataset.path), printed


def records(dataset, source) -> dict[str, dict]:
    return {dataset.sequences[i]: source[i] for i in range(len(source))}


def text(record, name) -> str:
    return record[name].decode()


@pytest.mark.slow
def test_bu3dfe(trees, tmp_path):
    dataset, source, printed = build("bu3dfe", trees / "bu3dfe", tmp_path)
    assert "wrote 50 examples" in printed and "files not known: 0" in printed
    assert sorted(set(dataset.subjects)) == ["F0001", "M0001"]
    found = records(dataset, source)
    sample = found["M0001_HA03BL_F3D"]
    assert dataset.classes[sample["expression"]] == "happy"
    assert sample["intensity"] == 3 and text(sample, "gender") == "male"
    assert text(sample, "ethnicity") == "black"
    assert text(found["F0001_NE00WH_F3D"], "ethnicity") == "white"
    assert sample["views"].shape == (1, 3, 16, 16, 7)
    assert sample["views"][..., :3].max() > 30  # the texture was found
    metadata = json.loads((dataset.path / "metadata.json").read_text())
    assert metadata["build"]["written"] == 50


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"bu3dfe": {}, "bosphorus": {}},
        {"bu4dfe": {"frames": 2}, "bp4d": {"frames": 2, "edition": "bp4d"}},
    ],
    ids=["scans", "sequences"],
)
def test_licensed_sets_that_are_built_alike_are_mixed(trees, tmp_path, options):
    for layout, fields in options.items():
        build(layout, trees / layout, tmp_path, pose="auto", **fields)
    folders = [str(tmp_path / layout / "small") for layout in options]
    mixed = open_mixture([(folder, 1.0) for folder in folders])
    alone = [open_dataset(folder) for folder in folders]
    assert len(mixed.labels) == sum(len(d.labels) for d in alone)
    assert list(mixed.groups) == list(options)
    assert set(mixed.classes) == {c for d in alone for c in d.classes}
    for dataset, offset in ((alone[0], 0), (alone[1], len(alone[0].labels))):
        for i in (0, len(dataset.labels) - 1):
            ours, theirs = mixed.labels[offset + i], dataset.labels[i]
            assert mixed.classes[ours] == dataset.classes[theirs]


@pytest.mark.slow
def test_bu3dfe_subset_of_raw_scans(trees, tmp_path):
    dataset, source, _ = build(
        "bu3dfe", trees / "bu3dfe", tmp_path, kind="RAW", pose="surface",
        intensities=[3, 4], neutral=False, exclude=["F0001"],
    )  # fmt: skip
    assert len(source) == 12 and set(dataset.subjects) == {"M0001"}
    assert set(dataset.intensities) == {3, 4}
    assert all(s.endswith("_RAW") for s in dataset.sequences)


@pytest.mark.slow
def test_bu4dfe(trees, tmp_path):
    dataset, source, printed = build(
        "bu4dfe", trees / "bu4dfe", tmp_path, frames=2, dynamic=True, pose="landmarks"
    )
    assert len(source) == 12 and dataset.clips == ("views", "dynamic")
    assert "neutral" not in dataset.classes
    sample = records(dataset, source)["F001_Sad"]
    assert dataset.classes[sample["expression"]] == "sad"
    assert text(sample, "gender") == "female" and sample["intensity"] == -1
    assert sample["frame_index"].tolist() == [0, 2]
    assert sample["dynamic"].shape == (1, 3, 16, 16, 7)
    assert "files not known: 0" in printed  # nor the viewer's folder


@pytest.mark.slow
def test_bosphorus(trees, tmp_path):
    dataset, source, _ = build(
        "bosphorus", trees / "bosphorus", tmp_path, pose="landmarks",
        groups=["N", "E", "LFAU", "YR"],
    )  # fmt: skip
    found = records(dataset, source)
    assert len(found) == 2 * (2 + 6 + 1 + 1)
    happy, unit = found["bs001_E_HAPPY_0"], found["bs000_LFAU_12_0"]
    assert dataset.classes[happy["expression"]] == "happy"
    assert dataset.classes[found["bs000_N_N_1"]["expression"]] == "neutral"
    assert unit["expression"] == -1 and text(unit, "code") == "LFAU_12"
    assert text(happy, "gender") == "unknown"
    assert happy["views"][..., :3].max() > 30


@pytest.mark.slow
def test_bp4d(trees, tmp_path):
    dataset, source, _ = build(
        "bp4d", trees / "bp4d", tmp_path, frames=2, clip_frames=2, edition="bp4d"
    )
    found = records(dataset, source)
    assert len(found) == 2 * 8 * 2  # frames 0 and 1, frame 2
    clip = found["F001_T1_00002"]
    assert clip["frame_index"].tolist() == [2, -1] and text(clip, "task") == "T1"
    assert dataset.classes[clip["expression"]] == "happy"
    assert found["M001_T6_00000"]["expression"] == -1


@pytest.mark.slow
def test_four_dme(trees, tmp_path):
    dataset, source, _ = build("four_dme", trees / "four_dme", tmp_path, frames=2)
    found = records(dataset, source)
    clip = found["S02_S02_1st_006_01_1"]
    assert dataset.classes[clip["expression"]] == "surprise"
    assert clip["emotions"].tolist() == [0, 0, 1, 0, 0]
    assert clip["action_units"].shape == (22,) and clip["action_units"].sum() >= 1
    assert 100 < clip["onset"] < clip["apex"] < clip["offset"] < 110
    assert clip["rate_hz"] == 60
    assert text(clip, "kind") == "micro" and clip["fold"] == 2
    mixed = found["S01_S01_1st_012_01_1"]  # two at once
    assert mixed["expression"] == -1 and mixed["emotions"].sum() == 2


@pytest.mark.parametrize(
    "frames, said",
    [
        ((100, 104, 108), None),
        ((100, -1, 108), None),
        ((-1, -1, -1), None),
        ((104, 100, 108), "onset 104, apex 100, offset 108: the apex is not between"),
        ((104, 104, 104), "the apex is not between"),
        ((100, 104, 110), "not all of them are among its frames 100 to 109"),
    ],
)
def test_intervals_of_four_dme(frames, said):
    label = Label("list.xlsx: row 7", "micro", (1, 0, 0, 0, 0), (12,), *frames, 1)
    if said is None:
        found = four_dme._interval(label, range(100, 110), True)
        assert tuple(found.values()) == frames
    else:
        with pytest.raises(MeshError, match=rf"row 7: .*{said}"):
            four_dme._interval(label, range(100, 110), True)
    ignored = four_dme._interval(label, range(100, 110), False)
    assert set(ignored.values()) == {-1}


@pytest.mark.slow
def test_coma_in_metres(trees, tmp_path):
    dataset, source, _ = build(
        "coma", trees / "coma", tmp_path, channels=["depth", "normals"], frames=2
    )
    assert len(source) == 24 and len(dataset.classes) == 12
    sample = records(dataset, source)["FaceTalk_000001_TA_mouth_open"]
    assert dataset.classes[sample["expression"]] == "mouth_open"
    assert sample["frame_index"].tolist() == [1, 3]
    assert 5 < sample["mm_per_pixel"] < 30  # of 16 pixels across a head


@pytest.mark.slow
def test_facescape(trees, tmp_path):
    dataset, source, _ = build("facescape", trees / "facescape", tmp_path)
    assert len(source) == 40 and len(dataset.classes) == 20
    sample = records(dataset, source)["0002_jaw_left"]
    assert dataset.classes[sample["expression"]] == "jaw_left"
    assert text(sample, "gender") == "male" and sample["age"] == 21
    flat = tmp_path / "flat" / "models_reg"
    flat.mkdir(parents=True)
    folder = trees / "facescape" / "2" / "models_reg"
    for name in ("1_neutral.obj", "1_neutral.obj.mtl", "1_neutral.jpg"):
        shutil.copy(folder / name, flat / name.replace("1_", "7_", 1))
    mtl = flat / "7_neutral.obj.mtl"
    mtl.write_text(mtl.read_text().replace("1_neutral", "7_neutral"))
    dataset, source, _ = build("facescape", flat.parent, tmp_path / "b")
    assert dataset.subjects.tolist() == ["0007"]


@pytest.mark.slow
def test_mesh_folder_by_pattern(trees, tmp_path):
    classes = ["anger", "disgust", "fear", "happy", "sad", "surprise"]
    dataset, source, _ = build(
        "mesh_folder", trees / "mesh_folder", tmp_path, frames=2, classes=classes,
        pattern="{subject}/{expression}/{frame}.*",
    )  # fmt: skip
    assert len(source) == 12 and dataset.classes == tuple(classes)
    sample = records(dataset, source)["S0001_fear"]
    assert dataset.classes[sample["expression"]] == "fear"
    # Without labels: the preset.
    dataset, source, _ = build(
        "mesh_folder",
        trees / "mesh_folder",
        tmp_path / "b",
        config="--config=frames_64",
    )
    assert len(source) == 12 and dataset.classes == ()
    assert set(dataset.labels) == {-1}


@pytest.mark.slow
def test_mesh_folder_by_csv_and_vertex_sequences(trees, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(trees / "mesh_folder" / "S0000" / "happy", tree / "a")
    template = read_mesh(tree / "a" / "000.ply")
    np.save(tree / "speech.npy", np.stack([template.vertices / 1000] * 4))
    # The last row leaves its frame out.
    (tree / "list.csv").write_text(
        "path,subject,expression,sequence,frame\n"
        "a/000.ply,A,happy,one,5\na/002.ply,A,happy,one,7\nspeech.npy,B,sad,two\n"
    )
    dataset, source, _ = build(
        "mesh_folder", tree, tmp_path, csv="list.csv", classes=["happy", "sad"],
        frames=2, template="a/000.ply",
    )  # fmt: skip
    found = records(dataset, source)
    assert found["one"]["frame_index"].tolist() == [5, 7]
    assert text(found["two"], "subject") == "B"
    assert found["two"]["frame_index"].tolist() == [0, 3]
    listed = (tree / "list.csv").read_text()
    for content, said in (
        (listed.encode("utf-16"), "a text in UTF-16"),
        (listed.replace("A,happy", "A\0,happy").encode(), "row 2: no path, a byte 0"),
        (listed.replace("A,happy", "A" * 200_000).encode(), "no CSV"),
    ):
        (tree / "list.csv").write_bytes(content)
        with pytest.raises(RuntimeError, match=rf"list\.csv: {said}"):
            build(
                "mesh_folder", tree, tmp_path / "b", csv="list.csv", classes=["happy"]
            )


@pytest.mark.slow
def test_beam_builds_the_same_records(trees, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(trees / "bu4dfe", tree)
    (tree / "BU_4DFE" / "F001" / "Sad" / "002.wrl").write_bytes(b"#VRML V2.0 utf8\n")
    local = build("bu4dfe", tree, tmp_path / "a", frames=2)
    options = (
        "runner=DirectRunner,direct_num_workers=2,direct_running_mode=multi_processing"
    )
    beam = build(
        "bu4dfe", tree, tmp_path / "b", f"--beam_pipeline_options={options}", frames=2
    )
    ours, theirs = records(*local[:2]), records(*beam[:2])
    assert sorted(ours) == sorted(theirs)
    for key, record in ours.items():
        for name, value in record.items():
            np.testing.assert_array_equal(value, theirs[key][name])
    for dataset, _, printed in (local, beam):
        report = json.loads((dataset.path / "metadata.json").read_text())["build"]
        assert report["frames"] == 24 and len(report["skipped"]) == 1
        assert "002.wrl: byte 16: the file ends without" in report["skipped"][0]
        assert "002.wrl" in printed


@pytest.mark.slow
def test_gaps_missing_textures_and_too_many_faults(trees, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(trees / "bu4dfe" / "BU_4DFE", tree)
    (tree / "F001" / "Sad" / "001.wrl").unlink()  # one gap
    (tree / "F001" / "Happy" / "000.jpg").unlink()  # one frame without texture
    (tree / "F001" / "notes.doc").write_text("?")
    _, source, printed = build("bu4dfe", tree, tmp_path / "a", frames=3)
    assert len(source) == 12 and "skipped 1" in printed
    assert "F001_Sad: 1 frame numbers are missing up to 2, 2 are there" in printed
    assert "its texture image '000.jpg' is not found in" in printed
    assert "Happy/000.wrl" in printed
    assert "not known F001/notes.doc" in printed
    # Depth and normals need no texture.
    _, _, printed = build("bu4dfe", tree, tmp_path / "b", channels=["depth"])
    assert "skipped 0" in printed
    (tree / "M001" / "Sad" / "001.wrl").unlink()
    with pytest.raises(
        RuntimeError, match=r"(?s)2 meshes are missing beside 35.*complete"
    ):
        build("bu4dfe", tree, tmp_path / "c")
    shutil.copy(tree / "M001/Sad/000.wrl", tree / "M001/Sad/001.wrl")
    (tree / "M001/Sad/001.jpg").touch()
    for scan in ("000", "001", "002"):
        (tree / "M001" / "Angry" / f"{scan}.wrl").write_bytes(b"")
        (tree / "M001" / "Fear" / f"{scan}.wrl").write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"(?s)2 of 12 sequences.*M001_Angry.*Fear"):
        build("bu4dfe", tree, tmp_path / "d")
    with pytest.raises(DataError):
        open_dataset(tmp_path / "d" / "bu4dfe" / "small")


@pytest.mark.slow
def test_wrong_folders_are_shown_the_expected_tree(trees, tmp_path):
    with pytest.raises(RuntimeError) as error:
        build("bosphorus", trees / "bu4dfe", tmp_path)
    assert "bs000/bs000_N_N_0.bnt" in str(error.value)  # expected
    assert "BU_4DFE/F001" in str(error.value)  # found
    with pytest.raises(RuntimeError, match=r"(?s)no such folder.*where to ask.*F0001"):
        build("bu3dfe", tmp_path / "nowhere", tmp_path)
    with pytest.raises(RuntimeError, match=r"exclude names 'F0009'"):
        build("bu3dfe", trees / "bu3dfe", tmp_path, exclude=["F0009"])


@pytest.mark.slow
def test_duplicates_orphans_and_raw_textures(trees, tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(trees / "bu3dfe" / "BU_3DFE", tree)
    for path in tree.rglob("*_RAW.wrl"):  # a url that is not F3D's
        path.write_text(path.read_text().replace("_F3D.bmp", "_RAW.bmp"))
    _, source, printed = build("bu3dfe", tree, tmp_path / "a", kind="RAW")
    assert len(source) == 50 and "skipped 0" in printed
    shutil.copytree(tree / "F0001", tree / "copy" / "F0001")
    with pytest.raises(RuntimeError, match=r"F0001_AN01WH_F3D\.wrl and .*keep one"):
        build("bu3dfe", tree, tmp_path / "b")
    shutil.rmtree(tree / "copy")
    for path in list(tree.rglob("*_HA0?WH_F3D.wrl")):
        path.unlink()
    with pytest.raises(RuntimeError, match=r"4 meshes are missing beside 50"):
        build("bu3dfe", tree, tmp_path / "c")
    _, source, printed = build("bu3dfe", tree, tmp_path / "d", allow_gaps=True)
    assert len(source) == 46 and "4 images have no mesh beside them" in printed


@pytest.mark.slow
def test_an_interrupted_build_leaves_no_dataset(trees, tmp_path):
    command = [
        str(pathlib.Path(sys.executable).parent / "tfds"), "build",
        str(ROOT / "tfds_builders" / "bu3dfe"), "--config=static",
        f"--manual_dir={trees / 'bu3dfe'}", f"--data_dir={tmp_path}",
        "--file_format=array_record",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    config = tmp_path / "bu3dfe" / "static"
    while process.poll() is None and not list(config.glob("*incomplete*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(config.glob("*incomplete*"))
    with pytest.raises(DataError, match="no dataset there"):
        open_dataset(config)
    dataset, _, _ = build(
        "bu3dfe", trees / "bu3dfe", tmp_path, config="--config=static"
    )
    assert len(dataset.labels) == 50
