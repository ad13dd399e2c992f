"""Micro-batches: towers see a batch in parts, losses see it whole."""

import functools
from collections.abc import Callable
from typing import Any

import jax


def in_micro_batches(encode: Callable, count: int) -> Callable:
    """Applies `encode(params, batch)` to `count` parts of a batch, one after another.

    The backward pass computes each part again and adds its gradient, so only one part's
    activations exist at a time, while what is made of the joined results is made of the
    whole batch: exact where micro-batches with losses of their own are not. It is the
    gradient cache of Gao et al., "Scaling Deep Contrastive Learning Batch Size under
    Memory Limited Setup", 2021, at the price of one more forward pass.

    Args:
      encode: whose results for an example depend on that example alone.
      count: divides the batch's first axis.

    Returns:
      A function as `encode`.
    """
    if count == 1:
        return encode

    # The loss is not of parts: correlations of a part are other correlations.
    def encode_in_parts(params: Any, batch: Any) -> Any:
        parts = jax.tree.map(
            lambda x: x.reshape(count, len(x) // count, *x.shape[1:]), batch
        )
        # `map` runs in turn already; preventing CSE would only cost memory.
        one = jax.checkpoint(functools.partial(encode, params), prevent_cse=False)
        return jax.tree.map(
            lambda x: x.reshape(-1, *x.shape[2:]), jax.lax.map(one, parts)
        )

    return encode_in_parts
