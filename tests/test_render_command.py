"""`smile-jax render`."""

import dataclasses

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from smile_jax.faces.scanner import DepthSensor
from smile_jax.mesh import Mesh
from smile_jax.mesh.writers import write_ply
from tests.conftest import run_module
from tests.faces.heads import performed
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


def test_folders_units_and_poses(tmp_path):
    (head,) = performed("sad", pose_deg=0.0)
    turn = Rotation.from_euler("y", 30, degrees=True).as_matrix()
    vertices = (head.vertices @ turn.T / 1000).astype(np.float32)
    write_ply(tmp_path / "a.ply", Mesh(vertices, head.faces))
    (tmp_path / "b.ply").write_text("ply\n")
    out = tmp_path / "views.png"
    flags = (f"--out={out}", "--pose=surface", "--size=64")
    done = run_module("smile_jax.render", str(tmp_path), *flags)
    assert done.returncode == 0, done.stderr
    assert "a.ply: 7" in done.stdout and "unit 1000 mm" in done.stdout
    assert "skipped: " in done.stdout and "b.ply" in done.stdout
    assert np.asarray(Image.open(out)).shape[0] == 2 * 68 + 44
    done = run_module("smile_jax.render", str(tmp_path / "a.ply"), f"--out={out}")
    assert done.returncode == 0 and "repairs: none" in done.stdout
    (tmp_path / "c.obj").write_text(CUBE_OBJ)
    done = run_module("smile_jax.render", str(tmp_path / "c.obj"), f"--out={out}")
    assert "warning: no face found" in done.stdout


def test_a_depth_image_is_drawn(tmp_path):
    (head,) = performed("happy", seed=3)
    middle = head.vertices.mean(axis=0)
    head = dataclasses.replace(head, vertices=head.vertices - middle)
    depth = 10 * DepthSensor(240, 320, 300.0, 500.0).depth(head)
    Image.fromarray(depth.round().astype(np.uint16)).save(tmp_path / "a.png")
    (tmp_path / "camera.json").write_text('{"fx": 300, "unit_mm": 0.1}')
    for given in (tmp_path / "a.png", tmp_path):
        done = run_module("smile_jax.render", str(given), f"--out={tmp_path}/o.jpg")
        assert done.returncode == 0, done.stderr
        assert "a.png: " in done.stdout and "unit 1 mm" in done.stdout
