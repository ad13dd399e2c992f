"""VICReg against a loop over its definition."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from smile_jax.models.encoder import Embeddings
from smile_jax.objectives import Inputs
from smile_jax.objectives.vicreg import VicReg
from tests.defaults import by_default
from tests.objectives.common import B, V, check_devices, loss, make_batch, make_params

OBJECTIVE = by_default(VicReg, "objective.vicreg", projector_dim=5)


def projected(objective, params, batch):
    head = objective.heads()["projector"].make(None)
    return np.asarray(
        head.apply({"params": params["projector"]}, jnp.asarray(batch["x"]))
    )


def test_terms_are_those_of_the_loop(rng, x64):
    batch, params = make_batch(rng), make_params(OBJECTIVE, rng)
    z = projected(OBJECTIVE, params, batch)
    dims = z.shape[-1]
    gaps = [
        ((z[i, a] - z[i, b]) ** 2).sum() / dims
        for a, b in itertools.combinations(range(V), 2)
        for i in range(B)
    ]
    hinges, covariances = [], []
    for v in range(V):
        c = np.cov(z[:, v].T)
        hinges.append(np.maximum(0, 1 - np.sqrt(np.diag(c) + 1e-4)).mean())
        off = [c[i, j] ** 2 for i in range(dims) for j in range(dims) if i != j]
        covariances.append(sum(off) / dims)
    value, metrics = loss(OBJECTIVE, params, batch)
    np.testing.assert_allclose(metrics["invariance/loss"], np.mean(gaps), rtol=1e-9)
    np.testing.assert_allclose(metrics["variance/loss"], np.mean(hinges), rtol=1e-9)
    expected = 2 * np.mean(covariances)
    np.testing.assert_allclose(metrics["covariance/loss"], expected, rtol=1e-9)
    total = 25 * np.mean(gaps) + 25 * np.mean(hinges) + expected
    np.testing.assert_allclose(value, total, rtol=1e-9)


def test_equal_views_have_no_gap(rng, x64):
    batch, params = make_batch(rng), make_params(OBJECTIVE, rng)
    batch["x"] = np.repeat(batch["x"][:, :1], V, axis=1)
    _, metrics = loss(OBJECTIVE, params, batch)
    np.testing.assert_allclose(metrics["invariance/loss"], 0, atol=1e-12)
    params = jax.tree.map(np.zeros_like, params)
    _, metrics = loss(OBJECTIVE, params, batch)  # by hand: nothing varies at all
    np.testing.assert_allclose(metrics["variance/loss"], 0.99, rtol=1e-9)


def test_by_hand(x64):
    """Two views that are one another's opposite, of two numbers that are equal."""
    signs = np.tile([1.0, -1.0], B // 2)[:, None, None]
    z = signs * np.array([1.0, -1.0])[:, None] * np.ones(2)  # B, 2 views, 2
    nothing = dict.fromkeys(("fused", "views", "joint", "shared", "private"))
    seen = Embeddings(features=z, heads={"projector": jnp.asarray(z)}, **nothing)
    inputs = Inputs(embeddings=seen, batch={}, logit_scale=jnp.zeros(()))
    terms = by_default(VicReg, "objective.vicreg", projector_dim=2).terms(inputs, None)
    # Numbers are 1 or -1, and in the other view the opposite.
    np.testing.assert_allclose(terms["invariance"].loss, 4, rtol=1e-9)
    # Variances, and both covariances beside them, are B / (B - 1): above the hinge.
    np.testing.assert_allclose(terms["variance"].loss, 0, atol=1e-12)
    expected = 2 * (2 * (B / (B - 1)) ** 2) / 2
    np.testing.assert_allclose(terms["covariance"].loss, expected, rtol=1e-9)


def test_devices(rng, x64):
    check_devices(OBJECTIVE, rng)
