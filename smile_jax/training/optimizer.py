"""AdamW with warm-up and cosine decay, as an optax transformation."""

import dataclasses
from typing import Any

import jax
import optax


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """See `smile_jax/config/default.py` for meanings and units."""

    learning_rate: float
    final_rate: float
    warmup: float
    weight_decay: float
    beta1: float
    beta2: float


def make_schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Linear warm-up, then cosine decay to `final_rate` of the peak."""
    # The schedule is of the whole run: one that stops early and goes on follows it.
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0,
        peak_value=config.learning_rate,
        warmup_steps=max(1, round(config.warmup * steps)),
        decay_steps=max(2, steps),
        end_value=config.learning_rate * config.final_rate,
    )


def make_optimizer(
    config: OptimizerConfig, steps: int, factors: Any
) -> optax.GradientTransformation:
    """The update rule; clipping comes before it, in `training.update`.

    Weight decay applies to matrices only, not to biases, norms, positions, class
    tokens or the logit scale.

    Args:
      config: rates and decay.
      steps: of the schedule.
      factors: tree of the trained parameters' factors on the learning rate.
    """
    # Factors come last: AdamW's step is of unit length whatever the gradient's, so a
    # factor before it would change nothing.
    return optax.chain(
        optax.adamw(
            make_schedule(config, steps),
            b1=config.beta1,
            b2=config.beta2,
            weight_decay=config.weight_decay,
            mask=_decays,
        ),
        optax.stateless(
            lambda updates, _: jax.tree.map(lambda u, f: u * f, updates, factors)
        ),
    )


def _decays(params: Any) -> Any:
    """True for weight matrices and convolution kernels."""
    names = ("kernel", "lora_a", "lora_b")
    return jax.tree_util.tree_map_with_path(
        lambda path, _: getattr(path[-1], "key", None) in names, params
    )
