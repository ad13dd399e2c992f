"""Which way of turning a head is taken, and that it is said."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smile_jax.inference.head_placement import HeadPlacement
from smile_jax.landmarking.head_scan import look_at
from smile_jax.mesh import Landmarks, MeshError, frame_mesh
from smile_jax.mesh.landmark_schemes import bosphorus_labels
from smile_jax.mesh.pose import pose_from_surface
from smile_jax.mesh.writers import write_landmarks
from tests.faces.heads import performed
from tests.mesh.shapes import sphere


@pytest.fixture(scope="module")
def head():
    return performed("happy", seed=3, pose_deg=0.0)[0]


def turned(mesh, yaw_deg):
    turn = Rotation.from_euler("y", yaw_deg, degrees=True).as_matrix()
    points = (mesh.landmarks @ turn.T).astype(np.float32)
    vertices = (mesh.vertices @ turn.T).astype(np.float32)
    return dataclasses.replace(mesh, vertices=vertices, landmarks=points)


def place(mesh, path, how="auto", trained="as_is", framing="crop"):
    placing = HeadPlacement(path, how, trained, framing, look_at(mesh, 1.0))
    placed = placing(mesh)
    assert (placed.ball is None) == (framing != "crop" or not placing.scan.found)
    return placing, placed.pose


@pytest.mark.parametrize(
    "yaw_deg, trained, said",
    [
        (0, "as_is", "as it is"),
        (12, "as_is", "as it is"),  # as people sit
        (32, "as_is", "turned by its face"),
        (150, "as_is", "turned by its face"),
        (12, "found", "turned by its face"),
        (12, "landmarks", "turned by its face"),
        (12, "surface", "turned by its surface"),
        (60, "surface", "turned by its face"),  # too far for that search
    ],
)
def test_auto_does_as_training_did(yaw_deg, trained, said, head, tmp_path):
    placing, pose = place(turned(head, yaw_deg), tmp_path / "x.ply", trained=trained)
    assert placing.said == said and (pose is None) == (said == "as it is")
    assert placing.turned_deg == pytest.approx(yaw_deg, abs=8)  # it is pitched, too
    assert placing.sure > 0.8


@pytest.mark.parametrize("framing", ["face", "box"])
def test_earlier_runs_keep_their_framing(framing, head, tmp_path):
    """As `frame_mesh` and the search by surface give it; nothing is cut."""
    placed = HeadPlacement(tmp_path / "x", "auto", "as_is", framing, look_at(head))(
        head
    )
    before = frame_mesh(head) if framing == "box" else pose_from_surface(head).framing
    assert placed.framing == before and placed.ball is None and placed.pose is None
    _, pose = place(turned(head, 50), tmp_path / "x.ply", framing=framing)
    assert pose is not None


def test_a_landmark_file_comes_first(head, tmp_path):
    mesh = turned(head, 25)
    found = bosphorus_labels(mesh.landmarks)
    landmarks = Landmarks(np.stack(list(found.values())), tuple(found))
    write_landmarks(tmp_path / "x.lm3", landmarks)
    placing, pose = place(mesh, tmp_path / "x.ply", trained="landmarks")
    assert placing.said == "turned by its landmark file" and pose is not None
    assert placing.turned_deg == pytest.approx(25, abs=6) and placing.sure > 0.8
    for trained in ("found", "as_is"):  # which saw no such landmarks
        other, _ = place(mesh, tmp_path / "x.ply", trained=trained)
        assert other.said == "turned by its face"
    asked, _ = place(mesh, tmp_path / "x.ply", how="landmarks", trained="found")
    assert asked.said == placing.said
    kept, pose = place(mesh, tmp_path / "x.ply", how="as_is")
    assert kept.said == "as it is" and pose is None


def test_a_sphere_is_seen_to_be_no_face(tmp_path):
    ball = sphere(n=60, radius=90.0)
    placing, _ = place(ball, tmp_path / "x.ply")
    assert placing.sure < 0.3 and "no face" in placing.said
    with pytest.raises(MeshError, match="no face found"):
        place(ball, tmp_path / "x.ply", how="found")
