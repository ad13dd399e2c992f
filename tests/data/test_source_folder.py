"""Finding files, path patterns, spreadsheets, anchors: no build."""

import os
import re

import numpy as np
import openpyxl
import pytest

from smile_jax.data.four_dme_labels import read_labels
from smile_jax.data.pose_landmarks import (
    BINGHAMTON_ROWS,
    binghamton_anchors,
    bosphorus_anchors,
)
from smile_jax.data.scan_builder import ScanConfig, group_frames
from smile_jax.data.source_folder import (
    DatasetFolder,
    FolderError,
    missing_numbers,
    pattern_regex,
)
from smile_jax.faces.class_spellings import FOUR_DME
from smile_jax.mesh import MeshError
from tests.data.trees import write_tree


@pytest.fixture
def tree(tmp_path):
    for name in ("A/happy/1.obj", "A/happy/2.ply", "deep/B/sad/10.obj", "x.txt", ".a"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return DatasetFolder(tmp_path)


def test_tree_takes_by_the_end_of_the_path_and_lists_the_rest(tree):
    pattern = pattern_regex("{subject}/{expression}/{frame}.*", (".obj", ".ply"))
    found = [m.groupdict() | {"name": p.name} for m, p in tree.take(pattern)]
    assert [f["subject"] for f in found] == ["A", "A", "B"]
    assert found[2] == {
        "subject": "B", "expression": "sad", "frame": "10", "name": "10.obj",
    }  # fmt: skip
    assert tree.unmatched() == ["x.txt"]
    assert "A/happy" in tree.describe() and "x.txt" in tree.describe()
    with pytest.raises(FolderError, match="no such folder"):
        DatasetFolder(tree.root / "nowhere")


def test_trees_as_they_really_are(tree, tmp_path):
    """Upper-case suffixes, links in a circle, names of other encodings, lock files."""
    (tmp_path / "A" / "back").symlink_to(tmp_path)
    (tmp_path / "A" / "happy" / "3.OBJ").touch()
    (tmp_path / "~$list.xlsx").touch()
    (tmp_path / os.fsdecode(b"f\xfcr.txt")).touch()
    found = DatasetFolder(tmp_path).take(r"(?P<n>\d)\.obj")
    assert [path.name for _, path in found] == ["1.obj", "3.OBJ"]
    rest = DatasetFolder(tmp_path).unmatched()
    assert "f\\xfcr.txt" in rest and len(rest) == 6


@pytest.mark.parametrize(
    ("pattern", "path", "groups"),
    [
        ("{subject}/{frame}.obj", "S1/003.obj", {"subject": "S1", "frame": "003"}),
        ("{subject}_*_{frame}.ply", "S1_x.y_7.ply", {"subject": "S1", "frame": "7"}),
        ("{subject}/a.b{frame}.obj", "S1/aXb3.obj", None),
        ("{subject}.*", "S1.wrl", None),
        ("{subject}/{frame}.obj", "S1/x3.obj", None),
    ],
)
def test_patterns(pattern, path, groups):
    match = re.fullmatch(pattern_regex(pattern, (".obj", ".ply")), path)
    assert (match and match.groupdict()) == groups


@pytest.mark.parametrize("pattern", ["{a}/{a}.obj", "{a/b}.obj", "a}/{b}"])
def test_bad_patterns_are_named(pattern):
    with pytest.raises(ValueError, match="each once"):
        pattern_regex(pattern, ())


def test_frames_are_grouped_by_number_and_gaps_found(tree, tmp_path):
    found = tree.take(
        pattern_regex("{subject}/{expression}/{frame}.*", (".obj", ".ply"))
    )
    groups = group_frames(found, "subject", "expression")
    assert [(g["subject"], n) for g, n, _ in groups] == [("A", [1, 2]), ("B", [10])]
    assert missing_numbers([3, 4, 7]) == 2
    assert missing_numbers([3, 4, 7], first=0) == 5
    (tmp_path / "A/happy/01.obj").touch()
    pattern = pattern_regex("{subject}/{expression}/{frame}.*", (".obj", ".ply"))
    with pytest.raises(FolderError, match=r"01\.obj and .*1\.obj are both frame 1"):
        group_frames(DatasetFolder(tmp_path).take(pattern), "subject", "expression")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_exclude_may_be_a_file(tmp_path, mark):
    content = mark + b"F001_Angry\r\n\nF019 \nJohn Smith\n"
    (tmp_path / "bad.txt").write_bytes(content)
    config = ScanConfig(name="x", exclude=str(tmp_path / "bad.txt"))
    assert config.exclude == ("F001_Angry", "F019", "John Smith")
    (tmp_path / "wide.txt").write_text("F001\n", encoding="utf-16")
    with pytest.raises(
        ValueError, match=r"wide\.txt: a text in UTF-16; save it in UTF"
    ):
        ScanConfig(name="x", exclude=str(tmp_path / "wide.txt"))
    with pytest.raises(ValueError, match="cannot be read"):
        ScanConfig(name="x", exclude=str(tmp_path / "worse.txt"))
    with pytest.raises(ValueError, match=r"pose='front' must be"):
        ScanConfig(name="x", pose="front")


def sheet(path, rows, header=None):
    book = openpyxl.Workbook()
    names = ["fold", "sub_ID", "fold_name", "Onset", "Apex", "Offset", "AUs"]
    book.worksheets[0].append(header or [*names, *(n.capitalize() for n in FOUR_DME)])
    for row in rows:
        book.worksheets[0].append(row)
    book.save(path)
    return path


def test_spreadsheet_of_4dme(tmp_path):
    rows = [
        [1, "S1", "a", 3, 5, 9, "4+L7+AU12(k)", 0, 1, 0, 0, 0],
        [2, "S1", "b", 1, None, 4, "R14", 1, 0, 1, 0, 0],
        [None] * 12,
    ]
    labels = read_labels(sheet(tmp_path / "x.xlsx", rows), "micro")
    a, b = labels[("S1", "a")], labels[("S1", "b")]
    assert a.action_units == (4, 7) and a.emotion() == "negative" and a.fold == 1
    assert (a.onset, a.apex, a.offset) == (3, 5, 9) and b.apex == -1
    assert b.emotions == (1, 0, 1, 0, 0) and b.emotion() is None
    with pytest.raises(FolderError, match=r"row 3: \('S1', 'a'\) again, after .*row 2"):
        read_labels(sheet(tmp_path / "y.xlsx", [rows[0], rows[0]]), "micro")
    swapped = read_labels(tmp_path / "x.xlsx", "micro", swap_rows=[(0, 1)])
    assert swapped[("S1", "a")].action_units == (14,)
    assert swapped[("S1", "b")].action_units == (4, 7)


@pytest.mark.parametrize(
    ("row", "header", "message"),
    [
        ([1, "S1", "a", 3, 5, 9, "4+x", 0, 1, 0, 0, 0], None, "row 2: AUs has 'x'"),
        ([1, "S1", "a", "x", 5, 9, "4", 0, 1, 0, 0, 0], None, "row 2: Onset is 'x'"),
        ([1, "S1", "a", 3, 5, 9, "4", 0, 0, 0, 0, 0], None, "row 2: emotions"),
        ([1], ["sub_ID"], "row 1: columns"),
    ],
)  # fmt: skip
def test_faults_of_a_spreadsheet_are_named(tmp_path, row, header, message):
    path = sheet(tmp_path / "labels.xlsx", [row], header)
    with pytest.raises(FolderError, match=rf"labels\.xlsx: {message}"):
        read_labels(path, "micro")
    path.write_bytes(b"no zip")
    with pytest.raises(FolderError, match="not a readable spreadsheet"):
        read_labels(path, "micro")


def test_anchors_of_both_landmark_formats_agree_with_the_model(tmp_path):
    write_tree("bosphorus", tmp_path / "a", subjects=1)
    write_tree("bu4dfe", tmp_path / "b", subjects=1, frames=2)
    lm3 = next((tmp_path / "a").rglob("*_N_N_0.lm3"))
    bnd = next((tmp_path / "b").rglob("*.bnd"))
    for anchors in (bosphorus_anchors(lm3), binghamton_anchors(bnd, BINGHAMTON_ROWS)):
        across = np.linalg.norm(anchors.eyes[0] - anchors.eyes[1])
        down = np.linalg.norm(np.mean(anchors.eyes, axis=0) - anchors.mouth)
        assert 50 < across < 80 and 50 < down < 90
        assert anchors.nose_tip[2] > anchors.mouth[2]
    lm3.write_text(lm3.read_text().replace("Nose tip", "Nose"))
    with pytest.raises(MeshError, match=r"no landmark 'nose tip'"):
        bosphorus_anchors(lm3)
    with pytest.raises(MeshError, match=r"83 landmarks, but .*'mouth'.* reaches to 99"):
        binghamton_anchors(bnd, BINGHAMTON_ROWS | {"mouth": (60, 99)})
