"""`mesh_folder`: who is who, units, and what a dry run says. Nothing is built here."""

import functools
import sys
import types

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from smile_jax.core.own_files import own_folder
from smile_jax.data.dataset import open_dataset
from smile_jax.data.scan_builder import check_names
from smile_jax.data.source_folder import FolderError
from smile_jax.data.unfinished_builds import only_build_in
from smile_jax.mesh import MeshError
from smile_jax.mesh.writers import write_ply
from tests.conftest import run_module
from tests.faces.heads import performed
from tests.mesh.shapes import sphere

BY_PERSON = "{subject}/{expression}.*"


@functools.cache
def builder_class():
    sys.path.insert(0, str(own_folder("tfds_builders")))
    module = "mesh_folder.mesh_folder_dataset_builder"
    return tfds.core.community.builder_cls_from_module(module)


def builder_of(tmp_path, **fields):
    kind = builder_class()
    config = type(kind.BUILDER_CONFIGS[0])(name="x", channels=("depth",), **fields)
    data = tmp_path / "data"
    return kind(data_dir=data, config=config, file_format="array_record")


def sequences(folder, tmp_path, **fields):
    builder = builder_of(tmp_path, **fields)
    return builder, builder.sequences(types.SimpleNamespace(manual_dir=folder))


def touched(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


@pytest.fixture
def people(tmp_path):
    names = [f"{p}/{e}.obj" for p in ("Bob", "John Smith", "Ann") for e in ("a", "b")]
    return touched(tmp_path / "in", *names)


def test_who_is_left_out_is_whole_and_named(people, tmp_path):
    listed = tmp_path / "out.txt"
    listed.write_bytes(b"\xef\xbb\xbfJohn Smith \r\n")
    builder, kept = sequences(people, tmp_path, pattern=BY_PERSON, exclude=str(listed))
    assert {s.labels["subject"] for s in kept} == {"Bob", "Ann"}
    assert builder.notes == ["2 sequences left out, as `exclude` asks: John Smith"]
    for name, near in (("Bo", "'Bob'"), ("John", "'John Smith'"), ("a", "'Ann")):
        said = rf"exclude names '{name}' \(near: .*{near}"
        with pytest.raises(ValueError, match=said):
            sequences(people, tmp_path, pattern=BY_PERSON, exclude=[name])
    _, kept = sequences(people, tmp_path, pattern=BY_PERSON, exclude=["Bob_a"])
    assert len(kept) == 5


def test_one_person_has_one_spelling(tmp_path):
    folder = touched(tmp_path / "in", "1.obj", "2.obj", "3.obj")
    table = folder / "list.csv"
    table.write_text("path,subject,frame\n1.obj,M01,1\n2.obj, M01 ,2\n3.obj,M01\t,3\n")
    _, found = sequences(folder, tmp_path, csv="list.csv")
    assert [s.labels["subject"] for s in found] == ["M01"]
    for other in ("m01", "M 01", "\uff2d01"):  # small, with a blank, full-width
        table.write_text(f"path,subject\n1.obj,M01\n2.obj,{other}\n", "utf-8")
        with pytest.raises(
            FolderError, match=r"people whose names .*: '.+', '.+'; give"
        ):
            sequences(folder, tmp_path, csv="list.csv")
    table.write_text("path,subject\n1.obj,A\n")
    with pytest.raises(FolderError, match=r"classes whose names .*'Happy', 'happy'"):
        sequences(folder, tmp_path, csv="list.csv", classes=["happy", "Happy"])
    table.write_text("path,subject\n1.obj,A\n", encoding="utf-16")
    with pytest.raises(ValueError, match=r"list\.csv: a text in UTF-16"):
        sequences(folder, tmp_path, csv="list.csv")


@pytest.mark.parametrize(
    "rows, said",
    [
        ("1.obj,A\n./1.obj,B\n", "is of 'A' and of 'B'"),
        ("1.obj,A\n2.obj,\n", "2.obj has no subject, where others have"),
        ("../1.obj,A\n", "row 2: ../1.obj lies outside of"),
        ("/etc/1.obj,A\n", "row 2: /etc/1.obj lies outside of"),
    ],
)
def test_tables_in_which_people_are_not_clear(tmp_path, rows, said):
    folder = touched(tmp_path / "in", "1.obj", "2.obj")
    (folder / "list.csv").write_text(f"path,subject\n{rows}")
    with pytest.raises(FolderError, match=said):
        sequences(folder, tmp_path, csv="list.csv")


def test_names_in_two_unicode_forms_are_one():
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"
    assert composed != decomposed
    with pytest.raises(FolderError, match="people"):
        check_names([composed, decomposed], "people")
    with pytest.raises(FolderError, match="people"):
        check_names(["A", "A\u200b"], "people")
    check_names(["Zoe", composed, "Anna"], "people")


def suggested(folder, **given):
    return builder_class().suggest(folder, given)


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    for i, person in enumerate(("anna", "bert")):
        for expression in ("happy", "sad"):
            (folder / expression).mkdir(exist_ok=True)
            (head,) = performed(expression, seed=i)
            write_ply(folder / expression / f"{person}.ply", head)
    (folder / "notes.xyzw").write_text("")
    return folder


def test_the_guess_is_said_in_a_line(heads, tmp_path):
    """Not people of happy and sad, and classes of anna and bert."""
    fields, said = suggested(heads)
    assert fields["pattern"] == "{expression}/{subject}.*"
    assert fields["classes"] == ["happy", "sad"] and fields["unit_mm"] == 1.0
    assert "2 expressions: happy, sad; 2 people: anna, bert" in said[1]
    with pytest.raises(FolderError, match="can be read in 2 ways"):
        suggested(_renamed(heads, tmp_path, {"happy": "one", "sad": "two"}))


def _renamed(folder, tmp_path, names):
    other = tmp_path / "renamed"
    for old, new in names.items():
        (other / new).mkdir(parents=True, exist_ok=True)
        for path in (folder / old).iterdir():
            (other / new / path.name).write_bytes(path.read_bytes())
    return other


def test_each_file_may_have_its_own_unit(heads, tmp_path):
    other = _renamed(heads, tmp_path, {"happy": "happy", "sad": "sad"})
    (head,) = performed("sad", seed=1)
    metres = (head.vertices / 1000).astype("float32")
    write_ply(other / "sad" / "bert.ply", type(head)(metres, head.faces))
    pattern = "{expression}/{subject}.*"
    fields, said = suggested(other, pattern=pattern)
    assert fields["unit_mm"] == 0.0
    assert any("several units" in line and "bert.ply" in line for line in said)
    _, found = sequences(other, tmp_path, pattern=pattern, unit_mm=0.0)
    spans = [np.ptp(s.frames[0].vertices, axis=0).max() for s in found]
    assert min(spans) > 100
    # Where there is no face to tell it by, the file is named.
    write_ply(other / "sad" / "anna.ply", sphere(90.0, n=40))
    _, found = sequences(other, tmp_path, pattern=pattern, unit_mm=0.0)
    (wrong,) = [s for s in found if s.key == "anna_sad"]
    with pytest.raises(MeshError, match=r"sad/anna\.ply: no face"):
        wrong.frames[0]


@pytest.mark.slow
def test_dry_runs_of_a_sample_and_of_everything(heads, tmp_path):
    folder = _renamed(heads, tmp_path, {"happy": "happy", "sad": "sad"})
    (head,) = performed("sad", seed=5)
    for i in range(4):
        write_ply(folder / "sad" / f"p{i}.ply", head)
        (folder / "happy" / f"p{i}.ply").write_text(f"ply\n{i}")
    (folder / "notes.xyzw").write_text("")
    flags = ("mesh_folder", f"--manual_dir={folder}", f"--data_dir={tmp_path}")
    sample = run_module("smile_jax.build", *flags, "--dry_run")
    assert sample.returncode == 0, sample.stderr
    assert "not known notes.xyzw" in sample.stdout
    every = run_module("smile_jax.build", *flags, "--dry_run=all")
    assert every.returncode == 1 and "4 of 12 sequences are unreadable" in every.stderr
    for i in range(4):
        assert f"skipped p{i}_happy: {folder}/happy/p{i}.ply: byte" in every.stdout
    assert "would write 8 examples" in every.stdout
    built = run_module("smile_jax.build", *flags)
    assert built.returncode == 1 and not list(tmp_path.rglob("*.array_record*"))
    wrong = run_module("smile_jax.build", *flags, "--dry_run=some")
    assert wrong.returncode == 1 and "must be one of sample, all" in wrong.stderr


def test_what_a_killed_build_left_is_removed_and_told(tmp_path, capsys):
    config = tmp_path / "data" / "mesh_folder" / "mine"
    dead = touched(config, "incomplete.AB12CD_3.3.0/a.array_record", "3.2.0/x", "notes")
    with only_build_in(config):
        assert not (dead / "incomplete.AB12CD_3.3.0").exists()
        with (
            pytest.raises(ValueError, match="another process builds there"),
            only_build_in(config),
        ):
            pass
        touched(config, "incomplete.ZZ99ZZ_3.3.0/a")
    assert "removed" in capsys.readouterr().out
    assert (config / "3.2.0" / "x").exists() and (config / "notes").exists()
    with only_build_in(config):
        pass
    assert "incomplete.ZZ99ZZ_3.3.0: 0 MB of a build that was killed" in (
        capsys.readouterr().out
    )


def test_brackets_and_stars_in_the_names_of_folders(plain_run, tiny_dataset, tmp_path):
    place = tmp_path / "d[1] *x"
    place.symlink_to(tiny_dataset.parent)
    found = open_dataset(place / tiny_dataset.name)
    assert len(found.labels) == len(open_dataset(tiny_dataset).labels)


def test_globs_below_such_folders(tmp_path):
    from smile_jax.inference.input_files import find_inputs

    folder = touched(tmp_path / "d[1] x", "a.ply", "b.ply")
    assert len(find_inputs([f"{folder}/*.ply"]).clips) == 2
    Image.new("RGB", (2, 2)).save(folder / "a.png")
    with pytest.raises(MeshError, match="no file matches"):
        find_inputs([f"{folder}/*.obj"])
