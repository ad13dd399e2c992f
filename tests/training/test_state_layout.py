"""The optimiser's moments in pieces, one a device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.core import parallel
from smile_jax.models.transformer import TransformerConfig
from smile_jax.training.optimizer import OptimizerConfig, make_optimizer
from smile_jax.training.state import TrainState
from smile_jax.training.state_layout import (
    StateLayout,
    stack_factors,
    stack_towers,
)
from smile_jax.training.tuning import TuneConfig, learning_rates
from smile_jax.training.update import update
from tests.defaults import by_default

DEVICES = 8
ADAMW = by_default(OptimizerConfig, "optimizer", warmup=0.0)
SHAPES = {"head": {"kernel": (5, 7), "bias": (7,)}, "norm": {"scale": (16,)}, "s": ()}


def tree(draw, shapes=SHAPES):
    return jax.tree.map(draw, shapes, is_leaf=lambda x: isinstance(x, tuple))


def make_state(rng, dtype=np.float32, shapes=SHAPES):
    params = tree(lambda shape: rng.normal(size=shape).astype(dtype), shapes)
    factors = jax.tree.map(lambda _: 0.5, params)
    optimizer = make_optimizer(ADAMW, 10, factors)
    nothing = np.zeros(0, np.float32)
    state = TrainState(
        np.int32(0), params, {}, optimizer.init(params), nothing, nothing, nothing
    )
    return jax.device_get(state), optimizer


@pytest.mark.parametrize("clip_norm", [1e-3, 1e6])
def test_the_same_updates_as_whole_moments(rng, clip_norm):
    """Sizes that the devices do not divide, scalars, decay, clipping and factors."""
    with jax.enable_x64(True):
        state, optimizer = make_state(rng, np.float64)
        gradients = tree(lambda shape: rng.normal(size=(DEVICES, *shape)))

        def run(in_pieces):
            def step(state, gradient):
                params, moments, norms = update(
                    optimizer,
                    gradient,
                    state.optimizer,
                    state.params,
                    clip_norm=clip_norm,
                    in_pieces=in_pieces,
                    axis_name=parallel.AXIS,
                )
                return state.replace(params=params, optimizer=moments), norms

            layout = StateLayout(state, in_pieces=in_pieces)
            compiled = parallel.pmap_step(step, pieces=layout.pieces)
            on_devices = layout.put(state)
            for _ in range(3):
                on_devices, norms = compiled(on_devices, gradients)
            return layout.fetch(on_devices), jax.device_get(norms)

        (pieces, norms), (whole, others) = run(in_pieces=True), run(in_pieces=False)
    assert pieces.params["head"]["kernel"].dtype == np.float64
    assert set(norms) == {"gradient_norm", *(f"gradient_norm/{k}" for k in SHAPES)}
    parts = [x for name, x in norms.items() if "/" in name]
    np.testing.assert_allclose(norms["gradient_norm"], np.linalg.norm(parts))
    for name, norm in norms.items():
        np.testing.assert_allclose(norm, others[name], rtol=1e-12)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14),
        (pieces.params, pieces.optimizer),
        (whole.params, whole.optimizer),
    )
    moved = np.abs(pieces.params["norm"]["scale"] - state.params["norm"]["scale"])
    assert moved.min() > 1e-5


def test_there_and_back(rng):
    state, _ = make_state(rng)
    layout = StateLayout(state, in_pieces=True)
    jax.tree.map(np.testing.assert_array_equal, layout.fetch(layout.put(state)), state)


def test_a_device_holds_its_share(rng):
    state, _ = make_state(rng)
    layout = StateLayout(state, in_pieces=True)
    there = layout.put(state).optimizer
    shapes = layout.shapes(state, DEVICES).optimizer
    for x, shape, whole in zip(
        *map(jax.tree.leaves, (there, shapes, state.optimizer)), strict=True
    ):
        assert x.shape == shape.shape and x.dtype == jnp.dtype(shape.dtype)
        if np.issubdtype(x.dtype, np.floating):
            pieces = [s.data.size for s in x.addressable_shards]
            assert pieces == [-(-whole.size // DEVICES)] * DEVICES


BLOCK = {"query": {"kernel": (8, 6), "bias": (6,)}}
TOWER_OF_12 = TransformerConfig(width=6, depth=12, heads=1, mlp_width=8)
TOWER = {"transformer": {f"block_{i}": BLOCK for i in range(12)}, "norm": (6,)}


@pytest.mark.parametrize(
    "in_pieces", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_stacked_blocks_are_the_same_updates(rng, in_pieces):
    """Twelve blocks: "block_10" comes after "block_9"."""
    shapes = {"vision": TOWER, "text": TOWER}
    state, _ = make_state(rng, shapes=shapes)
    tune = by_default(TuneConfig, "tune", layer_decay=1.0 if in_pieces else 0.8)
    rates = learning_rates(
        state.params, tune, dict.fromkeys(("vision", "text"), TOWER_OF_12)
    )
    gradients = tree(lambda s: rng.normal(size=s).astype(np.float32), shapes)

    def run(towers):
        layout = StateLayout(state, in_pieces=in_pieces, stacked=towers)
        factors = stack_factors(rates, state.params, towers)
        optimizer = make_optimizer(ADAMW, 10, factors)

        def step(state, batch):
            del batch
            params, moments, _ = update(
                optimizer,
                stack_towers(gradients, towers),
                state.optimizer,
                state.params,
                clip_norm=1.0,
                in_pieces=in_pieces,
                axis_name=parallel.AXIS,
            )
            return state.replace(params=params, optimizer=moments), {}

        compiled = parallel.pmap_step(step, pieces=layout.pieces)
        there = layout.put(state)
        shapes = jax.tree.map(lambda x: (x.shape, x.dtype), there)
        wanted = jax.tree.map(
            lambda x: (x.shape, x.dtype), layout.shapes(state, DEVICES)
        )
        assert shapes == wanted
        for _ in range(2):
            there, _ = compiled(there, np.zeros(DEVICES))
        return there, layout.fetch(there)

    (plain, ours), (stacked, theirs) = run(()), run(("vision",))
    assert len(stacked.params["vision"]["transformer"]) == 2
    assert len(stacked.params["text"]["transformer"]) == 12
    kernel = stacked.params["vision"]["transformer"]["blocks"]["query"]["kernel"]
    assert kernel.shape == (11, 8, 6)
    assert len(jax.tree.leaves(plain)) > len(jax.tree.leaves(stacked))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7),
        ours,
        theirs,
    )


def test_rates_of_stacked_blocks():
    params = {"vision": tree(np.zeros, TOWER)}
    rates = learning_rates(
        params, by_default(TuneConfig, "tune", layer_decay=0.5), {"vision": TOWER_OF_12}
    )
    vision = stack_factors(rates, params, ["vision"])["vision"]
    kernel = vision["transformer"]["blocks"]["query"]["kernel"]
    assert kernel.shape == (11, 1, 1)
    np.testing.assert_allclose(kernel.ravel(), 0.5 ** np.arange(12, 1, -1))
    assert vision["transformer"]["block_11"]["query"]["kernel"] == 0.5
    same = jax.tree.map(lambda _: 1.0, params)
    alike = stack_factors(same, params, ["vision"])["vision"]["transformer"]["blocks"]
    assert alike == {"query": {"kernel": 1.0, "bias": 1.0}}
