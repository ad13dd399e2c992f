"""The same batch gives the same loss and gradient on 1, 2, 4 and 8 devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.core import parallel
from smile_jax.losses import (
    Prior,
    action_redundancy,
    cross_modal_redundancy,
    multiview_decorrelation,
    normalize,
    paired_alignment,
    pseudo_targets,
    vision_language_alignment,
)
from smile_jax.objectives.smile import Smile
from tests.defaults import by_default

B, V, F, D, E, K = 32, 3, 6, 12, 8, 4


def settings(decorrelation, alignment, redundancy, **others):
    weights = {
        "decorrelation": decorrelation,
        "alignment": alignment,
        "redundancy": redundancy,
    }
    fields = {"redundancy_mode": "whitened", "projector_dim": D}
    return by_default(Smile, "objective.smile", **fields | weights | others)


TERMS = {
    "decorrelation-gram": settings(1.0, 0.0, 0.0, form="gram"),
    "decorrelation-full": settings(1.0, 0.0, 0.0, form="full"),
    "alignment": settings(0.0, 1.0, 0.0),
    "pairs": settings(0.0, 1.0, 0.0, alignment_over="pairs"),
    "soft pairs": settings(0.0, 1.0, 0.0, alignment_over="pairs", pair_width=3.0),
    "pairs within": settings(
        0.0, 1.0, 0.0, alignment_over="pairs", negatives_within=True
    ),
    "redundancy-whitened": settings(0.0, 0.0, 1.0),
    "redundancy-private": settings(0.0, 0.0, 1.0, redundancy_mode="private"),
    "redundancy-literal": settings(
        0.0, 0.0, 1.0, redundancy_off_diagonal=1.0, redundancy_mode="literal"
    ),
    "redundancy-actions": settings(0.0, 0.0, 1.0, redundancy_mode="actions"),
    "sum": settings(1.0, 1.0, 0.1),
}


def make_batch(rng, dtype):
    """Every example differs, so every device has its own; the last 3 are padding."""
    labels = rng.integers(0, K, B)
    return {
        "x": (rng.normal(size=(B, V, F)) * rng.uniform(1, 3, (B, 1, 1)) + 2).astype(
            dtype
        ),
        "q": np.eye(K)[labels].astype(dtype),
        "weights": (np.arange(B) < B - 3).astype(dtype),
        "groups": np.arange(B, dtype=np.int32) % 3,
    }


def make_params(rng, dtype):
    shapes = {"z": (F, D), "u": (F, E), "y": (F, K - 1), "bank": (K, E)}
    params = {name: rng.normal(size=s).astype(dtype) for name, s in shapes.items()}
    return params | {"logit_scale": np.asarray(1.0, dtype)}


def objective(params, batch, w, axis_name):
    """The terms themselves, which know padding; methods: tests/objectives."""
    params, batch = jax.tree.map(jnp.asarray, (params, batch))
    x, q, bank = batch["x"], batch["q"], normalize(params["bank"])
    fused = x.mean(axis=1)
    joint = normalize(fused @ params["u"])
    redundancy = {
        "whitened": fused @ params["y"],
        "private": fused @ params["z"][:, :3],
        "literal": joint,
        "actions": fused @ params["z"][:, :F],
    }
    padding = {"weights": batch["weights"], "axis_name": axis_name}
    total = 0.0
    if w.decorrelation:
        total += (
            w.decorrelation
            * multiview_decorrelation(
                x @ params["z"],
                off_diagonal_weight=w.off_diagonal,
                form=w.form,
                **padding,
            )[0]
        )
    if w.alignment:
        pairs = w.alignment_over == "pairs"
        align = paired_alignment if pairs else vision_language_alignment
        if pairs and w.pair_width:
            align = functools.partial(
                paired_alignment, actions=x[:, 0], width=w.pair_width
            )
        if pairs and w.negatives_within:
            align = functools.partial(paired_alignment, groups=batch["groups"])
        views, scale = normalize(x @ params["u"]), params["logit_scale"]
        aligned = align(joint, views, bank, q, logit_scale=scale, **padding)
        total += w.alignment * aligned[0]
    if w.redundancy and w.redundancy_mode == "actions":
        total += action_redundancy(redundancy["actions"], x[:, 0], **padding)[0]
    elif w.redundancy:
        total += (
            w.redundancy
            * cross_modal_redundancy(
                redundancy[w.redundancy_mode],
                bank,
                q,
                mode=w.redundancy_mode,
                off_diagonal_weight=w.redundancy_off_diagonal,
                shared=fused[:, :3] @ params["u"][:3],
                **padding,
            )[0]
        )
    return total


# As one program: step by step each operation would compile.
full_batch = jax.jit(jax.value_and_grad(objective), static_argnums=(2, 3))


def on_devices(count, params, batch, loss_weights, reduce=parallel.pmean):
    def step(state, batch):
        loss, gradient = jax.value_and_grad(objective)(
            state, batch, loss_weights, parallel.AXIS
        )
        return reduce(gradient, parallel.AXIS), parallel.pmean(loss, parallel.AXIS)

    split = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), batch)
    compiled = parallel.pmap_step(step, devices=jax.devices()[:count])
    gradient, loss = compiled(params, split)
    return jax.device_get((loss, gradient))


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize(
    ("dtype", "rtol"),
    [("float64", 1e-6), pytest.param("float32", 2e-4, marks=pytest.mark.slow)],
)
def test_loss_and_gradient_are_the_full_batch_ones(name, dtype, rtol, rng, x64):
    batch, params = make_batch(rng, dtype), make_params(rng, dtype)
    expected = full_batch(params, batch, TERMS[name], None)
    scale = max(np.abs(g).max() for g in jax.tree.leaves(expected[1]))
    assert scale > 1e-3  # there is something to compare
    for devices in (2, 8) if dtype == "float64" else (1, 2, 4, 8):
        loss, gradient = on_devices(devices, params, batch, TERMS[name])
        np.testing.assert_allclose(loss, expected[0], rtol=rtol)
        for ours, full in zip(
            *map(jax.tree.leaves, (gradient, expected[1])), strict=True
        ):
            np.testing.assert_allclose(ours, full, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("sinkhorn_steps", [0, 3])
def test_targets_without_labels_are_those_of_the_full_batch(rng, sinkhorn_steps):
    logits = jnp.asarray(3 * rng.normal(size=(B, K)), jnp.float32)
    weights = jnp.asarray(np.arange(B) < B - 3, jnp.float32)
    prior = Prior(jnp.asarray([0.01, 0.02, 0.03, 0.04]), jnp.asarray(10.0))

    def targets(logits, weights, axis_name):
        return pseudo_targets(
            logits,
            prior,
            wanted=jnp.full(K, 1 / K),
            sinkhorn_steps=sinkhorn_steps,
            weights=weights,
            axis_name=axis_name,
        )

    q, after = targets(logits, weights, None)
    split = jax.tree.map(lambda x: x.reshape(8, -1, *x.shape[1:]), (logits, weights))
    compiled = parallel.pmap_eval(lambda _, batch: targets(*batch, parallel.AXIS))
    ours, prior_after = compiled(0.0, split)
    np.testing.assert_allclose(ours.reshape(B, K), q, rtol=1e-5)
    for copy in prior_after.average:
        np.testing.assert_allclose(copy, after.average, rtol=1e-5)
    local = targets(logits[:4], weights[:4], None)[0]
    assert np.abs(local - q[:4]).max() > 1e-3  # the twin: one device's statistics


def test_wrong_reductions_would_be_seen(rng, x64):
    """The twin that must fail: a sum, or one device's gradient, is not the full one."""
    batch, params = make_batch(rng, "float64"), make_params(rng, "float64")
    expected = full_batch(params, batch, TERMS["sum"], None)[1]["z"]
    summed = on_devices(8, params, batch, TERMS["sum"], reduce=parallel.psum)[1]["z"]
    np.testing.assert_allclose(summed, 8 * expected, rtol=1e-6)
    local = on_devices(8, params, batch, TERMS["sum"], reduce=lambda g, _: g)[1]["z"]
    assert np.abs(local - expected).max() > 0.1 * np.abs(expected).max()


def test_statistics_of_each_device_would_be_seen(rng, x64):
    """The other twin: moments per device give another loss."""
    batch, params = make_batch(rng, "float64"), make_params(rng, "float64")
    full = full_batch(params, batch, TERMS["sum"], None)[0]
    halves = [
        full_batch(
            params,
            jax.tree.map(lambda x, h=h: x[h * 16 : h * 16 + 16], batch),
            TERMS["sum"],
            None,
        )[0]
        for h in (0, 1)
    ]
    assert abs(jnp.stack(halves).mean() - full) > 1e-2 * full


def test_one_device_may_hold_padding_only(rng, x64):
    batch, params = make_batch(rng, "float64"), make_params(rng, "float64")
    batch["weights"] = (np.arange(B) < B - 8).astype("float64")
    expected = full_batch(params, batch, TERMS["sum"], None)
    loss, gradient = on_devices(4, params, batch, TERMS["sum"])
    np.testing.assert_allclose(loss, expected[0], rtol=1e-9)
    for ours, full in zip(*map(jax.tree.leaves, (gradient, expected[1])), strict=True):
        np.testing.assert_allclose(ours, full, rtol=1e-7, atol=1e-10)
