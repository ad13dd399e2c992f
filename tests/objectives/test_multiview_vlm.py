"""Our reading of MultiviewVLM against a loop over its definition, and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.models.encoder import Embeddings
from smile_jax.objectives import Inputs, Targets, total
from smile_jax.objectives.multiview_vlm import MultiviewVlm
from smile_jax.objectives.text_sources import MultiLabels, NoText
from tests.objectives.common import (
    B,
    K,
    V,
    check_devices,
    loss,
    make_batch,
    make_params,
)

OBJECTIVE = MultiviewVlm(pair_weight=0.7, pair_scale=10.0, sure=0.6, num_prompts=K)


def softly(rng):
    """Targets of a teacher: some sure, some not."""
    batch = make_batch(rng)
    logits = 4 * rng.normal(size=(B, K))
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return batch | {"targets": e / e.sum(axis=1, keepdims=True)}


def log_sigmoid(x):
    return -np.log1p(np.exp(-x))


def one_by_one(params, batch, o, guessed=True):
    def unit(x):
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    q, bank = batch["targets"], unit(params["bank"])
    views = unit(batch["x"] @ params["joint"])
    fused = unit(batch["x"].mean(axis=1) @ params["joint"])
    logits = np.exp(params["scale"]) * fused @ bank.T
    rows = np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    columns = np.log(np.exp(logits) / np.exp(logits).sum(axis=0, keepdims=True))
    i2t = -(q * rows).sum() / B
    mass = q.sum(axis=0)
    t2i = -((q * columns).sum(axis=0) / np.maximum(mass, 1)).sum()
    t2i /= max(np.minimum(mass, 1).sum(), 1)
    scale, bias = params["pairs"]["bias"]
    said, sure = q.argmax(axis=1), q.max(axis=1) > o.sure
    positives, negatives = [], []
    for i in range(B):
        for j in range(B):
            for v in range(V):
                for w in range(V):
                    if (i, v) == (j, w):
                        continue
                    x = scale * views[i, v] @ views[j, w] + bias
                    both = guessed and sure[i] and sure[j]
                    if i == j or (both and said[i] == said[j]):
                        positives.append(-log_sigmoid(x))
                    elif both or not guessed:
                        negatives.append(-log_sigmoid(-x))
    pairs = np.mean(positives) + np.mean(negatives)
    return (i2t + t2i) / 2 * guessed + o.pair_weight * pairs


def test_loss_is_that_of_the_loop(rng, x64):
    batch, params = softly(rng), make_params(OBJECTIVE, rng)
    sure = batch["targets"].max(axis=1) > 0.6
    assert sure.any() and not sure.all()
    value, _ = loss(OBJECTIVE, params, batch)
    np.testing.assert_allclose(value, one_by_one(params, batch, OBJECTIVE), rtol=1e-9)


def inputs_of(z, shares, numbers, worth=1.0):
    u = z.mean(axis=1)
    embeddings = Embeddings(
        features=z, fused=u, views=z, joint=u, shared=u, private=u,
        heads={"pairs": jnp.asarray(numbers)},
    )  # fmt: skip
    return Inputs(
        embeddings=embeddings, batch={}, logit_scale=jnp.zeros(()),
        bank=jnp.eye(max(z.shape[-1], K))[: np.shape(shares)[1], : z.shape[-1]],
        targets=Targets(jnp.asarray(shares), None, worth),
    )  # fmt: skip


def test_by_hand(rng, x64):
    """Scale and bias 0: ln 2 for positives and for negatives, whatever they are."""
    z = jnp.asarray(rng.normal(size=(4, 3, 5)))
    shares = np.eye(2)[[0, 1, 0, 1]]
    terms = OBJECTIVE.terms(inputs_of(z, shares, [0.0, 0.0]), None)
    found = terms["pairs"].metrics
    np.testing.assert_allclose(found["positive"], np.log(2), rtol=1e-9)
    np.testing.assert_allclose(found["negative"], np.log(2), rtol=1e-9)


def test_before_guesses_are_worth_anything_clips_are_told_apart(rng, x64):
    batch, params = softly(rng), make_params(OBJECTIVE, rng)
    x = batch["x"] @ params["joint"]
    z = jnp.asarray(x / np.linalg.norm(x, axis=-1, keepdims=True))
    terms = OBJECTIVE.terms(
        inputs_of(z, batch["targets"], params["pairs"]["bias"], worth=0.0), None
    )
    value, _ = total(terms)
    expected = one_by_one(params, batch, OBJECTIVE, guessed=False)
    np.testing.assert_allclose(value, expected, rtol=1e-9)


def test_order_does_not_matter_and_guesses_get_no_gradient(rng, x64):
    batch, params = softly(rng), make_params(OBJECTIVE, rng)
    value, _ = loss(OBJECTIVE, params, batch)
    order = rng.permutation(B)
    again, _ = loss(OBJECTIVE, params, {k: x[order] for k, x in batch.items()})
    np.testing.assert_allclose(value, again, rtol=1e-9)
    slope = jax.grad(
        lambda q: loss(OBJECTIVE, params, batch | {"targets": q})[0]
    )(jnp.asarray(batch["targets"]))  # fmt: skip
    assert not np.asarray(slope).any()


def test_devices(rng, x64):
    check_devices(OBJECTIVE, rng)


def test_it_needs_one_text():
    (said,) = OBJECTIVE.problems(NoText())
    assert "nothing to learn from without text" in said
    (said,) = OBJECTIVE.problems(MultiLabels())
    assert "takes one prompt a clip" in said


def test_who_is_left_out_makes_no_pairs(rng, x64):
    """Guesses that were not sure before they were sharpened."""
    z, shares = jnp.asarray(rng.normal(size=(4, 2, 4))), [[0.9, 0.1]] * 4
    x = inputs_of(z, shares, [2.0, 0.1])
    x = x.replace(targets=x.targets.replace(weights=jnp.zeros(4)))
    found = OBJECTIVE.terms(x, None)["pairs"].metrics
    alone = OBJECTIVE.terms(inputs_of(z, [[0.5, 0.5]] * 4, [2.0, 0.1]), None)
    np.testing.assert_allclose(found["positive"], alone["pairs"].metrics["positive"])


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.55, 0.45]])
def test_who_is_not_sure_makes_no_pairs(shares, rng, x64):
    """But with the other views of its own clip."""
    z = jnp.asarray(rng.normal(size=(3, 2, 4)))
    found = OBJECTIVE.terms(inputs_of(z, [shares] * 3, [2.0, 0.1]), None)["pairs"]
    assert found.metrics["negative"] == 0 and found.metrics["positive"] > 0
