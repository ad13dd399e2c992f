"""Augmentation: what it changes, what it must not, and who draws what."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from smile_jax.data.augment import (
    AugmentConfig,
    augment_clips,
    plain_clips,
    without_local_mean,
)
from tests.defaults import by_default

CHANNELS = ("texture", "depth", "normals")
MEAN, STD = np.linspace(0.3, 0.6, 7), np.linspace(0.2, 0.3, 7)  # by channel
DEFAULT = by_default(AugmentConfig, "augment")
OFF = dataclasses.replace(
    DEFAULT, scale=0, shift=0, gain=0, bias=0, noise=0, erase=0, relight=False
)


@pytest.fixture
def images(rng):
    """Smooth pixels of 4 clips, 2 frames, 3 views; the views differ by brightness."""
    y, x = np.mgrid[0:24, 0:24] / 24
    base = 60 + 80 * np.stack([x, y, x * y, 1 - x, y, 0.5 + 0 * x, x + y], axis=-1) / 2
    out = (
        base
        + 20 * np.arange(3)[:, None, None, None]
        + rng.uniform(0, 9, (4, 2, 1, 1, 1, 1))
    )
    return jnp.asarray(out.astype(np.uint8))


def augment(images, config, rows=None, key=0, views=2, inputs=CHANNELS):
    rows = jnp.arange(len(images)) if rows is None else rows
    run = functools.partial(
        augment_clips,
        channels=CHANNELS, inputs=inputs, num_views=views, mean=MEAN, std=STD,
    )  # fmt: skip
    return jax.jit(run, static_argnums=3)(images, rows, jax.random.PRNGKey(key), config)


def test_switched_off_it_only_chooses_views(images):
    clips, ids = augment(images, OFF)
    assert clips.shape == (4, 2, 2, 24, 24, 7)
    for b in range(4):
        assert ids[b, 0] != ids[b, 1]
        chosen = np.asarray(images)[b][:, np.asarray(ids[b])] / 255
        np.testing.assert_allclose(np.asarray(clips[b]) * STD + MEAN, chosen, atol=1e-5)


def test_an_example_is_augmented_alike_in_any_batch(images):
    config = DEFAULT
    whole, ids = augment(images, config)
    part, part_ids = augment(images[2:], config, rows=jnp.array([2, 3]))
    np.testing.assert_array_equal(ids[2:], part_ids)
    np.testing.assert_allclose(whole[2:], part, atol=1e-5)
    other, _ = augment(images[2:], config, rows=jnp.array([0, 1]))
    assert np.abs(whole[2:] - other).max() > 0.1


def test_steps_and_rows_and_views_draw_their_own(images):
    same = jnp.broadcast_to(
        images[:1, :, :1], images.shape
    )  # all clips and views alike
    clips, _ = augment(same, DEFAULT)
    assert np.abs(clips[0] - clips[1]).max() > 0.1
    assert np.abs(clips[:, :, 0] - clips[:, :, 1]).max() > 0.1
    again, _ = augment(same, DEFAULT, key=1)
    assert np.abs(clips - again).max() > 0.1


def test_frames_of_a_clip_are_augmented_alike(images):
    still = jnp.broadcast_to(images[:, :1], images.shape)
    clips, _ = augment(still, dataclasses.replace(DEFAULT, noise=0.0))
    np.testing.assert_allclose(clips[:, 0], clips[:, 1], atol=1e-6)


@pytest.mark.parametrize(
    "name", ["scale", "shift", "gain", "bias", "noise", "erase", "relight"]
)
def test_each_strength_does_something(images, name):
    value = True if name == "relight" else 0.5
    clips, _ = augment(images, AugmentConfig(**{**vars(OFF), name: value}))
    plain, _ = augment(images, OFF)
    assert np.abs(clips - plain).max() > 0.05


def test_shift_moves_and_zoom_keeps_the_middle(images):
    clips, _ = augment(images, AugmentConfig(**{**vars(OFF), "scale": 0.3}))
    plain, _ = augment(images, OFF)
    middle = (slice(None),) * 3 + (slice(11, 13), slice(11, 13))
    assert np.abs(clips[middle] - plain[middle]).max() < 0.1


def lit(normal, texture=200):
    """The texture of a plain clip whose surface faces one way."""
    n = np.array(normal) / np.linalg.norm(normal)
    pixels = np.concatenate([[texture] * 3, [128], 127.5 + 127 * n])
    image = jnp.asarray(
        np.broadcast_to(pixels, (1, 1, 1, 4, 4, 7)).round().astype(np.uint8)
    )
    clips, _ = plain_clips(
        image, (0,), channels=CHANNELS, inputs=("texture",), relight=True,
        mean=MEAN[:3], std=STD[:3],
    )  # fmt: skip
    return float(clips[0, 0, 0, 2, 2, 0] * STD[0] + MEAN[0])


def test_evaluation_light_is_lambert_from_the_camera():
    assert lit([0, 0, 1]) == pytest.approx(200 / 255, abs=0.01)
    expected = 200 / 255 * (0.25 + 0.75 * np.cos(np.deg2rad(60)))
    assert lit([np.sin(np.deg2rad(60)), 0, 0.5]) == pytest.approx(expected, abs=0.01)
    assert lit([0, 1, -1]) == pytest.approx(0.25 * 200 / 255, abs=0.01)


def test_background_stays_black_under_any_light(images):
    black = jnp.zeros_like(images)
    config = AugmentConfig(**{**vars(OFF), "relight": True, "bias": 0.3})
    clips, _ = augment(black, config)
    np.testing.assert_allclose(np.asarray(clips) * STD + MEAN, 0, atol=1e-6)


def test_what_moves_in_a_dynamic_image_is_amplified_and_the_rest_stays_at_rest(rng):
    """Whatever is drawn, where nothing moves is the middle, out of the picture too."""
    still = jnp.full((2, 1, 3, 24, 24, 7), 32768, jnp.uint16)
    drawn = dataclasses.replace(OFF, scale=0.5, shift=0.2, gain=0.2)
    run = functools.partial(
        augment_clips, channels=CHANNELS, inputs=CHANNELS, num_views=2,
        mean=(0.5,) * 7, std=(0.25,) * 7, motion_gain=16.0,
    )  # fmt: skip
    rows, key = jnp.arange(2), jax.random.PRNGKey(0)
    seen, _ = run(still, rows, key, drawn)
    np.testing.assert_allclose(seen, 0, atol=1e-3)
    little = still + jnp.asarray(rng.integers(-40, 40, still.shape), jnp.uint16)
    seen, ids = run(little, rows, key, OFF)
    chosen = np.take_along_axis(
        np.asarray(little), np.asarray(ids)[:, None, :, None, None, None], 2
    )
    expected = 16 * (chosen / 65535 - 0.5) / 0.25
    np.testing.assert_allclose(seen, expected, atol=1e-5)


def test_training_and_evaluation_see_a_dynamic_image_alike(rng):
    pixels = jnp.asarray(rng.integers(30000, 35000, (2, 1, 3, 24, 24, 7)), jnp.uint16)
    same = {"channels": CHANNELS, "inputs": CHANNELS, "mean": MEAN, "std": STD}
    seen, ids = augment_clips(
        pixels, jnp.arange(2), jax.random.PRNGKey(0), OFF, num_views=1,
        motion_gain=16.0, **same,
    )  # fmt: skip
    for b in range(2):
        plain, _ = plain_clips(
            pixels[b : b + 1], ids[b].tolist(), relight=False, motion_gain=16.0, **same
        )
        np.testing.assert_allclose(seen[b : b + 1], plain, atol=1e-5)


def test_a_local_mean_is_taken_from_pictures(rng):
    """Against SciPy's filter; a slope goes, an edge stays, 0 changes nothing."""
    x = rng.random((2, 40, 40, 3)).astype(np.float32)
    seen = without_local_mean(jnp.asarray(x), 0.05)
    expected = x - gaussian_filter(x, (0, 2, 2, 0), mode="constant", truncate=8)
    inside = np.s_[:, 12:28, 12:28]
    np.testing.assert_allclose(seen[inside], expected[inside], atol=1e-5)
    slope = jnp.broadcast_to(jnp.linspace(0, 9, 40)[:, None, None], (40, 40, 1))
    flat = without_local_mean(slope, 0.05)[12:28, 12:28]
    np.testing.assert_allclose(flat, 0, atol=1e-4)
    assert without_local_mean(slope, 0.0) is slope


def test_training_and_evaluation_take_the_same_local_mean(images):
    same = {
        "channels": CHANNELS, "inputs": CHANNELS, "mean": MEAN, "std": STD,
        "local_mean": 0.1,
    }  # fmt: skip
    off = dataclasses.replace(OFF, relight=False)
    rows, key = jnp.arange(len(images)), jax.random.PRNGKey(0)
    seen, ids = augment_clips(images, rows, key, off, num_views=1, **same)
    plain, _ = plain_clips(images[:1], ids[0].tolist(), relight=False, **same)
    np.testing.assert_allclose(seen[:1], plain, atol=1e-5)
    whole = plain_clips(
        images[:1], ids[0].tolist(), relight=False, **same | {"local_mean": 0.0}
    )
    assert jnp.abs(plain - whole[0]).max() > 0.1
