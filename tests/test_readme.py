"""The README's promises hold."""

import doctest
import importlib.util
import re
import shutil
import textwrap

import numpy as np
import pytest

from smile_jax.data.dataset import open_dataset
from smile_jax.data.records import RecordSource
from smile_jax.experiments import methods_table
from smile_jax.mesh.writers import write_obj, write_ply
from tests.conftest import ROOT, tfds_build
from tests.faces.heads import performed
from tests.mesh.shapes import sphere
from tests.test_documents import DOCUMENTS

README = (ROOT / "README.md").read_text()


def test_every_command_module_and_file_exists():
    for name, text in DOCUMENTS.items():
        named = re.findall(r"python -m ([a-z_.]+)", text)
        named += [f"smile_jax.{c}" for c in re.findall(r"`smile-jax (\w+)", text)]
        for module in named:
            assert importlib.util.find_spec(module), module
        for path in re.findall(
            r"\b(?:experiments|tfds_builders)/\w+(?:\.py|\.md|\.yaml)?", text
        ):
            assert (ROOT / path).exists(), path
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (ROOT / name).parent.joinpath(link).exists(), f"{name}: {link}"


@pytest.mark.parametrize(("name", "columns"), methods_table.TABLES.items())
def test_the_tables_are_of_the_raw_numbers(name, columns):
    table = methods_table.table(ROOT / "experiments" / "results", columns)
    assert table in (ROOT / name).read_text()


def test_no_document_has_a_gap():
    for name, text in DOCUMENTS.items():
        assert not re.search(r"@[A-Z]+@", text), name


def test_the_readme_is_short():
    lines = README.splitlines()
    assert len(lines) <= 200 and max(map(len, lines)) <= 120


def test_make_has_the_targets():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test", "check"} <= set(targets)


@pytest.mark.slow
def test_your_dataset_builds(tmp_path):
    """The README's own builder, on two scans."""
    start = README.index("    import pathlib")
    code = textwrap.dedent(README[start : README.index("\nThe base class", start)])
    scans = tmp_path / "scans"
    scans.mkdir()
    for name in ("ann_happy", "bob_sad"):
        write_obj(scans / f"{name}.obj", sphere(n=40))
    folder = tmp_path / "my_scans"
    folder.mkdir()
    builder = code.replace("/scans", str(scans)).replace("size=224", "size=16")
    (folder / "my_scans_dataset_builder.py").write_text(builder)
    (folder / "__init__.py").touch()
    printed = tfds_build(folder, data_dir=tmp_path / "data")
    assert "wrote 2 examples" in printed
    dataset = open_dataset(tmp_path / "data" / "my_scans" / "static")
    assert sorted(dataset.subjects) == ["ann", "bob"]
    record = RecordSource(dataset.path)[0]
    assert record["views"].shape == (1, 5, 16, 16, 7)
    assert np.asarray(record["views"]).any()


@pytest.mark.slow
def test_the_lines_of_python_run_as_they_are_written(plain_run, tmp_path, monkeypatch):
    """In a folder with a run and two scans; nothing of it is replaced."""
    for take, name in enumerate(("scan", "other")):
        write_ply(tmp_path / f"{name}.ply", performed("happy", take=take)[0])
    shutil.copytree(plain_run, tmp_path / "runs" / "demo")
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(str(ROOT / "docs" / "predict.md"), module_relative=False)
    assert found.attempted > 8 and not found.failed
