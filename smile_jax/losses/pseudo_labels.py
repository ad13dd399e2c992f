"""Targets without labels: a teacher's zero-shot probabilities, balanced over time."""

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from smile_jax.core import parallel
from smile_jax.core.batch_statistics import (
    at_least_float32,
    example_weights,
    global_mean,
)


class Prior(flax.struct.PyTreeNode):
    """The moving average of how often the teacher predicts each prompt, biased."""

    average: Array  # [K], starts at 0
    updates: Array  # [], how many batches are in it

    @classmethod
    def create(cls, classes: int) -> "Prior":
        """Returns the prior before the first batch."""
        return cls(jnp.zeros(classes), jnp.zeros(()))


def pseudo_targets(
    logits: Float[Array, "B K"],
    prior: Prior,
    *,
    wanted: Float[Array, "K"] | None,
    momentum: float = 0.99,
    temperature: float = 1.0,
    sinkhorn_steps: int = 0,
    weights: Float[Array, "B"] | None = None,
    axis_name: str | None = None,
) -> tuple[Float[Array, "B K"], Prior]:
    """Targets q over the bank from a teacher's logits.

    q ~ (p wanted / prior)^(1 / temperature), rows normalised: distribution alignment
    (Berthelot et al., ReMixMatch, 2020), where the prior is a moving average over
    global batches. With Sinkhorn steps each batch is balanced on its own instead. Both
    pull predictions towards `wanted`: frequencies that the data does not have overrule
    the teacher (docs/text.md has a toy where that falls below zero-shot).

    Args:
      logits: of the teacher on the fused view, s u bank^T.
      prior: of the batches so far.
      wanted: class frequencies to align with; sums to 1. None aligns with nothing.
      momentum: of the prior.
      temperature: below 1 sharpens.
      sinkhorn_steps: alternations between columns and rows; 0 uses the prior.
      weights: 1 for examples, 0 for padding and for those that the prior leaves out.
      axis_name: device axis, None on one device.

    Returns:
      (B, K) targets without gradient, and the prior with this batch in it.
    """
    logits = jax.lax.stop_gradient(at_least_float32(logits))
    weights = example_weights(logits, weights)
    log_p = jax.nn.log_softmax(logits)
    mean = global_mean(jnp.exp(log_p), weights, axis_name)
    # The prior is of all devices' examples: it stays equal on all of them.
    found = parallel.pmax(weights.max(), axis_name) > 0
    updates = prior.updates + found
    after = momentum * prior.average + (1 - momentum) * mean
    average = jnp.where(found, after, prior.average)
    # In logarithms: sharp targets of unsure teachers would underflow to rows of zeros.
    log_q = log_p / temperature
    if wanted is not None and sinkhorn_steps:
        for _ in range(sinkhorn_steps):
            share = global_mean(jax.nn.softmax(log_q), weights, axis_name)
            log_q += jnp.log(wanted / jnp.maximum(share, 1e-12))[None]
    elif wanted is not None:
        # The average starts at 0; dividing by the weight so far undoes that (Adam does
        # the same).
        debiased = average / jnp.maximum(1 - momentum**updates, 1e-12)
        log_q += jnp.log(wanted / jnp.maximum(debiased, 1e-12))[None] / temperature
    q = jax.nn.softmax(log_q)
    return q, Prior(average.astype(prior.average.dtype), updates)
