"""Which parameters train, and how fast."""

import numpy as np
import pytest

from smile_jax.training.tuning import (
    TuneConfig,
    flatten,
    learning_rates,
    merge,
    select,
    trainable,
    unflatten,
)

DEPTHS = {"vision": 3, "text": 2}
NAMES = (
    "vision/stem/patch/kernel",
    "vision/position",
    "vision/transformer/block_0/query/kernel",
    "vision/transformer/block_1/query/kernel",
    "vision/transformer/block_2/query/kernel",
    "vision/transformer/block_2/query/lora_a",
    "vision/norm_post/scale",
    "text/tokens/embedding",
    "text/transformer/block_0/mlp_1/bias",
    "text/transformer/block_1/mlp_1/lora_b",
    "text/project/kernel",
    "joint_head/kernel",
    "fusion/hidden/kernel",
    "logit_scale",
    "logit_bias",
)
PARAMS = unflatten({name: np.full(2, i) for i, name in enumerate(NAMES)})


def trained(**options):
    return set(flatten(trainable(PARAMS, TuneConfig(**options), DEPTHS)))


OUTSIDE = {"joint_head/kernel", "fusion/hidden/kernel", "logit_scale"}


def test_full_and_frozen():
    assert trained(vision="full", text="frozen") == OUTSIDE | {
        n for n in NAMES if n.startswith("vision/")
    }
    assert trained(vision="frozen", text="frozen") == OUTSIDE
    assert trained(vision="full", text="full") == set(NAMES) - {"logit_bias"}


def test_last_blocks_and_what_follows():
    assert trained(vision="last", last_blocks=1) == OUTSIDE | {
        "vision/transformer/block_2/query/kernel",
        "vision/transformer/block_2/query/lora_a",
        "vision/norm_post/scale",
    }
    assert trained(vision="last", last_blocks=0) == OUTSIDE | {"vision/norm_post/scale"}
    assert "text/project/kernel" in trained(vision="frozen", text="last", last_blocks=1)


def test_lora_trains_its_products_only():
    assert trained(vision="lora", text="lora") == OUTSIDE | {
        "vision/transformer/block_2/query/lora_a",
        "text/transformer/block_1/mlp_1/lora_b",
    }


def test_learning_rates_fall_towards_the_input():
    rates = flatten(learning_rates(PARAMS, TuneConfig(layer_decay=0.5), DEPTHS))
    assert rates["vision/norm_post/scale"] == 1
    assert rates["vision/transformer/block_2/query/kernel"] == 0.5
    assert rates["vision/transformer/block_0/query/kernel"] == 0.125
    assert rates["vision/stem/patch/kernel"] == rates["vision/position"] == 0.0625
    assert rates["text/tokens/embedding"] == 0.125
    assert rates["joint_head/kernel"] == rates["logit_scale"] == 1


def test_select_and_merge():
    part = trainable(PARAMS, TuneConfig(vision="frozen"), DEPTHS)
    assert set(flatten(select(PARAMS, part))) == OUTSIDE
    changed = unflatten(dict.fromkeys(OUTSIDE, -1))
    merged = flatten(merge(PARAMS, changed))
    assert set(merged) == set(NAMES)
    assert all(merged[name] == -1 for name in OUTSIDE)
    assert merged["vision/position"][0] == 1


@pytest.mark.parametrize("regime", ["last", "lora", "full"])
def test_every_regime_trains_something_of_a_tower(regime):
    assert any(n.startswith("vision/") for n in trained(vision=regime))
