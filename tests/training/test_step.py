"""The real train step on real shards."""

import jax
import numpy as np
import pytest

from smile_jax.config.factories import sampling
from smile_jax.core import parallel
from smile_jax.data.frames import FrameSampling
from smile_jax.data.pipeline import train_batches
from smile_jax.training.assembly import build, make_layout
from smile_jax.training.run_plan import make_plan
from smile_jax.training.step import MAX_LOGIT_SCALE
from tests.training.common import shrunk_config


def run_steps(config, steps, devices, compile_step=parallel.pmap_step):
    """State on the host after some steps on some devices, and the last's metrics."""
    state, metrics, layout = on_devices(config, steps, devices, compile_step)
    return layout.fetch(state), jax.device_get(metrics)


def one_step(config, devices):
    """State on the devices after a step, and its metrics."""
    state, metrics, _ = on_devices(config, 1, devices)
    return state, jax.device_get(metrics)


def on_devices(config, steps, devices, compile_step=parallel.pmap_step):
    plan = make_plan(config)
    _, state, step = build(config, plan)
    layout = make_layout(config, state)
    if devices == jax.device_count():
        state = layout.put(state)
    compiled = compile_step(step, jax.devices()[:devices], layout.pieces)
    batches = train_batches(
        plan.dataset,
        plan.pretrain_records,
        plan.fields,
        sampling(config),
        batch_size=config.train.batch_size,
        seed=config.seed,
    )
    for _ in range(steps):
        batch = next(batches)
        split = jax.tree.map(lambda x: x.reshape(devices, -1, *x.shape[1:]), batch)
        state, metrics = compiled(state, split)
    return state, metrics, layout


@pytest.fixture(scope="module")
def one_device(tiny_dataset):
    return run_steps(shrunk_config(tiny_dataset), steps=3, devices=1)


def test_same_training_on_any_number_of_devices(tiny_dataset, one_device):
    state, metrics = run_steps(shrunk_config(tiny_dataset), steps=3, devices=8)
    np.testing.assert_allclose(metrics["loss"], one_device[1]["loss"], rtol=2e-4)
    np.testing.assert_allclose(
        metrics["gradient_norm"], one_device[1]["gradient_norm"], rtol=2e-3
    )
    # Adam's moments are averages of the gradients. (Its updates would magnify rounding
    # where a gradient is zero in exact arithmetic, as for the keys' biases.)
    moments = [jax.tree.leaves(s.optimizer) for s in (state, one_device[0])]
    scale = max(np.abs(x).max() for x in moments[1] if x.dtype == np.float32)
    for ours, theirs in zip(*moments, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * scale)


def assert_same_run(ours, theirs):
    (state, metrics), (other, others) = ours, theirs
    np.testing.assert_allclose(metrics["loss"], others["loss"], rtol=1e-5)
    np.testing.assert_allclose(
        metrics["gradient_norm"], others["gradient_norm"], rtol=1e-4
    )
    assert jax.tree.map(np.shape, state) == jax.tree.map(np.shape, other)
    moments = [jax.tree.leaves(s.optimizer) for s in (state, other)]
    scale = max(np.abs(x).max() for x in moments[1] if x.dtype == np.float32)
    for a, b in zip(*moments, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["weak", "pseudo"])
def test_micro_batches_change_nothing(tiny_dataset, source):
    """Not even terms that are made of the whole batch; their sum would."""
    keys = {"text_source": source, "pseudo.warmup": 0.0}
    whole = run_steps(shrunk_config(tiny_dataset, **keys), steps=3, devices=2)
    parts = shrunk_config(tiny_dataset, **keys, **{"train.micro_batches": 4})
    assert_same_run(run_steps(parts, steps=3, devices=2), whole)


DEEP = {"model.vision.depth": 3, "model.text.depth": 3}
SCAN = {"model.vision.scan": True, "model.text.scan": True}


@pytest.fixture(scope="module")
def plain_layout(tiny_dataset):
    return run_steps(shrunk_config(tiny_dataset, **DEEP), steps=3, devices=8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "scan, in_pieces",
    [
        ({}, True),
        (SCAN, False),
        (SCAN, True),
    ],
)
def test_how_the_state_lies_changes_nothing(
    tiny_dataset, plain_layout, scan, in_pieces
):
    keys = {"train.shard_moments": in_pieces}
    config = shrunk_config(tiny_dataset, **DEEP, **scan, **keys)
    assert_same_run(run_steps(config, steps=3, devices=8), plain_layout)


