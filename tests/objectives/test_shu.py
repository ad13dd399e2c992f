"""Our reading of Shu et al. against a loop over its definition, and by hand."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.data.frames import FrameSampling, cut, moments
from smile_jax.models.encoder import Embeddings
from smile_jax.objectives import Inputs, total
from smile_jax.objectives.shu import Shu
from tests.objectives.common import B, V, check_devices, loss, make_batch, make_params

OBJECTIVE = Shu(
    projector_dim=5, temperature=0.5, false_negatives="keep", alike=0.95,
    attraction=0.8, moments=4,
)  # fmt: skip
KINDS = ["keep", "eliminate", "attract"]


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)


def one_by_one(z, acts, o):
    """The loss as loops over rows (clip, view); views are two moments' in each half."""
    rows = [(i, v) for i in range(B) for v in range(V)]
    d = unit(np.log1p(acts))
    main, second = [], []
    for i, v in rows:
        s = {r: np.exp(z[i, v] @ z[r] / o.temperature) for r in rows if r != (i, v)}
        near = [
            (i, w) for w in range(V)
            if w != v and (o.moments == 1 or (w < V // 2) == (v < V // 2))
        ]  # fmt: skip
        elsewhere = [r for r in s if r[0] != i]
        kept = dict(s)
        if o.false_negatives == "eliminate":
            gone = [r for r in elsewhere if d[i] @ d[r[0]] > o.alike]
            kept = {r: x for r, x in s.items() if r not in gone}
        if o.false_negatives == "attract":
            best = max(elsewhere, key=lambda r: d[i] @ d[r[0]])[0]
            kept = {r: x for r, x in s.items() if r[0] != best}
            negatives = sum(x for r, x in s.items() if r not in near)
            second.append(np.mean([-np.log(s[best, w] / negatives) for w in range(V)]))
        main.append(np.mean([-np.log(kept[p] / sum(kept.values())) for p in near]))
    return np.mean(main) + (o.attraction * np.mean(second) if second else 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 4])
def test_loss_is_that_of_the_loop(kind, count, rng, x64):
    objective = dataclasses.replace(OBJECTIVE, false_negatives=kind, moments=count)
    batch, params = make_batch(rng), make_params(objective, rng)
    head = objective.heads()["projector"].make(None)
    z = head.apply({"params": params["projector"]}, jnp.asarray(batch["x"]))
    value, _ = loss(objective, params, batch)
    expected = one_by_one(unit(np.asarray(z)), batch["actions"], objective)
    np.testing.assert_allclose(value, expected, rtol=1e-9)
    assert objective.needed() == (() if kind == "keep" else ("actions",))


def test_by_hand(x64):
    """One clip; anchor and positive at e1, the hard negative and its positive at e2,
    temperature 1: each row has one other at 1 and two at 0."""
    a, n = np.eye(2)
    z = jnp.asarray([[a, a, n, n]])
    nothing = jnp.zeros((1, 1))
    embeddings = Embeddings(
        features=z, fused=nothing, views=z, joint=nothing, shared=nothing,
        private=nothing, heads={"projector": z},
    )  # fmt: skip
    inputs = Inputs(embeddings=embeddings, batch={}, logit_scale=jnp.zeros(()))
    objective = dataclasses.replace(OBJECTIVE, temperature=1.0)
    value, _ = total(objective.terms(inputs, None))
    np.testing.assert_allclose(value, 0.55144, atol=5e-6)


@pytest.mark.parametrize(
    "kind", ["attract", *(pytest.param(k, marks=pytest.mark.slow) for k in KINDS[:2])]
)
def test_devices(kind, rng, x64):
    check_devices(dataclasses.replace(OBJECTIVE, false_negatives=kind), rng)


def test_moments_are_near_and_far(rng):
    drawn = np.array([moments(24, rng) for _ in range(500)])
    assert ((drawn >= 0) & (drawn < 24)).all()
    near = np.abs(drawn[:, [0, 2]] - drawn[:, [1, 3]])
    assert near.min() >= 1 and near.max() <= 6
    assert (near < 3).mean() > 0.5  # the nearer the likelier
    assert (np.abs(drawn[:, 0] - drawn[:, 2]) >= 12).all()
    assert len(set(drawn[:, 0])) == 24
    few = np.array([moments(6, rng) for _ in range(200)])
    assert (np.diff(np.sort(few, axis=1), axis=1) > 0).all()  # four frames
    with pytest.raises(ValueError, match="5 frames, of which four moments"):
        moments(5, rng)


def test_a_batch_has_four_moments_of_a_clip(rng):
    frames = np.arange(8)
    record = {
        "views": np.broadcast_to(frames[:, None, None, None, None], (8, 2, 3, 3, 1)),
        "frame_index": np.where(frames < 6, frames, -1),
        "rate_hz": 2.0,
    }
    how = FrameSampling(frames=1, crops=4, moments=True)
    assert how.random
    seen = cut(record, how, rng)
    assert seen["views"].shape == (4, 2, 3, 3, 1) and seen["views"].max() < 6
    assert (seen["time_s"] == 0).all() and seen["apex"].tolist() == [0] * 4
    a, p, n, _ = seen["views"][:, 0, 0, 0, 0]
    assert a != p and abs(int(a) - int(n)) >= 3
    assert cut(record, how)["views"].shape[0] == 1  # not in training


def test_who_does_nothing_is_like_nobody(rng, x64):
    """Not like the first of the batch, and not like each other."""
    objective = dataclasses.replace(OBJECTIVE, false_negatives="attract")
    batch, params = make_batch(rng), make_params(objective, rng)
    batch["actions"][:] = 0
    value, metrics = loss(objective, params, batch)
    kept = dataclasses.replace(OBJECTIVE, false_negatives="keep")
    expected, _ = loss(kept, params, batch)
    assert metrics["attraction/loss"] == 0
    np.testing.assert_allclose(value, expected, rtol=1e-9)
