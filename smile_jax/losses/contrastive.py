"""Contrast of rows with those of the whole batch: InfoNCE with several positives."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def contrast(
    logits: Float[Array, "R A"],
    positive: Bool[Array, "R A"],
    others: Bool[Array, "R A"],
) -> Float[Array, "R"]:
    """Returns -log softmax of each positive over a row's comparisons, averaged.

    The average is over positives (Khosla et al., "Supervised Contrastive Learning",
    2020, eq. 2); rows without any are 0.

    Args:
      logits: of each row with everybody.
      positive: which are its positives; all among `others`.
      others: what it is compared with.
    """
    log_p = jax.nn.log_softmax(jnp.where(others, logits, -jnp.inf), axis=1)
    # `where` and not a product: log p of what is left out is -inf.
    sums = -jnp.where(positive, log_p, 0).sum(axis=1)
    return sums / jnp.maximum(positive.sum(axis=1), 1)
