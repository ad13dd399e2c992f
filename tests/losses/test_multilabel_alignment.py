"""Each prompt by itself: by hand, and against optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from smile_jax.core.batch_statistics import normalize
from smile_jax.losses.multilabel_alignment import several_alignment


def batch(rng, b=6, v=2, k=4, e=5):
    fused, views, bank = (
        normalize(jnp.asarray(rng.normal(size=shape)))
        for shape in ((b, e), (b, v, e), (k, e))
    )
    return fused, views, bank, jnp.asarray(rng.integers(0, 2, (b, k)) * 1.0)


def test_by_hand():
    """One image that is its prompt and one that is not; s = 2, b = -1."""
    fused = jnp.array([[1.0, 0.0]])
    bank = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    bias = jnp.array([-1.0, -1.0])
    loss, metrics = several_alignment(
        fused, fused[:, None], bank, jnp.array([[1.0, 0.0]]),
        logit_scale=jnp.log(2.0), bias=bias,
    )  # fmt: skip
    one = (np.log1p(np.exp(-1)) + np.log1p(np.exp(-1))) / 2
    np.testing.assert_allclose(loss, 2 * one, rtol=1e-6)
    assert metrics["accuracy"] == 1 and metrics["said"] == 0.5
    focused, _ = several_alignment(
        fused, fused[:, None], bank, jnp.array([[1.0, 0.0]]),
        logit_scale=jnp.log(2.0), bias=bias, focus=2.0,
    )  # fmt: skip
    p = 1 / (1 + np.exp(1))
    one = (np.log1p(np.exp(-1)) + p**2 * np.log1p(np.exp(-1))) / 2
    np.testing.assert_allclose(focused, 2 * one, rtol=1e-6)


def test_is_the_sigmoid_loss_of_optax(rng, x64):
    fused, views, bank, targets = batch(rng)
    bias, scale = jnp.asarray(rng.normal(size=4)), 1.3
    loss, _ = several_alignment(
        fused, views, bank, targets, logit_scale=jnp.asarray(scale), bias=bias
    )
    each = [
        optax.sigmoid_binary_cross_entropy(
            np.exp(scale) * np.asarray(x @ bank.T) + np.asarray(bias), np.asarray(t)
        ).mean()
        for x, t in ((fused, targets), (views, targets[:, None].repeat(2, 1)))
    ]
    np.testing.assert_allclose(loss, sum(each), rtol=1e-9)


@pytest.mark.parametrize("focus", [0.0, 2.0])
def test_padding_has_no_weight(rng, focus):
    fused, views, bank, targets = batch(rng)
    given = {"logit_scale": jnp.asarray(1.0), "bias": jnp.zeros(4), "focus": focus}
    real = jnp.array([1, 1, 1, 1, 0, 0.0])

    def of(fused):
        return several_alignment(fused, views, bank, targets, weights=real, **given)[0]

    loss, gradient = jax.value_and_grad(of)(fused)
    short, _ = several_alignment(fused[:4], views[:4], bank, targets[:4], **given)
    np.testing.assert_allclose(loss, short, rtol=1e-5)
    assert not np.abs(gradient[4:]).any() and np.abs(gradient[:4]).any()