@pytest.mark.slow
def test_patch_dropout_trains_alike_on_any_number_of_devices(tiny_dataset, one_device):
    config = shrunk_config(tiny_dataset, **{"augment.patch_dropout": 0.5})
    _, metrics = run_steps(config, steps=3, devices=8)
    _, others = run_steps(config, steps=3, devices=2)
    np.testing.assert_allclose(metrics["loss"], others["loss"], rtol=2e-4)
    assert abs(metrics["loss"] - one_device[1]["loss"]) > 1e-4


@pytest.mark.slow
def test_another_seed_is_another_training(tiny_dataset, one_device):
    _, metrics = run_steps(shrunk_config(tiny_dataset, seed=1), steps=3, devices=1)
    assert abs(metrics["loss"] - one_device[1]["loss"]) > 1e-3


def test_state_is_not_stacked_and_parameters_move(tiny_dataset, one_device):
    plan = make_plan(shrunk_config(tiny_dataset))
    _, fresh, _ = build(shrunk_config(tiny_dataset), plan)
    state = one_device[0]
    assert jax.tree.map(np.shape, state) == jax.tree.map(np.shape, fresh)
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), state.params, fresh.params)
    paths = jax.tree_util.tree_leaves_with_path(moved)
    still = {jax.tree_util.keystr(path) for path, d in paths if d == 0}
    # With one frame there is nothing to pool.
    assert all(path.startswith("['temporal']") for path in still), still


def test_frozen_text_tower_keeps_its_parameters_and_bank(tiny_dataset):
    config = shrunk_config(tiny_dataset, **{"tune.text": "frozen"})
    _, fresh, _ = build(config, make_plan(config))
    state, _ = run_steps(config, steps=2, devices=2)
    for ours, theirs in zip(
        *(jax.tree.leaves(s.params["text"]) for s in (state, fresh)), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(state.bank, fresh.bank)
    assert (
        np.abs(state.params["joint_head"]["kernel"]).sum()
        != np.abs(fresh.params["joint_head"]["kernel"]).sum()
    )


@pytest.mark.slow
def test_logit_scale_is_clamped(tiny_dataset):
    keys = {"optimizer.learning_rate": 5.0, "optimizer.warmup": 0.0}
    config = shrunk_config(tiny_dataset, **keys)
    state, _ = run_steps(config, steps=3, devices=1)
    assert 0 <= state.params["logit_scale"] <= MAX_LOGIT_SCALE


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["private", "literal"])
def test_other_readings_of_term_three_train(tiny_dataset, mode):
    config = shrunk_config(tiny_dataset, **{"objective.smile.redundancy_mode": mode})
    _, metrics = run_steps(config, steps=2, devices=1)
    assert np.isfinite(metrics["redundancy/loss"])


@pytest.mark.slow
def test_without_text_only_term_one_is_left(tiny_dataset):
    config = shrunk_config(tiny_dataset, text_source="none")
    _, metrics = run_steps(config, steps=1, devices=1)
    assert not [k for k in metrics if k.startswith(("alignment", "redundancy"))]
    assert metrics["loss"] == metrics["decorrelation/weighted"]


def test_no_recompilation_after_the_first_step(tiny_dataset):
    config = shrunk_config(tiny_dataset)
    plan = make_plan(config)
    _, state, step = build(config, plan)
    traces = []

    def counted(state, batch):
        traces.append(1)
        return step(state, batch)

    compiled = parallel.pmap_step(counted)
    state = parallel.put_state(state)
    batches = train_batches(
        plan.dataset,
        plan.pretrain_records,
        plan.fields,
        FrameSampling(),
        batch_size=16,
        seed=0,
    )
    compiles = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, *_, **__: compiles.append(name) if "compile" in name else None
    )
    try:
        for i in range(3):
            state, _ = compiled(state, parallel.put_batch(next(batches)))
            if i == 0:
                compiles.clear()
    finally:
        jax.monitoring.clear_event_listeners()
    assert len(traces) == 1
    assert not [name for name in compiles if "backend_compile" in name]
