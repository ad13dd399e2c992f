"""The landmarker: what it finds, how sure it is, and when it says that there is no
face."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smile_jax.faces import Difficulty, load_procedural, sample_clip, sample_subject
from smile_jax.landmarking.consensus import robust_means
from smile_jax.landmarking.first_look import NoFaceError, require_face
from smile_jax.landmarking.landmarker import find_landmarks
from smile_jax.landmarking.network import (
    FIRST_LOOK,
    LANDMARKER,
    LANDMARKS,
    STRIDE,
    HeatmapNetwork,
    NetworkConfig,
    decode,
    target,
)
from smile_jax.landmarking.rendered_inputs import CHANNELS, take_pictures
from smile_jax.landmarking.training_heads import make_views, non_face_mesh
from smile_jax.mesh import Mesh, frame_mesh
from smile_jax.mesh.pose import frontalize


def head(seed, **difficulty):
    rng = np.random.default_rng(seed)
    difficulty = Difficulty(**difficulty)
    subject = sample_subject(load_procedural(), rng, difficulty)
    return sample_clip(load_procedural(), subject, "happy", 4, rng, difficulty)[0]


def test_it_finds_landmarks_of_people_it_has_not_seen():
    errors = []
    for seed in range(8):
        mesh = head(10_000 + seed)
        found = find_landmarks(dataclasses.replace(mesh, landmarks=None))
        assert found.scheme == "multipie68" and found.points.shape == (68, 3)
        assert found.valid.mean() > 0.9
        assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
        apart = np.linalg.norm(found.points - mesh.landmarks, axis=1)
        errors.append(apart[found.valid])
    errors = np.concatenate(errors)
    assert np.median(errors) < 2.5 and np.quantile(errors, 0.9) < 5


@pytest.mark.parametrize("angles", [(40, 0, 0), (-40, 10, 0), (0, 25, 0), (0, 0, 25)])
def test_it_finds_them_on_turned_heads_and_says_how_they_are_turned(angles):
    mesh = head(10_020, pose_deg=0.0, shift_mm=0.0)
    turn = Rotation.from_euler("yxz", angles, degrees=True).as_matrix()
    vertices = np.ascontiguousarray(mesh.vertices @ turn.T, np.float32)
    turned = dataclasses.replace(mesh, vertices=vertices, landmarks=None)
    apart = np.linalg.norm(
        find_landmarks(turned).points - mesh.landmarks @ turn.T, axis=1
    )
    assert np.median(apart) < 3
    back = require_face(turned).rotation.T @ turn @ require_face(mesh).rotation
    assert np.rad2deg(Rotation.from_matrix(back).magnitude()) < 5


def test_where_it_is_and_in_what_colours_does_not_matter():
    mesh = dataclasses.replace(head(10_030), landmarks=None)
    found = find_landmarks(mesh)
    far = dataclasses.replace(
        mesh, vertices=mesh.vertices + np.float32([200, -100, 700]), colors=None
    )
    moved = find_landmarks(far).points - [200, -100, 700]
    np.testing.assert_allclose(moved, found.points, atol=0.3)


def test_it_says_that_there_is_no_face():
    model = load_procedural()
    refused = 0
    for seed in range(40):
        mesh = non_face_mesh(model, np.random.default_rng(10**9 + seed))
        try:
            find_landmarks(mesh)
        except NoFaceError as error:
            assert "no face found" in str(error)
            refused += 1
    assert refused == 40


def test_guesses_agree_where_most_of_them_are():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(5, 3)) * 50
    guesses = truth + 0.5 * rng.normal(size=(3, 5, 3))
    guesses[0, 1] += 80  # one view is mistaken
    guesses[1, 2] = np.nan  # one sees nothing
    weights = np.ones((3, 5))
    weights[:, 4] = 0
    points, counts = robust_means(guesses, weights)
    assert np.linalg.norm(points[:4] - truth[:4], axis=1).max() < 2
    assert np.isnan(points[4]).all() and counts[0, 1] < 0.01 and counts[1, 2] == 0
    assert counts[0, 0] > 0.8


def test_points_survive_the_way_to_pixels_and_back():
    """A point of the surface is lifted to itself, from every view that sees it."""
    mesh = head(1, pose_deg=0.0, holes=0.0)
    pictures = take_pictures(mesh, (-30.0, 0.0, 30.0), frame_mesh(mesh), 96)
    inner = mesh.landmarks[27:36]
    where = pictures.pixels_of(inner)
    points, weights = pictures.points_of(where[..., :2].astype(np.float64))
    apart = np.linalg.norm(points - inner, axis=-1)
    assert np.median(apart) < 1.5 and (weights > 0).all()
    # From the side some lie behind the nose; from the front all are seen.
    assert np.median(apart[1]) < 1 and np.quantile(apart[1], 0.8) < 3
    nothing = np.zeros((3, 1, 2))  # a corner, where nothing is
    points, weights = pictures.points_of(nothing)
    assert np.isnan(points[..., 2]).all() and (weights == 0).all()


def test_a_target_is_decoded_to_its_pixel_and_nowhere_to_nowhere():
    rng, size = np.random.default_rng(0), LANDMARKER.size
    pixels = jnp.asarray(rng.uniform(10, size - 10, size=(2, LANDMARKS, 2)))
    seen = jnp.asarray(rng.random((2, LANDMARKS)) < 0.7, jnp.float32)
    wanted = target(pixels, seen, size // STRIDE)
    np.testing.assert_allclose(wanted.sum(axis=-1), 1, atol=1e-5)
    found, sure = decode(jnp.log(wanted + 1e-9))
    there = np.asarray(seen) > 0
    assert np.abs(np.asarray(found - pixels))[there].max() < 0.2
    np.testing.assert_allclose(np.asarray(sure), np.asarray(seen), atol=0.02)


def test_every_parameter_of_the_network_learns():
    network = HeatmapNetwork(NetworkConfig(widths=(8, 8), blocks=(1, 1)))
    images = jax.random.normal(jax.random.key(0), (2, 96, 96, CHANNELS))
    params = network.init(jax.random.key(1), images)
    probe = jax.random.normal(jax.random.key(2), network.apply(params, images).shape)
    gradients = jax.grad(lambda p: (network.apply(p, images) * probe).sum())(params)
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.abs(gradient).max() > 1e-6, path


def test_views_mark_what_is_to_be_seen():
    """Same seed, same views; where a landmark is seen, the mesh is near its pixel."""
    turned_away = 0
    for seed in range(6):
        made, again = make_views(seed, ""), make_views(seed, "")
        for views, config in zip(made, (LANDMARKER, FIRST_LOOK), strict=True):
            assert views.images.shape[1:] == (config.size, config.size, CHANNELS)
            inside = (views.pixels >= 0) & (views.pixels < config.size)
            assert not (views.seen & ~inside.all(axis=-1)).any()
            for image, pixels, seen in zip(
                views.images, views.pixels, views.seen, strict=True
            ):
                for column, row in pixels[seen].astype(int):
                    window = image[
                        max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4
                    ]
                    assert window[..., 4].any()
        for one, other in zip(made, again, strict=True):
            np.testing.assert_array_equal(one.images, other.images)
        turned_away += (~made[1].seen.any(axis=1)).sum()
    assert 0 < turned_away < 24


def test_a_turned_head_is_turned_back_to_the_same_pictures():
    mesh = head(3, pose_deg=0.0, shift_mm=0.0, holes=0.0, sensor_mm=0.0)
    pose = require_face(mesh).pose
    turn = Rotation.from_euler("yxz", (20, -10, 5), degrees=True).as_matrix()
    vertices = np.ascontiguousarray(mesh.vertices @ turn.T, np.float32)
    other = require_face(Mesh(vertices, mesh.faces)).pose
    one = take_pictures(frontalize(mesh, pose), (0.0,), pose.framing, 96)
    two = take_pictures(
        frontalize(Mesh(vertices, mesh.faces), other), (0.0,), other.framing, 96
    )
    both = one.mask & two.mask
    assert both.mean() > 0.9 * one.mask.mean()
    cosine = (one.images * two.images)[both][:, 1:4].sum(axis=-1)
    assert np.median(cosine) > 0.97
