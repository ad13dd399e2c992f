"""Facts of datasets as they are delivered: which set, whose labels, which frame."""

import types

import numpy as np
import openpyxl
import pytest
import scipy.io

from smile_jax.data.four_dme_labels import read_labels
from smile_jax.data.landmark_sources import LandmarkTrack, numbers_offset
from smile_jax.data.source_folder import FolderError
from smile_jax.mesh import MeshError, read_landmarks
from smile_jax.mesh.landmark_tracks import count_frames, read_frame
from tests.mesh.shapes import sphere
from tfds_builders.bp4d import bp4d_dataset_builder as bp4d
from tfds_builders.facescape import facescape_dataset_builder as facescape
from tfds_builders.four_dme import four_dme_dataset_builder as four_dme

OWN = {*(f"F{i:03d}" for i in range(1, 24)), *(f"M{i:03d}" for i in range(1, 19))}


@pytest.mark.parametrize(
    "people, tasks, edition",
    [
        (OWN, {"T1", "T8"}, "bp4d"),
        ({"F001"}, {"T1", "T10"}, "bp4d+"),
        ({"F024"}, {"T1"}, "bp4d+"),
        ({"M001", "M019"}, {"T2"}, "bp4d+"),
        (OWN | {"F082"}, {"T1"}, "bp4d+"),
        ({"F001", "M001"}, {"T1", "T8"}, ""),
        (OWN - {"F007"}, {"T1"}, ""),
    ],
)
def test_which_of_two_sets_a_folder_is(people, tasks, edition):
    assert bp4d.edition_of(people, tasks) == edition


