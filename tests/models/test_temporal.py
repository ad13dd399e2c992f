"""What each kind makes of frames: their mean at the start, and only of those there."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.mesh.rank_pooling import dynamic_image
from smile_jax.models.temporal import (
    KINDS,
    TemporalConfig,
    Timing,
    dynamic_images,
    unknown_timing,
)

B, T, V, F = 8, 5, 2, 8
ORDERED = ("differences", "two_phase", "transformer")


def timing(frames=T, present=T):
    """Clips of 10 frames a second of which the first few are there."""
    seconds = np.where(np.arange(frames) < present, np.arange(frames) / 10, -1)
    apex = np.arange(B) % present
    return Timing(
        jnp.tile(jnp.asarray(seconds, jnp.float32)[None], (B, 1)),
        jnp.asarray(apex, jnp.int32),
    )


def made(kind, rng, frames=T):
    """A module with parameters as training may leave them, and its input."""
    pool = TemporalConfig(kind=kind, depth=1, heads=2).make()
    features = jnp.asarray(rng.normal(size=(B, frames, V, F)), jnp.float32)
    params = pool.init(jax.random.PRNGKey(0), features, timing(frames, frames))
    moved = jax.tree.map(
        lambda p: p + jnp.asarray(0.3 * rng.normal(size=p.shape), p.dtype), params
    )
    return pool, params, moved, features


@pytest.mark.parametrize("kind", KINDS)
def test_starts_as_the_mean(rng, kind):
    pool, params, moved, features = made(kind, rng)
    apply = jax.jit(pool.apply)
    np.testing.assert_allclose(
        apply(params, features, timing()), features.mean(axis=1), atol=1e-6
    )
    gap = np.abs(apply(moved, features, timing()) - features.mean(axis=1)).max()
    assert (gap > 1e-3) == (kind not in ("mean", "dynamic"))


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(rng, kind, x64):
    """Neither what comes out nor the gradients of parameters and frames."""
    pool, _, moved, features = made(kind, rng)
    # Gradients of shifts that softmax does not see are nothing but rounding.
    moved, features = jax.tree.map(lambda x: x.astype(jnp.float64), (moved, features))

    @functools.partial(jax.jit, static_argnums=2)
    def gradients(params, features, frames):
        present = timing(frames, T)
        loss = lambda p, x: (pool.apply(p, x, present) ** 2).sum()  # noqa: E731
        return pool.apply(params, features, present), jax.grad(loss, (0, 1))(
            params, features
        )

    out, (of_params, of_frames) = gradients(moved, features, T)
    noise = jnp.asarray(rng.normal(size=(B, 3, V, F)))
    padded = jnp.concatenate([features, noise], axis=1)
    same, (also_params, also_frames) = gradients(moved, padded, T + 3)
    expected, found = (
        (out, of_params, of_frames),
        (same, also_params, also_frames[:, :T]),
    )
    for a, b in zip(*map(jax.tree.leaves, (expected, found)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6 * max(1, np.abs(a).max()))
    assert not np.abs(also_frames[:, T:]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_one_frame_is_that_frame(rng, kind):
    """Alone, or in a batch of longer clips."""
    pool, _, moved, features = made(kind, rng, frames=1)
    out = jax.jit(pool.apply)(moved, features, timing(1, 1))
    np.testing.assert_array_equal(out, features[:, 0])
    padded = jnp.concatenate([features, features + 1], axis=1)
    out = jax.jit(pool.apply)(moved, padded, timing(2, 1))
    np.testing.assert_allclose(out, features[:, 0], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_order_matters_where_it_should(rng, kind):
    pool, _, moved, features = made(kind, rng)
    there = timing()
    back = there.replace(apex=T - 1 - there.apex)
    apply = jax.jit(pool.apply)
    forth = apply(moved, features, there)
    gap = np.abs(forth - apply(moved, features[:, ::-1], back)).max()
    assert (gap > 1e-3) == (kind in ORDERED), gap


def test_seconds_matter_to_the_transformer(rng):
    pool, _, moved, features = made("transformer", rng)
    there = timing()
    slow = there.replace(time_s=there.time_s * 3)
    apply = jax.jit(pool.apply)
    assert (
        np.abs(apply(moved, features, there) - apply(moved, features, slow)).max()
        > 1e-3
    )


@pytest.mark.parametrize("kind", KINDS)
def test_devices(rng, kind):
    """One device or eight: the same features and gradients."""
    pool, _, moved, features = made(kind, rng)
    moved = {"nothing": {"x": jnp.zeros(())}} | moved  # some kinds have no parameters

    def gradient(params, x, when):
        loss = lambda p: (pool.apply(p, x, when) ** 2).sum()  # noqa: E731
        return jax.value_and_grad(loss)(params)

    alone = jax.jit(gradient)(moved, features, timing())
    split = jax.tree.map(lambda x: x[:, None], (features, timing()))
    parts = jax.pmap(gradient, in_axes=(None, 0, 0))(moved, *split)
    joined = jax.tree.map(lambda x: x.sum(axis=0), parts)
    for a, b in zip(*map(jax.tree.leaves, (alone, joined)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_dynamic_images_are_those_of_the_builder(rng):
    """With and without padding, amplified about rest; one frame alone as it is."""
    frames = rng.uniform(0.4, 0.6, (B, T, V, 4, 4, 3)).astype(np.float32)
    standard = (frames - 0.5) / 0.25
    gain = 2.0
    expected = np.stack([dynamic_image(clip) for clip in frames])
    expected = gain * (expected - 0.5) / 0.25
    pooled = jax.jit(dynamic_images, static_argnums=2)
    found = pooled(standard, timing(), gain)
    assert found.shape == (B, 1, V, 4, 4, 3)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
    padded = np.concatenate([standard, np.ones_like(standard)], axis=1)
    again = pooled(padded, timing(2 * T, T), gain)
    np.testing.assert_allclose(again, found, atol=1e-6)
    backwards = pooled(standard[:, ::-1], timing(), gain)
    assert np.abs(backwards - found).max() > 1e-2
    single = pooled(standard[:, :1], unknown_timing(B, 1), gain)
    np.testing.assert_array_equal(single, standard[:, :1])
