"""Our reading of FACET-VLM against a loop over its definition, and by hand."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from smile_jax.models.heads import CrossViewAttention
from smile_jax.objectives.facet_vlm import FacetVlm
from smile_jax.objectives.text_sources import NoText, WeakLabels
from tests.defaults import by_default
from tests.objectives.common import (
    B,
    E,
    K,
    V,
    check_devices,
    loss,
    make_batch,
    make_params,
)

OBJECTIVE = by_default(
    FacetVlm,
    "objective.facet",
    consistency=0.4,
    embed_dim=E,
    cross_view=True,
    num_prompts=K,
)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_loss_is_that_of_the_loop(rng, x64):
    batch, params = make_batch(rng), make_params(OBJECTIVE, rng)
    bank, s = unit(params["bank"]), np.exp(params["scale"])
    key, query = (params["guide"][n]["kernel"] for n in ("key", "query"))

    def cross_entropy(logits, q):
        return np.log(np.exp(logits).sum()) - q @ logits

    fused, views, apart = [], [], []
    for i in range(B):
        c = batch["x"][i]
        u = unit(c @ params["joint"])
        logits = []
        for k in range(K):
            score = np.array([(c[v] @ key) @ (query @ bank[k]) for v in range(V)])
            a = np.exp(score / np.sqrt(c.shape[1]))
            f = (a / a.sum()) @ c
            logits.append(s * unit(f @ params["joint"]) @ bank[k])
        q = batch["targets"][i]
        fused.append(cross_entropy(np.array(logits), q))
        views += [cross_entropy(s * bank @ u[v], q) for v in range(V)]
        apart += [1 - u[v] @ u[w] for v, w in itertools.combinations(range(V), 2)]
    expected = np.mean(fused) + np.mean(views) + 0.4 * np.mean(apart)
    np.testing.assert_allclose(loss(OBJECTIVE, params, batch)[0], expected, rtol=1e-9)


def test_consistency_by_hand(rng, x64):
    """Two views alike, one orthogonal to both: 2/3 of the pairs are 1 apart."""
    batch, params = make_batch(rng), make_params(OBJECTIVE, rng)
    a, b = np.eye(batch["x"].shape[-1])[:2]
    batch["x"] = np.tile(np.stack([a, a, b])[None], (B, 1, 1))
    params["joint"] = np.eye(len(a), E)
    _, metrics = loss(OBJECTIVE, params, batch)
    np.testing.assert_allclose(metrics["consistency/loss"], 2 / 3, rtol=1e-9)


def test_it_starts_as_the_mean_and_knows_no_order_of_views(rng, x64):
    batch, params = make_batch(rng), make_params(OBJECTIVE, rng)
    fresh = jax.tree.map(np.array, params)
    fresh["guide"]["query"]["kernel"][:] = 0
    _, metrics = loss(OBJECTIVE, fresh, batch)
    bank = unit(params["bank"])
    joint = unit(batch["x"].mean(axis=1) @ params["joint"])
    logits = np.exp(params["scale"]) * joint @ bank.T
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = -(batch["targets"] * log_p).sum(axis=1).mean()
    np.testing.assert_allclose(metrics["fused/loss"], expected, rtol=1e-9)
    value, _ = loss(OBJECTIVE, params, batch)
    turned, _ = loss(OBJECTIVE, params, batch | {"x": batch["x"][:, ::-1]})
    np.testing.assert_allclose(value, turned, rtol=1e-9)


def test_views_attend_to_each_other_by_what_they_are(rng):
    features = jnp.asarray(rng.normal(size=(4, 3, 8)), jnp.float32)
    ids = jnp.tile(jnp.array([[0, 2, 4]]), (4, 1))
    module = CrossViewAttention(num_views=5)
    variables = module.init(jax.random.PRNGKey(0), features, ids)
    np.testing.assert_array_equal(module.apply(variables, features, ids), features)
    out = variables["params"]["out"]
    out["kernel"] = jnp.asarray(rng.normal(size=out["kernel"].shape), jnp.float32)
    seen = module.apply(variables, features, ids)
    order = jnp.array([2, 0, 1])
    moved = module.apply(variables, features[:, order], ids[:, order])
    np.testing.assert_allclose(moved, seen[:, order], atol=1e-5)
    assert np.abs(seen - module.apply(variables, features, ids[:, order])).max() > 1e-3
    other = module.apply(variables, features.at[:, 1].add(1.0), ids)
    assert np.abs(other - seen)[:, 0].max() > 1e-3  # what one shows reaches another


def test_devices(rng, x64):
    check_devices(OBJECTIVE, rng)


def test_what_it_needs_is_said():
    assert OBJECTIVE.problems(WeakLabels()) == []
    assert "without text" in OBJECTIVE.problems(NoText())[0]
    alone = by_default(FacetVlm, "objective.facet", embed_dim=E, cross_view=False)
    assert "model.cross_view=True" in alone.problems(WeakLabels())[0]
