"""Frontalisation of scans of known pose."""

import dataclasses

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from smile_jax.faces import (
    EXPRESSIONS,
    Difficulty,
    load_ict,
    load_procedural,
    sample_clip,
    sample_subject,
)
from smile_jax.faces.scanner import scan_head
from smile_jax.mesh import Framing, Mesh, MeshError
from smile_jax.mesh.pose import (
    Anchors,
    frontalize,
    pose_from_anchors,
    pose_from_surface,
)
from tests.mesh.shapes import sphere

_STILL = Difficulty(pose_deg=0.0, shift_mm=0.0, holes=1.0)


def turned_scan(model, rng) -> tuple[Mesh, np.ndarray]:
    """A scan of a person with an expression, turned within 30 degrees, and how."""
    expression = str(rng.choice(EXPRESSIONS[:-1]))
    subject = sample_subject(model, rng, _STILL)
    mesh = sample_clip(model, subject, expression, 3, rng, _STILL)[0]
    angles = [*rng.uniform(-30, 30, 2), rng.uniform(-10, 10)]
    turn = Rotation.from_euler("YXZ", angles, degrees=True).as_matrix()
    vertices = (mesh.vertices @ turn.T + rng.normal(0, 30, 3)).astype(np.float32)
    x, y, z = (float(c) for c in (vertices.min(axis=0) + vertices.max(axis=0)) / 2)
    head = dataclasses.replace(mesh, vertices=vertices)
    scan = scan_head(
        head, framing=Framing((x, y, z), 320.0), points=12_000, texture_size=8
    )
    return scan.mesh(), turn


def errors_deg(model, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(count):
        scan, turn = turned_scan(model, rng)
        pose = pose_from_surface(scan)
        left = Rotation.from_matrix(turn.T @ pose.rotation)
        errors.append(np.degrees(left.magnitude()))
    return np.array(errors)


@pytest.mark.slow
def test_scans_of_ict_heads_are_turned_to_the_front(ict_archive):
    errors = errors_deg(load_ict(ict_archive, 24), 40, seed=7)
    assert np.median(errors) < 3.0
    assert np.quantile(errors, 0.9) < 10.0


def test_scans_of_procedural_heads_are_turned_to_the_front():
    # Its face is an ellipsoid, which says less about pitch than a real one.
    errors = errors_deg(load_procedural(), 12, seed=3)
    assert np.median(errors) < 8.0


def test_frontalize_undoes_a_turn_about_the_face():
    model = load_procedural()
    mesh = Mesh(model.mean, model.faces, landmarks=model.mean[model.landmarks])
    pose = pose_from_surface(mesh)
    turn = Rotation.from_euler("YXZ", [20, -10, 5], degrees=True).as_matrix()
    center = np.array(pose.framing.center)
    moved = dataclasses.replace(
        mesh,
        vertices=((mesh.vertices - center) @ turn.T + center).astype(np.float32),
        landmarks=((mesh.landmarks - center) @ turn.T + center).astype(np.float32),
    )
    back = frontalize(
        moved, dataclasses.replace(pose, rotation=turn.astype(np.float32))
    )
    np.testing.assert_allclose(back.vertices, mesh.vertices, atol=1e-3)
    np.testing.assert_allclose(back.landmarks, mesh.landmarks, atol=1e-3)


def ict_anchors(model, turn=None) -> Anchors:
    turn = np.eye(3) if turn is None else turn
    at = model.mean[model.landmarks] @ turn.T
    return Anchors(
        eyes=((at[42] + at[45]) / 2, (at[36] + at[39]) / 2),
        mouth=(at[48] + at[54]) / 2,
        nose_tip=at[30],
    )


def test_landmarks_give_the_pose(ict_archive):
    model = load_ict(ict_archive, 1)
    frontal = pose_from_anchors(ict_anchors(model))
    assert np.degrees(Rotation.from_matrix(frontal.rotation).magnitude()) < 2.0
    turn = Rotation.from_euler("YXZ", [25, 15, -8], degrees=True).as_matrix()
    pose = pose_from_anchors(ict_anchors(model, turn))
    np.testing.assert_allclose(pose.rotation, turn @ frontal.rotation, atol=1e-5)
    expected = model.mean[model.landmarks[30]] + frontal.rotation @ [0, -6, -36]
    np.testing.assert_allclose(pose.framing.center, turn @ expected, atol=1e-3)


def test_what_is_no_face_is_refused():
    with pytest.raises(MeshError, match=r"unit_mm"):
        pose_from_surface(sphere(radius=0.1, n=40))
    flat = np.zeros(3), np.array([60.0, 0, 0])
    with pytest.raises(MeshError, match="one line"):
        pose_from_anchors(Anchors(flat, np.array([30.0, 0, 0]), np.zeros(3)))


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.creation.icosphere(subdivisions=0, radius=90),
        trimesh.creation.box((150, 200, 180)),
        trimesh.creation.cylinder(80, 200, sections=6),
        trimesh.Trimesh([[0, 0, 0], [100, 0, 0], [0, 100, 5], [50, 50, 40]],
                        [[0, 1, 2], [0, 1, 3], [1, 2, 3]]),
        trimesh.creation.box((3, 200, 2)).subdivide_to_size(4),
    ],
)  # fmt: skip
def test_few_points_are_refused_or_placed_but_never_crash(mesh):
    made = Mesh(mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32))
    try:
        pose = pose_from_surface(made)
    except MeshError as error:
        assert "face" in str(error)
    else:
        assert np.isfinite(pose.rotation).all()
