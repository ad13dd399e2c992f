"""How far each point has moved, and how much the skin there is strained."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smile_jax.mesh import Mesh, MeshError, frame_mesh
from smile_jax.mesh.displacement import Displacement


@pytest.fixture
def first():
    x, y = np.meshgrid(np.linspace(-60, 60, 41), np.linspace(-60, 60, 41))
    points = np.stack([x, y, 30 - (x**2 + y**2) / 200], -1).reshape(-1, 3)
    a = (np.arange(40)[:, None] * 41 + np.arange(40)).ravel()
    faces = np.concatenate(
        [np.stack([a, a + 1, a + 41], 1), np.stack([a + 1, a + 42, a + 41], 1)]
    )
    return Mesh(points.astype(np.float32), faces.astype(np.int32))


def moved_by(first, vertices):
    look = Displacement(first, frame_mesh(first))
    mesh = dataclasses.replace(first, vertices=np.asarray(vertices, np.float32))
    moved = look.of_points(mesh)
    return moved, look.strain(mesh, moved)


def test_the_head_itself_does_not_count(first):
    turn = Rotation.from_euler("yxz", [12, 5, -7], degrees=True).as_matrix()
    moved, strain = moved_by(first, first.vertices @ turn.T + [3, -2, 8])
    assert np.abs(moved).max() < 1e-3 and strain.max() < 1e-3


def test_what_moves_is_shown_where_it_moves(first):
    near = np.linalg.norm(first.vertices[:, :2] - [20, 10], axis=1) < 12
    vertices = first.vertices + near[:, None] * np.array([0, 3.0, 0])
    moved, strain = moved_by(first, vertices)
    middle = np.linalg.norm(first.vertices[:, :2] - [20, 10], axis=1) < 3
    far = np.linalg.norm(first.vertices[:, :2] - [20, 10], axis=1) > 40
    assert np.abs(moved[middle] - [0, 3, 0]).max() < 1.0
    assert np.abs(moved[far]).max() < 0.05
    rim = strain[
        np.abs(np.linalg.norm(first.vertices[:, :2] - [20, 10], axis=1) - 12) < 3
    ]
    assert rim.mean() > 5 * strain[far].mean() and strain.min() >= 0


def test_strain_is_the_relative_change_of_lengths(first):
    look = Displacement(first, frame_mesh(first))
    strain = look.strain(first, 0.03 * first.vertices)
    assert np.allclose(strain, 0.03, atol=1e-4)


def test_of_other_scans_what_goes_along_normals_is_seen(first):
    near = np.linalg.norm(first.vertices[:, :2], axis=1) < 20
    vertices = first.vertices + near[:, None] * np.array([0, 0, 2.0])
    # Half of the points lie elsewhere, some outside of what the first scan saw.
    shifted = vertices + np.array([0.5, 0.5, 0.0]) * (np.arange(len(near)) % 2)[:, None]
    wider = shifted * np.array([1.5, 1.5, 1.0])
    look = Displacement(first, frame_mesh(first))
    scan = Mesh(shifted.astype(np.float32), first.faces[1:])
    moved = look.of_points(scan)
    middle = np.linalg.norm(first.vertices[:, :2], axis=1) < 6
    far = np.linalg.norm(first.vertices[:, :2], axis=1) > 40
    assert np.abs(moved[middle] - [0, 0, 2]).max() < 0.5
    assert np.abs(moved[far]).max() < 0.5
    with pytest.raises(MeshError, match="leave strain out"):
        look.strain(scan, moved)
    head = look.head_of(scan)
    outside = Mesh(wider.astype(np.float32), first.faces[1:])
    assert np.abs(look.of_points(outside, head)[0]).max() < 1e-6  # 10 mm off the edge
