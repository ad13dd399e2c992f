"""What is shown around a face, and what is far from everything."""

import dataclasses
import pathlib

import numpy as np
import pytest

from smile_jax.data.mesh_sequence import MeshFiles
from smile_jax.data.rendering import RenderConfig, render_example
from smile_jax.mesh import Framing, Mesh, MeshError, read_mesh, render_views
from smile_jax.mesh.cleaning import clean
from smile_jax.mesh.face_crop import Ball, cut_around, within
from tests.mesh.shapes import sphere

FRAME = Framing((5.0, -3.0, 2.0), 190.0)


def sheet(half: float, z: float, count: int = 40) -> Mesh:
    """A square across z."""
    side = np.linspace(-half, half, count)
    x, y = np.meshgrid(side, side)
    points = np.stack([x, y, np.full_like(x, z)], axis=-1).reshape(-1, 3)
    i = np.arange(count * count).reshape(count, count)
    a, b, c, d = i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]
    faces = np.stack([[a, b, c], [a, c, d]]).reshape(2, 3, -1)
    return Mesh(
        points.astype(np.float32),
        np.ascontiguousarray(faces.transpose(0, 2, 1).reshape(-1, 3), np.int32),
    )


@pytest.mark.parametrize("yaw", [0.0, 30.0, -55.0])
def test_a_ball_cuts_a_plane_in_a_circle(yaw):
    ball = Ball((10.0, 5.0, 0.0), 50.0)
    mesh = sheet(300, 30.0, 200)
    (depth,) = render_views(mesh, (yaw,), 256, framing=FRAME)["depth"]
    area = within(depth, yaw, FRAME, ball).sum() * (190 / 256) ** 2
    # The circle has 40 mm radius, and is seen under the angle of the camera.
    assert area == pytest.approx(np.pi * 40**2 * np.cos(np.deg2rad(yaw)), rel=0.02)


@pytest.mark.parametrize("count", [12, 300])
def test_the_edge_is_that_of_the_ball_and_not_of_triangles(count):
    config = RenderConfig(size=64, yaws_deg=(-30.0, 0.0, 30.0), channels=("depth",))
    ball = Ball((0.0, 0.0, 0.0), 60.0)
    tilted = sheet(200, 0.0, count)
    tilted.vertices[:, 2] = 0.3 * tilted.vertices[:, 0]
    whole = render_example(tilted, config, FRAME)
    shown = render_example(tilted, config, FRAME, ball=ball)
    fine = sheet(200, 0.0, 500)
    fine.vertices[:, 2] = 0.3 * fine.vertices[:, 0]
    same = render_example(fine, config, FRAME, ball=ball)
    assert ((shown > 0) != (same > 0)).mean() < 2e-3
    kept = shown > 0
    np.testing.assert_allclose(shown[kept], whole[kept])
    assert 0.2 < kept.mean() < 0.5 < (whole > 0).mean()


def test_what_hides_a_face_from_outside_the_ball_is_cut_away():
    """And nothing of what is inside is changed, nor what triangles are of."""
    face, before = sphere(60.0, n=30), sheet(40, 150.0)
    both = Mesh(
        np.concatenate([face.vertices, before.vertices]),
        np.concatenate([face.faces, before.faces + len(face.vertices)]).astype(
            np.int32
        ),
        face_materials=np.repeat(
            np.int32([0, 1]), [len(face.faces), len(before.faces)]
        ),
    )
    cut = cut_around(both, Ball((0.0, 0.0, 0.0), 90.0))
    np.testing.assert_array_equal(cut.faces, face.faces)
    assert not cut.face_materials.any() and len(cut.vertices) == len(both.vertices)
    assert cut_around(face, Ball((0.0, 0.0, 0.0), 90.0)) is face


def write_far(path: pathlib.Path, points: np.ndarray, faces: np.ndarray) -> None:
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points]
    path.write_text("\n".join([*lines, *(f"f {a} {b} {c}" for a, b, c in faces + 1)]))


def test_map_coordinates_lose_nothing_and_frames_keep_their_places(tmp_path):
    ball = sphere(0.1, n=60)  # metres
    offset = np.array([691234.5, 5334567.25, 512.0])
    for i, moved in enumerate((0.0, 0.031)):
        points = ball.vertices.astype(np.float64) + offset + [moved, 0, 0]
        write_far(tmp_path / f"{i}.obj", points, ball.faces)
    mesh = read_mesh(tmp_path / "0.obj")
    assert "its coordinates lie around 691234" in mesh.notes[0]
    assert np.abs(mesh.origin - offset).max() < 0.2
    size = np.ptp(mesh.vertices, axis=0)
    np.testing.assert_allclose(size, np.ptp(ball.vertices, axis=0), atol=1e-5)
    paths = tuple(tmp_path / f"{i}.obj" for i in range(2))
    first, second = MeshFiles(paths, unit_mm=1000.0)
    shift = second.vertices - first.vertices
    np.testing.assert_allclose(shift, np.float32([[31, 0, 0]] * len(shift)), atol=0.02)
    near = clean(Mesh(ball.vertices, ball.faces), "near")
    assert near.origin == (0.0, 0.0, 0.0) and not near.notes


@pytest.mark.parametrize("where", [3e38, 1e6])
def test_points_far_from_all_others_are_counted_and_left_out(where, tmp_path):
    ball = sphere(100.0, n=60)
    points = ball.vertices.copy()
    points[7] = where
    write_far(tmp_path / "a.obj", points.astype(np.float64), ball.faces)
    mesh = read_mesh(tmp_path / "a.obj")
    assert mesh.repairs["points far from all others removed"] == 1
    assert np.abs(mesh.vertices).max() < 101
    near = dataclasses.replace(ball, vertices=np.where(points > 500, 500, points))
    assert "points far from all others removed" not in clean(near, "near").repairs
    points[::20] = where * np.float32([1, 0.5, 0.2])
    write_far(tmp_path / "b.obj", points.astype(np.float64), ball.faces)
    with pytest.raises(MeshError, match=r"b\.obj: .* of .* faces are unusable"):
        read_mesh(tmp_path / "b.obj")
