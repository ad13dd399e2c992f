"""A batch as methods see it, made by a linear encoder, on any number of devices."""

import jax
import jax.numpy as jnp
import numpy as np

from smile_jax.core import parallel
from smile_jax.losses import normalize
from smile_jax.models.encoder import Embeddings
from smile_jax.objectives import Inputs, Targets, total
from smile_jax.objectives.conclugen import CaptionedConCluGen

B, V, F, E, K, UNITS, ACTS = 16, 4, 6, 8, 4, 22, 5


def make_batch(rng, dtype=np.float64):
    labels = rng.integers(0, K, B)
    x = rng.normal(size=(B, V, F)) * rng.uniform(1, 3, (B, 1, 1)) + 2
    more = np.random.default_rng(1)
    return {
        "x": x.astype(dtype),
        "targets": np.eye(K, dtype=dtype)[labels],
        "label": labels.astype(np.int32),
        "thumbnails": more.uniform(size=(B, V, 8, 8, 4)).astype(dtype),
        "actions": more.uniform(0, 3, (B, ACTS)).astype(dtype),
        "action_units": rng.integers(0, 2, (B, UNITS)).astype(np.uint8),
    }


def make_params(objective, rng, dtype=np.float64):
    """Weights of a linear encoder, and of each head whatever its modules are."""
    params = {
        "joint": rng.normal(size=(F, E)).astype(dtype),
        "bank": rng.normal(size=(K, E)).astype(dtype),
        "scale": np.asarray(1.0, dtype),
    }
    shapes = {"features": (B, V, F), "fused": (B, F), "joint": (B, E)}
    for name, head in objective.heads().items():
        x = jnp.zeros(shapes[head.reads])
        made = head.make(None).init(jax.random.PRNGKey(0), x)["params"]
        draw = lambda p: (p + 0.3 * rng.normal(size=p.shape)).astype(dtype)  # noqa: E731
        params[name] = jax.tree.map(draw, jax.device_get(made))
    return params


def hears_text(objective):
    return objective.uses_text or isinstance(objective, CaptionedConCluGen)


def loss(objective, params, batch, axis_name=None, extra=None):
    """A method's loss and metrics, as the train step computes them."""
    x = jnp.asarray(batch["x"])
    fused = x.mean(axis=1)
    embeddings = Embeddings(
        features=x,
        fused=fused,
        views=normalize(x @ params["joint"]),
        projected=x @ params["joint"],
        joint=normalize(fused @ params["joint"]),
        shared=fused,
        private=fused[:, F:],
    )
    heads = {
        name: head.make(axis_name).apply(
            {"params": params[name]}, getattr(embeddings, head.reads)
        )
        for name, head in objective.heads().items()
    }
    inputs = Inputs(
        embeddings=embeddings.replace(heads=heads),
        batch={name: batch[name] for name in objective.needed()},
        bank=normalize(params["bank"]) if hears_text(objective) else None,
        targets=jax.tree.map(
            jnp.asarray, Targets(batch["targets"], batch.get("weights"))
        ),
        logit_scale=jnp.asarray(params["scale"]),
        thumbnails=jnp.asarray(batch["thumbnails"]),
        extra=jax.tree.map(jnp.asarray, extra or objective.start()),
    )
    return total(objective.terms(inputs, axis_name))


def gradient_on(devices, objective, params, batch, reduce=parallel.pmean, extra=None):
    """Loss and gradient by the recipe of the train step."""

    def step(params, part):
        (value, _), gradient = jax.value_and_grad(
            lambda p: loss(objective, p, part, parallel.AXIS, extra), has_aux=True
        )(params)
        return reduce(gradient, parallel.AXIS), parallel.pmean(value, parallel.AXIS)

    split = jax.tree.map(lambda x: x.reshape(devices, -1, *x.shape[1:]), batch)
    compiled = parallel.pmap_step(step, devices=jax.devices()[:devices])
    gradient, value = compiled(jax.tree.map(jnp.asarray, params), split)
    return jax.device_get((value, gradient))


def check_devices(objective, rng, extra=None):
    """The same batch gives the same loss and gradient on 1 and 8 devices; and a sum in
    place of the mean would be seen."""
    batch, params = make_batch(rng), make_params(objective, rng)
    (expected, _), gradient = jax.value_and_grad(
        lambda p: loss(objective, p, batch, extra=extra), has_aux=True
    )(params)
    largest = max(np.abs(g).max() for g in jax.tree.leaves(gradient))
    assert largest > 1e-4  # there is something to compare
    for devices in (1, 8):
        value, ours = gradient_on(devices, objective, params, batch, extra=extra)
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        for a, b in zip(*map(jax.tree.leaves, (ours, gradient)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6 * largest)
    _, summed = gradient_on(
        8, objective, params, batch, reduce=parallel.psum, extra=extra
    )
    worst = max(
        np.abs(a - b).max()
        for a, b in zip(*map(jax.tree.leaves, (summed, gradient)), strict=True)
    )
    assert worst > 0.1 * largest
