"""The first look: faces are found whichever way they look, and in whatever unit."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smile_jax.landmarking import first_look
from smile_jax.landmarking.face_template import (
    MIRROR,
    TEMPLATE,
    fit_template,
    pose_by_landmarks,
)
from smile_jax.landmarking.face_units import unit_of, unit_of_face
from smile_jax.landmarking.first_look import (
    FACE,
    Face,
    NoFaceError,
    find_face,
    find_faces,
    require_face,
)
from smile_jax.landmarking.head_scan import look_at
from smile_jax.landmarking.network import FIRST_LOOK
from smile_jax.landmarking.rendered_inputs import take_pictures
from smile_jax.mesh import Framing, Mesh, MeshError
from smile_jax.mesh.pose import degrees_between, on_the_nose, placed_by
from tests.faces.heads import performed
from tests.mesh.shapes import sphere


@pytest.fixture(scope="module")
def head():
    return performed("happy", seed=5, pose_deg=0.0)[0]


@pytest.fixture(scope="module")
def plain(head):
    return find_face(head)


def written(head: Mesh, turn=None, scale: float = 1.0, move=(0, 0, 0)) -> Mesh:
    """The head in another pose and unit, elsewhere."""
    turn = np.eye(3) if turn is None else turn
    vertices = (head.vertices @ turn.T * scale + move).astype(np.float32)
    return Mesh(vertices, head.faces)


def joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    faces = [m.faces + k for m, k in zip(meshes, starts, strict=False)]
    points = np.concatenate([m.vertices for m in meshes])
    return Mesh(points, np.concatenate(faces).astype(np.int32))


def axis_turns():
    """The 24 rotations that map axes to axes."""
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            turn = np.eye(3)[list(order)] * signs
            if np.linalg.det(turn) > 0:
                yield turn


def test_the_pose_is_that_of_delivered_landmarks(head, plain):
    """By found landmarks and by delivered ones faces are framed within 2 mm."""
    for seed in range(6):
        (mesh,) = performed("sad", seed=seed, pose_deg=8.0)
        delivered = on_the_nose(mesh, pose_by_landmarks(mesh.landmarks))
        for turn in (False, True):
            found = require_face(mesh, turn=turn).pose
            balls = [
                placed_by(p, turn=turn, crop=True).ball for p in (found, delivered)
            ]
            apart = np.subtract(balls[0].center, balls[1].center)
            assert np.linalg.norm(apart) < 2, seed
            assert degrees_between(found.rotation, delivered.rotation) < 8


def test_a_head_is_found_along_every_axis_with_every_side_up(head, plain):
    assert plain.sure > 0.8 and plain.pose.turned_deg < 5
    for turn in axis_turns():
        face = find_face(written(head, turn, 0.1, (30, -4, 7)))
        assert face.sure > 0.8
        assert degrees_between(face.rotation, turn @ plain.rotation) < 3
        assert face.scale / plain.scale == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize(
    "angles", [(60, 0, 0), (-60, 20, 0), (0, 50, 0), (0, -40, 15), (100, 0, 45)]
)
def test_a_head_turned_anyhow_is_turned_back(angles, head, plain):
    turn = Rotation.from_euler("yxz", angles, degrees=True).as_matrix()
    face = find_face(written(head, turn))
    assert face.sure > 0.8
    assert degrees_between(face.rotation, turn @ plain.rotation) < 5


@pytest.mark.parametrize("unit_mm", [0.001, 1.0, 10.0, 25.4, 1000.0])
def test_usual_units_are_told_by_the_face(unit_mm, head):
    assert unit_of(written(head, scale=1 / unit_mm)) == unit_mm


@pytest.mark.parametrize("unit_mm, near", [(3.7, ""), (16.0, "cm or in"), (220.0, "")])
def test_of_no_usual_unit_a_face_is_of_average_size(unit_mm, near, plain):
    found, notes = unit_of_face(plain.scaled(1 / (unit_mm * plain.scale)))
    assert found == pytest.approx(unit_mm, rel=0.01)
    assert "average size" in notes[0] and (near in notes[0])
    assert ("unit_mm" in notes[0]) == bool(near)


def test_what_is_no_face_is_not_sure():
    for thing in (sphere(90.0, n=40), sphere(0.3, n=60)):
        face = find_face(thing)
        assert face is None or face.sure < FACE
        with pytest.raises(NoFaceError, match="no face found"):
            require_face(thing)
    guess = Face(np.eye(3), np.array([1.0, 2, 3]), 1.0, 0.31, 3.0)
    said = str(NoFaceError(guess))
    assert "28% sure, 50%" in said and "nose at 1, 2, 3" in said
    assert "unit" not in said and NoFaceError(None).sure == 0


def test_two_heads_are_counted_and_each_can_be_had(head):
    half = Rotation.from_euler("y", 150, degrees=True).as_matrix()
    both = joined(written(head), written(head, half, move=(330, 0, 0)))
    faces = find_faces(both)
    assert len(faces) == 2
    sides = sorted(face.tip[0] for face in faces)
    assert sides[0] < 50 < 250 < sides[1]
    scan = look_at(both)
    assert scan.heads == 2 and any("2 heads" in note for note in scan.notes)
    second = look_at(both, head=1)
    alone = second.prepared(both)
    assert second.face.tip[0] != scan.face.tip[0]
    assert degrees_between(look_at(alone).face.rotation, second.face.rotation) < 3
    with pytest.raises(MeshError, match="it shows 2 heads, and no number 3"):
        look_at(both, head=2)


def test_a_head_among_other_things_is_cut_out(head, plain):
    far = written(sphere(150.0, n=60), move=(0, -450, -60))
    scan = look_at(joined(head, far))
    assert "left out" in scan.notes[0]
    left = scan.prepared(joined(head, far))
    used = np.unique(left.faces)
    assert used.max() < len(head.vertices)
    assert degrees_between(scan.face.rotation, plain.rotation) < 3
    assert not look_at(head).notes and look_at(head).ball is None


def test_triangles_that_look_inward_are_turned_over(head):
    inward = dataclasses.replace(head, faces=head.faces[:, ::-1].copy())
    scan = look_at(inward)
    assert scan.inward and "look inward" in scan.notes[0]
    np.testing.assert_array_equal(scan.prepared(inward).faces, head.faces)
    assert not look_at(head).inward


@pytest.mark.parametrize("zoom", [1, 2])
def test_a_part_is_what_is_seen_from_there(zoom, head):
    """Each part says from where it is looked at, with which side up."""
    bare = Mesh(head.vertices, head.faces)
    whole = first_look._whole(bare, deep=True)
    parts = list(
        first_look._parts(bare, whole, zoom, first_look._directions(), sides=4)
    )
    assert len(parts) > 20
    for part in parts[:: 1 if zoom == 1 else 17]:
        points = (bare.vertices - np.asarray(part.framing.center)) @ part.rotation
        turned = Mesh(points.astype(np.float32), bare.faces)
        framing = Framing((0.0, 0.0, 0.0), part.framing.extent)
        seen = take_pictures(turned, (0.0,), framing, FIRST_LOOK.size).images[0]
        assert np.linalg.det(part.rotation) == pytest.approx(1)
        assert (np.abs(seen - part.image) > 0.05).mean() < 0.02


def test_the_template_is_laid_onto_a_face_whatever_is_missing():
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(TEMPLATE[list(MIRROR)] * [-1, 1, 1], TEMPLATE, atol=0.11)
    turn = Rotation.random(random_state=1).as_matrix()
    points = 0.3 * TEMPLATE @ turn.T + [5, 6, 7] + 0.1 * rng.standard_normal((68, 3))
    points[48:54] += 4  # mistaken
    points[:17] = np.nan
    fit = fit_template(points, np.ones(68))
    assert degrees_between(fit.rotation, turn) < 1.5
    assert fit.scale == pytest.approx(0.3, rel=0.02)
    assert np.abs(fit.tip - [5, 6, 7]).max() < 0.5
    assert fit_template(points, np.zeros(68)) is None
