"""Landmark schemes against the 68 points of face models."""

import pathlib

import numpy as np
import pytest

from smile_jax.faces import load_procedural
from smile_jax.faces.rehearsal_scans import Shot
from smile_jax.mesh import Landmarks, Mesh, MeshError, read_landmarks
from smile_jax.mesh.landmark_schemes import FACE_POINTS, SCHEMES, face_points
from smile_jax.mesh.writers import write_landmarks


@pytest.fixture(scope="module")
def shot():
    model = load_procedural()
    mesh = Mesh(model.mean, model.faces)
    return Shot(model, mesh, model.mean, pathlib.Path(), 100, 10)


@pytest.fixture(scope="module")
def points(shot):
    return shot.mesh.vertices[shot.model.landmarks]


def known(found):
    return np.flatnonzero(np.isfinite(found).all(axis=1))


def test_sixty_eight_are_themselves(points):
    found = face_points(Landmarks(points, scheme="multipie68"))
    np.testing.assert_array_equal(found[:68], points)
    assert found.shape == (FACE_POINTS, 3) and len(known(found)) == 68


def test_forty_nine_are_those_without_jaw_and_inner_corners(points):
    rows = [i for i in range(17, 68) if i not in (60, 64)]
    found = face_points(Landmarks(points[rows], scheme="multipie49"))
    assert known(found).tolist() == rows
    np.testing.assert_array_equal(found[rows], points[rows])


@pytest.mark.parametrize("turned", [False, True])
def test_binghamtons_contours_lead_to_the_same_places(shot, points, turned, tmp_path):
    """Whichever side comes first, and whatever point of a contour."""
    marks = shot.eighty_three()
    order = np.arange(83)
    if turned:
        groups = ((8, 16), (0, 8), (26, 36), (16, 26))
        order = np.concatenate([*(np.arange(*g)[::-1] for g in groups), order[36:]])
    write_landmarks(tmp_path / "a.bnd", Landmarks(marks.points[order]))
    read = read_landmarks(tmp_path / "a.bnd")
    assert read.scheme == "binghamton83"
    found = face_points(read)
    rows = known(found)
    assert {8, *range(17, 27), 31, 35, *range(36, 68), 68, 69} == set(rows)
    at = rows[rows < 68]
    assert np.linalg.norm(found[at] - points[at], axis=1).max() < 4


def test_bosphorus_is_by_label(shot, points, tmp_path):
    marks = shot.landmarks()
    write_landmarks(tmp_path / "a.lm3", marks)
    read = read_landmarks(tmp_path / "a.lm3")
    found = face_points(read)
    rows = known(found)
    assert {30, 36, 39, 42, 45, 48, 54} <= set(rows)
    np.testing.assert_allclose(found[rows], points[rows], atol=1e-3)


def test_mediapipe_has_all_but_the_saddle():
    points = np.random.default_rng(0).normal(size=(478, 3)).astype(np.float32)
    found = face_points(Landmarks(points, scheme="mediapipe"))
    assert len(known(found)) == 68
    np.testing.assert_array_equal(found[30], points[4])  # the tip of the nose
    np.testing.assert_array_equal(found[8], points[152])  # the chin


def test_what_was_not_found_is_not_known(points):
    valid = np.ones(68, bool)
    valid[8] = False
    found = face_points(Landmarks(points, scheme="multipie68", valid=valid))
    assert 8 not in known(found) and len(known(found)) == 67


@pytest.mark.parametrize(
    ("count", "scheme", "said"),
    [
        (10, "", "say nothing of a face"),
        (10, "flame", "known: multipie68"),
        (67, "multipie68", "67 landmarks, 'multipie68' has 68"),
        (84, "binghamton83", "84 landmarks"),
    ],
)
def test_what_is_not_known_is_refused(count, scheme, said):
    with pytest.raises(MeshError, match=said):
        face_points(Landmarks(np.zeros((count, 3), np.float32), scheme=scheme))


def test_pixels_are_refused():
    with pytest.raises(MeshError, match="not in three dimensions"):
        face_points(Landmarks(np.zeros((68, 2), np.float32), scheme="multipie68"))
    assert "bosphorus" in SCHEMES
