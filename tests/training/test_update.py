"""Clipping, decay, schedule, averages and keys, each on its own."""

import dataclasses
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from smile_jax.data.augment import AugmentConfig
from smile_jax.training.micro_batches import in_micro_batches
from smile_jax.training.optimizer import OptimizerConfig, make_optimizer, make_schedule
from smile_jax.training.state import stream_key, update_average
from smile_jax.training.step import StepConfig, encode_batch
from smile_jax.training.update import update
from tests.defaults import by_default

ADAMW = by_default(OptimizerConfig, "optimizer", warmup=0.0, weight_decay=0.5)


@pytest.mark.parametrize("clip_norm, moved", [(1.0, 1.0), (10.0, 5.0)])
def test_longer_gradients_are_scaled_down(clip_norm, moved):
    params = {"a": jnp.zeros(1), "b": jnp.zeros(1)}
    gradient = {"a": jnp.array([3.0]), "b": jnp.array([4.0])}
    optimizer = optax.sgd(1.0)
    new, _, norms = update(
        optimizer,
        gradient,
        optimizer.init(params),
        params,
        clip_norm=clip_norm,
        in_pieces=False,
        axis_name=None,
    )
    np.testing.assert_allclose(optax.tree.norm(new), moved, rtol=1e-6)
    np.testing.assert_allclose(new["a"] / new["b"], 0.75, rtol=1e-6)
    assert norms["gradient_norm"] == 5 and norms["gradient_norm/b"] == 4


def test_matrices_decay_and_nothing_else():
    params = {
        "dense": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
        "norm": {"scale": jnp.ones(2)},
        "position": jnp.ones((3, 2)),
        "logit_scale": jnp.ones(()),
    }
    optimizer = make_optimizer(ADAMW, 10, jax.tree.map(lambda _: 1.0, params))
    nothing = jax.tree.map(jnp.zeros_like, params)
    state = optimizer.init(params)
    for _ in range(2):  # the first has a rate of 0
        updates, state = optimizer.update(nothing, state, params)
    assert (updates["dense"]["kernel"] < 0).all()
    del updates["dense"]["kernel"]
    assert not any(x.any() for x in jax.tree.leaves(updates))


def test_the_rate_rises_and_falls_to_its_share_of_the_peak():
    config = by_default(OptimizerConfig, "optimizer", warmup=0.1, final_rate=0.01)
    rates = [float(make_schedule(config, 100)(step)) for step in range(101)]
    assert rates[0] == 0 and rates[10] == max(rates)
    np.testing.assert_allclose(max(rates), config.learning_rate, rtol=1e-6)
    np.testing.assert_allclose(rates[100], 0.01 * config.learning_rate, rtol=1e-4)


def test_an_average_from_random_parameters_forgets_them_soon():
    old, new = {"w": jnp.zeros(())}, {"w": jnp.ones(())}
    for step, random, expected in (
        (0, True, 0.9),
        (0, False, 0.01),
        (10**6, True, 0.01),
    ):
        found = update_average(old, new, 0.99, step, from_random=random)
        np.testing.assert_allclose(found["w"], expected, rtol=1e-5)


def test_streams_and_steps_have_keys_of_their_own():
    root = jax.random.PRNGKey(0)
    keys = [stream_key(root, s, i) for s in ("augment", "patches") for i in (0, 1)]
    assert len({tuple(np.asarray(k).tolist()) for k in keys}) == 4


def seen_of_a_batch(rng, **more):
    """What the model sees of a batch, by key and step; the model gives it back."""
    model = types.SimpleNamespace(
        apply=lambda params, clips, timing, kept, method: clips
    )
    config = StepConfig(
        augment=by_default(AugmentConfig, "augment"),
        channels=("texture", "depth", "normals"),
        inputs=("texture",),
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        motion_gain=None,
        local_mean=0.0,
        num_views=2,
        crops=1,
        plain_view=lambda pixels: pixels,
        train_text=False,
        ema_decay=0.9,
        from_random=True,
        clip_norm=1.0,
        micro_batches=1,
        shard_moments=False,
        term_gradients=False,
        patches=0,
        kept_patches=0,
        hides_patches=False,
    )
    config = dataclasses.replace(config, **more)
    pixels = rng.integers(0, 256, (2, 1, 3, 16, 16, 7)).astype(np.uint8)
    batch = {
        "views": jnp.asarray(pixels),
        "row": jnp.arange(2),
        "time_s": jnp.zeros((2, 1)),
        "apex": jnp.zeros(2, jnp.int32),
    }

    @jax.jit
    def views(key, step):
        state = types.SimpleNamespace(key=key, step=step)
        return encode_batch(model, config, {}, state, batch)[0]

    return views


def test_every_step_augments_in_its_own_way(rng):
    views = seen_of_a_batch(rng)
    seen = []
    for step in (0, 1, 0):
        seen.append(views(jax.random.PRNGKey(0), step))
    np.testing.assert_array_equal(seen[0], seen[2])
    assert jnp.abs(seen[0] - seen[1]).max() > 0.1


def test_training_subtracts_the_local_mean():
    key = jax.random.PRNGKey(0)
    plain = seen_of_a_batch(np.random.default_rng(0))(key, 0)
    seen = seen_of_a_batch(np.random.default_rng(0), local_mean=0.1)(key, 0)
    assert jnp.abs(plain - seen).max() > 0.1
    assert jnp.abs(seen.mean()) < 0.2 * jnp.abs(plain.mean())


@pytest.mark.parametrize("count", [2, 4])
def test_parts_of_a_batch_give_the_gradient_of_the_whole(rng, count):
    """Of a loss that is not a sum over examples; in the order of the examples."""
    params = jnp.asarray(rng.normal(size=(3, 2)), jnp.float32)
    batch = {"x": jnp.asarray(rng.normal(size=(8, 3)), jnp.float32)}

    def encode(params, part):
        return jnp.tanh(part["x"] @ params)

    def loss(encode, params):
        z = encode(params, batch)
        return ((z.T @ z) ** 2).sum() + z[0, 0]

    whole = jax.value_and_grad(lambda p: loss(encode, p))(params)
    parts = jax.value_and_grad(lambda p: loss(in_micro_batches(encode, count), p))
    for ours, full in zip(parts(params), whole, strict=True):
        np.testing.assert_allclose(ours, full, rtol=1e-5)
