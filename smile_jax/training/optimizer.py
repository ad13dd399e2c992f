"""AdamW with warm-up and cosine decay, as an optax transformation."""

import dataclasses
from typing import Any

import jax
import optax


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """See `experiments/base.py` for meanings and units."""

    learning_rate: float = 5e-4
    final_rate: float = 0.01
    warmup: float = 0.05
    weight_decay: float = 0.05
    beta1: float = 0.9
    beta2: float = 0.95
    clip_norm: float = 1.0


def make_schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Linear warm-up, then cosine decay to `final_rate` of the peak."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=max(1, round(config.warmup * steps)),
        decay_steps=max(2, steps),
        end_value=config.learning_rate * config.final_rate,
    )


def make_optimizer(
    config: OptimizerConfig, steps: int, *, train_text: bool
) -> optax.GradientTransformation:
    """The update rule.

    Weight decay applies to matrices only, not to biases, norms, positions, class
    tokens or the logit scale. A frozen text tower gets no update and no moments.
    """
    adamw = optax.chain(
        optax.clip_by_global_norm(config.clip_norm),
        optax.adamw(
            make_schedule(config, steps),
            b1=config.beta1,
            b2=config.beta2,
            weight_decay=config.weight_decay,
            mask=_decays,
        ),
    )
    if train_text:
        return adamw
    return optax.multi_transform(
        {"train": adamw, "frozen": optax.set_to_zero()}, _labels
    )


def _decays(params: Any) -> Any:
    """True for weight matrices and convolution kernels."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: getattr(path[-1], "key", None) == "kernel", params
    )


def _labels(params: Any) -> Any:
    return jax.tree_util.tree_map_with_path(
        lambda path, _: (
            "frozen" if getattr(path[0], "key", None) == "text" else "train"
        ),
        params,
    )
