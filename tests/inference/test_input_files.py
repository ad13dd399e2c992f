"""What files are taken for: scans, frames, or neither."""

import dataclasses

import pytest

from smile_jax.inference.input_files import clip_of, find_inputs
from smile_jax.mesh import MeshError
from smile_jax.mesh.writers import write_ply
from tests.faces.heads import performed
from tests.inference.test_same_picture import other_scan
from tests.mesh.shapes import sphere


@pytest.fixture(scope="module")
def heads():
    """A sequence of 8 frames, and 5 people."""
    people = [performed("sad", seed=1 + i, pose_deg=7.5)[0] for i in range(5)]
    return performed("happy", 8, pose_deg=7.5), people


def write_all(folder, meshes, name="{:03d}.ply"):
    folder.mkdir(exist_ok=True, parents=True)
    for i, mesh in enumerate(meshes):
        write_ply(folder / name.format(i), mesh)
    return folder


@pytest.mark.parametrize("corresponding", [True, False])
def test_frames_and_people_are_told_apart(heads, tmp_path, corresponding):
    clip, people = heads
    if not corresponding:
        clip, people = ([other_scan(m, i) for i, m in enumerate(x)] for x in heads)
    found = find_inputs([write_all(tmp_path / "clip", clip)])
    assert [len(c.paths) for c in found.clips] == [8]
    assert found.clips[0].name == str(tmp_path / "clip")
    assert "8 meshes, taken as one sequence: neighbours are 0." in found.decided[0]
    found = find_inputs([write_all(tmp_path / "people", people)])
    assert [len(c.paths) for c in found.clips] == [1] * 5
    assert "5 meshes, taken as single scans" in found.decided[0]


def test_what_is_neither_is_refused_and_may_be_said(heads, tmp_path):
    clip, people = heads
    folder = write_all(tmp_path / "both", [*clip[:4], *people[:3]])
    with pytest.raises(MeshError, match=r"both: some .* --sequence or --each"):
        find_inputs([folder])
    assert len(find_inputs([folder], "each").clips) == 7
    assert len(find_inputs([folder], "sequence").clips) == 1
    assert not find_inputs([folder], "each").decided
    with pytest.raises(ValueError, match="'sideways': must be one of auto"):
        find_inputs([folder], "sideways")


@pytest.mark.parametrize(
    "names, numbers, said",
    [
        (("f1.ply", "f2.ply", "f3.ply"), (1, 2, 3), None),
        (("000.ply", "010.ply", "020.ply"), (0, 10, 20), "in steps of 10"),
        (("a3_7.ply", "a3_9.ply", "a3_10.ply"), (7, 9, 10), "1 frame numbers are mis"),
        (("1700000001.ply", "1700000002.ply"), None, None),  # times, not frames
    ],
)
def test_numbers_of_frames(tmp_path, names, numbers, said):
    clip = clip_of(*(tmp_path / name for name in names))
    assert clip.numbers == numbers
    assert (said is None) == (not clip.gaps) and (said or "") in "".join(clip.gaps)


def test_two_frames_of_one_number(tmp_path):
    clip = clip_of(tmp_path / "f1.ply", tmp_path / "f01.ply")
    with pytest.raises(MeshError, match=r"are both frame 1: keep one"):
        _ = clip.numbers


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_lists_with_a_byte_order_mark(tmp_path, mark):
    (tmp_path / "a b.ply").write_text("")
    content = mark + f"{tmp_path}/a b.ply\r\n\n".encode()
    (tmp_path / "list.txt").write_bytes(content)
    found = find_inputs([f"@{tmp_path}/list.txt"])
    assert [clip.name for clip in found.clips] == [f"{tmp_path}/a b.ply"]
    (tmp_path / "list.txt").write_bytes("a.ply\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"list\.txt: a text in UTF-16; save it in"):
        find_inputs([f"@{tmp_path}/list.txt"])


def test_lists_that_name_themselves(tmp_path):
    (tmp_path / "list.txt").write_text(f"@{tmp_path}/list.txt\n")
    with pytest.raises(MeshError, match=r"list\.txt: lists in lists"):
        find_inputs([f"@{tmp_path}/list.txt"])


def test_names_that_are_no_frames_are_scans(heads, tmp_path):
    _, people = heads
    folder = write_all(tmp_path / "x", people[:2], "f{}.ply")
    (folder / "f10.ply").write_bytes((folder / "f1.ply").read_bytes())
    names = [p.name for p in find_inputs([folder], "sequence").clips[0].paths]
    assert names == ["f0.ply", "f1.ply", "f10.ply"]
    for name in ("sphere.ply", "g2.ply", "f2_1.ply", "f3.obj"):
        (folder / name).touch()
        assert len(find_inputs([folder]).clips) == 4
        with pytest.raises(MeshError, match="are not frames of one sequence"):
            find_inputs([folder], "sequence")
        (folder / name).unlink()


def test_other_files_are_listed_and_folders_may_be_deep(heads, tmp_path):
    clip, people = heads
    write_all(tmp_path / "a" / "clip", clip)
    write_all(tmp_path / "a", people[:1], "one.ply")
    for name in (".DS_Store", "notes.txt", "one.mtl", "one.png", "._one.ply"):
        (tmp_path / "a" / name).touch()
    found = find_inputs([tmp_path / "a"])
    assert [len(c.paths) for c in found.clips] == [1]
    assert [p.split("/")[-1] for p in found.other_files] == [
        ".DS_Store", "._one.ply", "notes.txt",
    ]  # fmt: skip
    found = find_inputs([tmp_path / "a"], recursive=True)
    assert sorted(len(c.paths) for c in found.clips) == [1, 8]
    with pytest.raises(MeshError, match=r"no meshes in it .* some: use --recursive"):
        find_inputs([tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MeshError, match=r"empty: no meshes in it \(.*\)$"):
        find_inputs([tmp_path / "empty"], recursive=True)


def test_globs_and_lists(heads, tmp_path):
    folder = write_all(tmp_path / "p", heads[1])
    assert len(find_inputs([f"{folder}/00[1-3].ply"]).clips) == 3
    (tmp_path / "list.txt").write_text(f"{folder}/000.ply\n\n{folder}/004.ply\n")
    found = find_inputs([f"@{tmp_path}/list.txt"])
    assert [c.paths[0].name for c in found.clips] == ["000.ply", "004.ply"]
    for wrong, said in {
        f"@{tmp_path}/no.txt": "no such list",
        f"{folder}/x*.ply": "no file matches",
        f"{folder}/none.ply": "there is no such file or folder",
    }.items():
        with pytest.raises(MeshError, match=said):
            find_inputs([wrong])


def test_frames_that_cannot_be_read_do_not_decide(heads, tmp_path):
    folder = write_all(tmp_path / "clip", heads[0])
    (folder / "000.ply").write_text("ply\n")
    assert [len(c.paths) for c in find_inputs([folder]).clips] == [8]
    for i in range(8):
        (folder / f"{i:03d}.ply").write_text("ply\n")
    with pytest.raises(MeshError, match=r"neither a sequence nor scans: .*\.ply"):
        find_inputs([folder])


def test_heads_of_other_units_are_no_frames(heads, tmp_path):
    head = heads[0][0]
    small = dataclasses.replace(head, vertices=head.vertices / 1000, landmarks=None)
    folder = write_all(tmp_path / "x", [head, small, sphere(n=30)])
    assert len(find_inputs([folder]).clips) == 3