def tree(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


def found(module, folder, tmp_path, kind=None, **fields):
    config = (kind or type(module.Builder.BUILDER_CONFIGS[0]))(name="x", **fields)
    builder = module.Builder(data_dir=tmp_path / "data", config=config)
    sequences = builder.sequences(types.SimpleNamespace(manual_dir=folder))
    return builder, {s.key: s for s in sequences}


def labels(sequences):
    return {key: s.labels["expression"] for key, s in sequences.items()}


def test_tasks_are_labelled_by_the_set_that_they_are_of(tmp_path):
    tasks = [f"T{i}" for i in range(1, 9)]
    folder = tree(tmp_path / "in", *(f"F001/{t}/0000.obj" for t in tasks))
    with pytest.raises(FolderError, match=r"in BP4D and in BP4D\+, .*bp4d_plus_"):
        found(bp4d, folder, tmp_path, clip_frames=0)
    _, of_first = found(bp4d, folder, tmp_path, clip_frames=0, edition="bp4d")
    assert labels(of_first) == {
        "F001_T1": "happy", "F001_T2": "sad", "F001_T3": "surprise", "F001_T4": None,
        "F001_T5": "fear", "F001_T6": None, "F001_T7": "anger", "F001_T8": "disgust",
    }  # fmt: skip
    tree(folder, "F001/T9/0000.obj", "F001/T10/0000.obj")
    builder, of_plus = found(bp4d, folder, tmp_path, clip_frames=0)
    assert labels(of_plus) == {
        "F001_T1": "happy", "F001_T2": "surprise", "F001_T3": "sad", "F001_T4": None,
        "F001_T5": None, "F001_T6": None, "F001_T7": "fear", "F001_T8": None,
        "F001_T9": "anger", "F001_T10": "disgust",
    }  # fmt: skip
    assert "taken for BP4D+, by its people and tasks" in builder.notes
    own = {"T4": "surprise"}
    _, by_user = found(bp4d, folder, tmp_path, clip_frames=0, task_expressions=own)
    assert labels(by_user)["F001_T4"] == "surprise"
    names = {config.name for config in bp4d.Builder.BUILDER_CONFIGS}
    assert {"frames", "bp4d_captions_64", "bp4d_plus_dynamic"} <= names
    with pytest.raises(ValueError, match="edition='bp5d': must be one of bp4d, bp4d"):
        bp4d.Bp4dConfig(name="x", edition="bp5d")


def test_the_offset_of_landmark_files_is_by_their_numbers(tmp_path):
    """Frames 2 and 5 were lost in both, so the order would be one off after them."""
    meshes = [0, 1, 3, 4, 6]
    folder = tree(
        tmp_path / "in",
        *(f"F024/T1/{i:04d}.obj" for i in meshes),
        *(f"3DFeatures/BND/F024_T1_{i + 1:04d}.bndplus" for i in meshes),
    )
    builder, by_key = found(bp4d, folder, tmp_path, clip_frames=0, captions=True)
    paths = by_key["F024_T1"].landmarks.paths
    assert [int(path.stem[-4:]) for path in paths] == [1, 2, 4, 5, 7]
    assert "landmarks are numbered +1 against the meshes: by that 5 of 5" in (
        "".join(builder.notes)
    )
    _, by_key = found(
        bp4d, folder, tmp_path, clip_frames=0, captions=True, landmark_offset=0
    )
    paths = by_key["F024_T1"].landmarks.paths
    assert [path and int(path.stem[-4:]) for path in paths] == [None, 1, None, 4, None]


def test_offsets_that_fit_and_that_do_not():
    assert numbers_offset([(range(100), range(1, 101))]) == (1, 100, 100)
    assert numbers_offset([(range(100), range(100)), (range(9), [])])[:2] == (0, 100)
    # One recording alone would leave two as good; together they tell.
    middle = (range(5, 90), range(200))
    assert numbers_offset([middle, (range(10), range(1, 11))])[0] == 1
    assert numbers_offset([]) == (0, 0, 0)
    for pairs in ([middle], [(range(10), range(500, 510))]):
        with pytest.raises(FolderError, match="name the config's landmark_offset"):
            numbers_offset(pairs)


def mat(path, frames):
    """A struct array `stereo`, one for each frame; an empty one where it was lost."""
    stereo = np.zeros((1, len(frames)), dtype=[("pts_3d", object)])
    for i, points in enumerate(frames):
        stereo[0, i]["pts_3d"] = points
    scipy.io.savemat(path, {"stereo": stereo}, do_compression=True)
    return path


def test_landmarks_of_a_whole_recording(tmp_path):
    points = [np.arange(249.0).reshape(83, 3) + i for i in range(3)]
    (tmp_path / "3DFeatures").mkdir()
    lost = np.empty(0)
    path = tmp_path / "3DFeatures" / "F024_T1.mat"
    mat(path, [points[0], lost, points[2].T])
    assert count_frames(path) == 3
    track = LandmarkTrack(path, (1, 3), unit_mm=10.0)
    read = track(1, sphere(n=8))
    np.testing.assert_allclose(read.points, 10 * points[2])
    assert read.scheme == "binghamton83"
    for number in (2, 4, 0):
        with pytest.raises(MeshError, match=rf"F024_T1\.mat: frame {number}: no landm"):
            read_frame(path, number)
    tree(tmp_path, *(f"F024/T1/{i:04d}.obj" for i in range(3)))
    builder, by_key = found(bp4d, tmp_path, tmp_path, clip_frames=0, captions=True)
    assert by_key["F024_T1"].landmarks.numbers == (1, 2, 3)
    assert not builder._tree.unmatched()


def test_files_that_are_no_such_recording(tmp_path):
    path = tmp_path / "x.mat"
    scipy.io.savemat(path, {"other": np.zeros(3)})
    with pytest.raises(MeshError, match=r"x\.mat: .*no struct array 'stereo'"):
        count_frames(path)
    mat(path, [np.zeros((49, 2))])
    with pytest.raises(MeshError, match=r"x\.mat: .*pts_3d is \(49, 2\)"):
        read_frame(path, 1)
    mat(path, [np.zeros(4 << 20)])
    with pytest.raises(MeshError, match=r"x\.mat: .*it unpacks to more than"):
        read_frame(path, 1)
    path.write_bytes(path.read_bytes()[:150])
    for read in (count_frames, lambda p: read_frame(p, 1)):
        with pytest.raises(MeshError, match=r"x\.mat: .*not a readable \.mat"):
            read(path)


def test_83_rows_without_an_index(tmp_path):
    points = np.arange(249, dtype=np.float32).reshape(83, 3) / 8
    text = "\n".join(",".join(map(str, row)) for row in points.tolist())
    (tmp_path / "a.bndplus").write_text(text + "\n1,0,0,1,9\n")  # action units
    read = read_landmarks(tmp_path / "a.bndplus")
    np.testing.assert_array_equal(read.points, points)
    assert read.scheme == "binghamton83" and read.vertices is None
    (tmp_path / "b.bndplus").write_text(text.rsplit("\n", 4)[0])
    with pytest.raises(MeshError, match=r"b\.bndplus: .*79 rows of x,y,z, and not 83"):
        read_landmarks(tmp_path / "b.bndplus")


def test_facescape_in_both_forms_and_mosaics(tmp_path):
    registered = tree(
        tmp_path / "tu",
        *(f"{p}/models_reg/1_neutral.obj" for p in (7, 360, 847, 122)),
    )
    builder, _ = found(facescape, registered, tmp_path)
    assert any(note.startswith("2 people are of 360 to 847") for note in builder.notes)
    builder, _ = found(facescape, registered, tmp_path, channels=("depth",))
    assert not builder.notes
    views = tree(
        tmp_path / "views", "12/1_neutral.ply", "12/2_smile.ply",
        "12/1_neutral/0.jpg", "12/1_neutral/params.json",
    )  # fmt: skip
    builder, by_key = found(facescape, views, tmp_path)
    assert labels(by_key) == {"0012_neutral": "neutral", "0012_smile": "smile"}
    assert not builder._tree.unmatched()


def test_an_earlier_label_file_of_4dme_is_named(tmp_path):
    book = openpyxl.Workbook()
    book.worksheets[0].append(["sub_ID'", "video_number'", "ME_number'", "Emotion"])
    book.save(tmp_path / "4DME_Labelling_Micro_x.xlsx")
    with pytest.raises(FolderError, match=r"sub_ID', video_number'.*an earlier label"):
        read_labels(tmp_path / "4DME_Labelling_Micro_x.xlsx", "micro")


@pytest.mark.parametrize(
    "name, person",
    [("S13_1st", "S13"), ("S13_2nd", "S13"), ("S58_1", "S58"), ("S59_2,", "S59"),
     ("S07", "S07"), ("other", "other")],
)  # fmt: skip
def test_sessions_are_of_one_person(name, person):
    assert four_dme._person(name) == person
