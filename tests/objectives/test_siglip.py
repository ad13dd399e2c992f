"""Sigmoid alignment against a loop over its definition, and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.models.encoder import Embeddings
from smile_jax.objectives import Inputs, Targets, total
from smile_jax.objectives.siglip import SigLip
from smile_jax.objectives.text_sources import CaptionSource, NoText
from tests.objectives.common import (
    B,
    K,
    V,
    check_devices,
    loss,
    make_batch,
    make_params,
)

OBJECTIVE = SigLip(sigmoid_bias=-2.71, num_prompts=K)


def test_loss_is_that_of_the_loop(rng, x64):
    batch, params = make_batch(rng), make_params(OBJECTIVE, rng)
    b, s = params["sigmoid_bias"]["bias"][0], np.exp(params["scale"])

    def unit(x):
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    bank = unit(params["bank"])
    views = unit(batch["x"] @ params["joint"])
    fused = unit(batch["x"].mean(axis=1) @ params["joint"])

    def of(u, q):
        return sum(
            np.log1p(np.exp(-(2 * q[k] - 1) * (s * u @ bank[k] + b))) for k in range(K)
        )

    q = batch["targets"]
    expected = np.mean([of(fused[i], q[i]) for i in range(B)]) + np.mean(
        [of(views[i, v], q[i]) for i in range(B) for v in range(V)]
    )
    np.testing.assert_allclose(loss(OBJECTIVE, params, batch)[0], expected, rtol=1e-9)


def test_by_hand(x64):
    """b = 0 and embeddings orthogonal to both prompts: ln 2 for each, twice."""
    u = jnp.array([[0.0, 0.0, 1.0]])
    embeddings = Embeddings(
        features=u[:, None], fused=u, views=u[:, None], joint=u, shared=u, private=u,
        heads={"sigmoid_bias": jnp.zeros(1)},
    )  # fmt: skip
    inputs = Inputs(
        embeddings=embeddings, batch={}, logit_scale=jnp.zeros(()),
        bank=jnp.eye(3)[:2], targets=Targets(jnp.array([[1.0, 0.0]])),
    )  # fmt: skip
    value, _ = total(OBJECTIVE.terms(inputs, None))
    np.testing.assert_allclose(value, 4 * np.log(2), rtol=1e-9)


def test_devices(rng, x64):
    check_devices(OBJECTIVE, rng)


def test_it_needs_text():
    assert OBJECTIVE.problems(CaptionSource()) == []
    (said,) = OBJECTIVE.problems(NoText())
    assert "nothing to learn from without text" in said


@pytest.mark.parametrize("start", [-2.71, 0.0])
def test_the_bias_starts_where_it_is_told(start):
    made = SigLip(sigmoid_bias=start).heads()["sigmoid_bias"].make(None)
    x = jnp.zeros((2, 3))
    (found,) = made.apply(made.init(jax.random.PRNGKey(0), x), x)
    assert float(found) == pytest.approx(start)
