"""Multi-view InfoNCE against a loop over its definition."""

import jax
import jax.numpy as jnp
import numpy as np

from smile_jax.models.encoder import Embeddings
from smile_jax.objectives import Inputs
from smile_jax.objectives.simclr import SimClr
from tests.objectives.common import B, V, check_devices, loss, make_batch, make_params

OBJECTIVE = SimClr(projector_dim=5, temperature=0.5)


def test_loss_is_that_of_the_loop(rng, x64):
    batch, params = make_batch(rng), make_params(OBJECTIVE, rng)
    head = OBJECTIVE.heads()["projector"].make(None)
    z = np.asarray(head.apply({"params": params["projector"]}, jnp.asarray(batch["x"])))
    z = z / np.maximum(np.linalg.norm(z, axis=-1, keepdims=True), 1e-9)
    rows = [(i, v) for i in range(B) for v in range(V)]
    each = []
    for i, v in rows:
        others = [r for r in rows if r != (i, v)]
        s = {r: np.exp(z[i, v] @ z[r] / 0.5) for r in others}
        denominator = sum(s.values())
        each += [-np.log(s[i, w] / denominator) for w in range(V) if w != v]
    value, _ = loss(OBJECTIVE, params, batch)
    np.testing.assert_allclose(value, np.mean(each), rtol=1e-9)


def test_by_hand(x64):
    """Two clips of two equal views, orthogonal to each other, temperature 1: of three
    others one is at 1 and two at 0."""
    z = jnp.stack([jnp.eye(2)] * 2, axis=1)
    nothing = jnp.zeros((2, 1))
    embeddings = Embeddings(
        features=z, fused=nothing, views=z, joint=nothing, shared=nothing,
        private=nothing, heads={"projector": z},
    )  # fmt: skip
    inputs = Inputs(embeddings=embeddings, batch={}, logit_scale=jnp.zeros(()))
    term = SimClr(projector_dim=5, temperature=1.0).terms(inputs, None)["infonce"]
    np.testing.assert_allclose(term.loss, np.log(np.e + 2) - 1, rtol=1e-9)
    assert jax.tree.leaves(term.metrics) == []


def test_devices(rng, x64):
    check_devices(OBJECTIVE, rng)
