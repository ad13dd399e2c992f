"""`smile-jax build`, on a folder of somebody who knows nothing of it."""

import csv
import dataclasses

import numpy as np
import pytest

from smile_jax.data.dataset import open_dataset
from smile_jax.mesh import Mesh
from smile_jax.mesh.writers import write_obj, write_ply
from tests.conftest import run_module
from tests.faces.heads import performed
from tests.mesh.shapes import sphere


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Three people in metres without texture, a broken file, a sphere, a .DS_Store."""
    folder = tmp_path_factory.mktemp("stranger")
    for i, name in enumerate(("ann", "bob", "cleo")):
        (folder / name).mkdir()
        for take, expression in enumerate(("happy", "sad")):
            (head,) = performed(expression, seed=i, take=take)
            metres = Mesh((head.vertices / 1000).astype(np.float32), head.faces)
            if i % 2:
                write_obj(folder / name / f"{expression}.obj", metres)
            else:
                write_ply(folder / name / f"{expression}.ply", metres)
    (folder / "bob" / "sad.obj").write_text("v 1 2\n")
    ball = dataclasses.replace(sphere(0.09, n=60), landmarks=None)
    write_ply(folder / "cleo" / "angry.ply", ball)
    (folder / ".DS_Store").touch()
    return folder


@pytest.mark.slow
def test_a_strangers_folder_in_two_commands(stranger, plain_run, tmp_path):
    built = run_module(
        "smile_jax.build", "mesh_folder", f"--manual_dir={stranger}",
        f"--data_dir={tmp_path}",
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    for said in (
        '\'{"pattern": "{subject}/{expression}.*", "classes": ["angry", ',
        '"unit_mm": 1000.0, "channels": ["depth", "normals"]',
        "bob/sad.obj: byte 0",
        "cleo/angry.ply: no face found",
        "found 3 people, 7 sequences, 7 meshes",
        "built 6 examples",
    ):
        assert said in built.stdout, (said, built.stdout)
    assert "Traceback" not in built.stderr and "custom data" not in built.stderr
    dataset = open_dataset(tmp_path / "mesh_folder" / "mine")
    assert set(dataset.subjects) == {"ann", "bob", "cleo"}
    out = tmp_path / "answers.csv"
    flags = (f"--workdir={plain_run}", str(stranger), "--recursive", f"--out={out}")
    done = run_module("smile_jax.predict", *flags)
    assert done.returncode == 3, done.stderr
    assert "bob/sad.obj: byte 0" in done.stderr and ".DS_Store" in done.stderr
    assert "angry.ply: taken for no face" in done.stderr
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 6 and {row["unit_mm"] for row in rows} == {"1000.0"}
    assert [r["file"].split("/")[-1] for r in rows if r["is_face"] == "False"] == [
        "angry.ply"
    ]


MISTAKES = [
    (["nothing"], "nothing: no builder; there are bosphorus, bp4d"),
    (["bu3dfe"], "name a --config of bu3dfe: static, captions"),
    (["bu3dfe", "--config=statik"], "--config=statik: bu3dfe has static"),
    (["mesh_folder", "--config={"], "--config: no JSON"),
    (["mesh_folder", "--manual_dir={tmp}"], "no mesh in it"),
    (["bu3dfe", '--config={{"sise": 3}}'], "sise: no key of"),
]


@pytest.mark.parametrize(
    "flags, said",
    [MISTAKES[0], *(pytest.param(*m, marks=pytest.mark.slow) for m in MISTAKES[1:])],
)
def test_mistakes_are_answered_in_a_line(flags, said, tmp_path):
    words = [flag.format(tmp=tmp_path) if "tmp" in flag else flag for flag in flags]
    words = [word.replace("{{", "{").replace("}}", "}") for word in words]
    done = run_module("smile_jax.build", *words)
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_nothing_is_built_when_it_is_dry(stranger, tmp_path):
    done = run_module(
        "smile_jax.build", "mesh_folder", f"--manual_dir={stranger}", "--dry_run",
        f"--data_dir={tmp_path / 'data'}",
    )  # fmt: skip
    assert done.returncode == 0 and "to render: 7 frames x 5 views" in done.stdout
    assert not (tmp_path / "data").exists()
