"""Which parameters train, and how fast."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.core.pytree import flatten, merge, select, unflatten
from smile_jax.models.convnet import ConvConfig
from smile_jax.models.transformer import TransformerConfig
from smile_jax.training.tuning import TuneConfig, learning_rates, trainable
from tests.defaults import by_default

TOWERS = {
    name: TransformerConfig(width=2, depth=depth, heads=1, mlp_width=2)
    for name, depth in (("vision", 3), ("text", 2))
}
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
    tune = by_default(TuneConfig, "tune", **options)
    return set(flatten(trainable(PARAMS, tune, TOWERS)))


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
    tune = by_default(TuneConfig, "tune", layer_decay=0.5)
    rates = flatten(learning_rates(PARAMS, tune, TOWERS))
    assert rates["vision/norm_post/scale"] == 1
    assert rates["vision/transformer/block_2/query/kernel"] == 0.5
    assert rates["vision/transformer/block_0/query/kernel"] == 0.125
    assert rates["vision/stem/patch/kernel"] == rates["vision/position"] == 0.0625
    assert rates["text/tokens/embedding"] == 0.125
    assert rates["joint_head/kernel"] == rates["logit_scale"] == 1


def test_select_and_merge():
    tune = by_default(TuneConfig, "tune", vision="frozen")
    part = trainable(PARAMS, tune, TOWERS)
    assert set(flatten(select(PARAMS, part))) == OUTSIDE
    changed = unflatten(dict.fromkeys(OUTSIDE, -1))
    merged = flatten(merge(PARAMS, changed))
    assert set(merged) == set(NAMES)
    assert all(merged[name] == -1 for name in OUTSIDE)
    assert merged["vision/position"][0] == 1


@pytest.mark.parametrize("regime", ["last", "lora", "full"])
def test_every_regime_trains_something_of_a_tower(regime):
    assert any(n.startswith("vision/") for n in trained(vision=regime))


def test_the_last_layers_of_a_convolutional_tower():
    """Its layers have other names than blocks; nobody but itself knows them."""
    config = ConvConfig(width=16, depth=3, stem="conv", pool="mean")
    images = jnp.zeros((2, 32, 32, 6))
    params = config.make().init(jax.random.PRNGKey(0), images)["params"]
    tree = {"vision": jax.device_get(params), "joint_head": {"kernel": np.zeros(2)}}
    tune = by_default(TuneConfig, "tune", vision="last", last_blocks=1)
    trained = set(flatten(trainable(tree, tune, {"vision": config})))
    assert trained == {
        *(f"vision/{name}/kernel" for name in ("conv_2",)),
        *(f"vision/{name}/bias" for name in ("conv_2", "norm_2", "norm_post")),
        *(f"vision/{name}/scale" for name in ("norm_2", "norm_post")),
        "joint_head/kernel",
    }
    slower = by_default(TuneConfig, "tune", layer_decay=0.5)
    rates = flatten(learning_rates(tree, slower, {"vision": config}))
    assert rates["vision/norm_post/scale"] == 1 and rates["joint_head/kernel"] == 1
    assert [rates[f"vision/conv_{i}/kernel"] for i in range(3)] == [0.125, 0.25, 0.5]
