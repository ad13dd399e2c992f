"""VICReg against a loop over its definition."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from smile_jax.objectives.vicreg import VicReg
from tests.defaults import by_default
from tests.objectives.common import B, V, check_devices, loss, make_batch, make_params

OBJECTIVE = by_default(VicReg, "loss", projector_dim=5)


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


def test_devices(rng, x64):
    check_devices(OBJECTIVE, rng)
