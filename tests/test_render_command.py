"""`python -m smile_jax.render`."""

import numpy as np
from PIL import Image

from tests.conftest import run_module
from tests.mesh.shapes import CUBE_OBJ


def test_contact_sheet(tmp_path):
    (tmp_path / "cube.obj").write_text(CUBE_OBJ)
    out = tmp_path / "deep" / "views.png"
    done = run_module(
        "smile_jax.render", str(tmp_path / "cube.obj"), f"--out={out}", "--yaws=-20,40"
    )
    assert done.returncode == 0, done.stderr
    assert "8 points, 12 triangles" in done.stdout
    image = np.asarray(Image.open(out))
    assert image.shape[1] > 2 * 224
    assert image.std() > 20


def test_wrong_mesh_is_explained(tmp_path):
    (tmp_path / "bad.obj").write_text("v 0 0 0\n")
    done = run_module("smile_jax.render", str(tmp_path / "bad.obj"))
    assert done.returncode == 1
    assert "bad.obj" in done.stderr and "Traceback" not in done.stderr
