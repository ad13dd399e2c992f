"""Term 2 where a clip shows several things at once: each prompt by itself."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from smile_jax.core.batch_statistics import (
    at_least_float32,
    example_weights,
    global_mean,
)


def several_alignment(
    fused: Float[Array, "B E"],
    views: Float[Array, "B V E"],
    bank: Float[Array, "K E"],
    targets: Float[Array, "B K"],
    *,
    logit_scale: Float[Array, ""],
    bias: Float[Array, "K"],
    focus: float = 0.0,
    weights: Float[Array, "B"] | None = None,
    axis_name: str | None = None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """loss(u) + mean_v loss(u_v), the mean over K prompts of sigmoid losses.

    l = -q log p - (1 - q) p^focus log(1 - p) with p = sigmoid(s cos + b_k): SigLIP's
    loss (Zhai et al., 2023) with a bias a prompt; with `focus` the asymmetric one
    (Ben-Baruch et al., "Asymmetric Loss for Multi-Label Classification", ICCV 2021,
    no margin, positives unfocused), in which prompts that are easily denied count less.

    Args:
      fused: unit-norm embeddings of clips.
      views: unit-norm embeddings of their views.
      bank: unit-norm embeddings of K prompts.
      targets: 1 for each prompt that is shown, 0 else; taken as constants.
      logit_scale: the log parameter, s = exp(logit_scale).
      bias: b_k.
      focus: gamma of what is not shown; 0 treats both alike.
      weights: 1 for examples, 0 for padding.
      axis_name: device axis, None on one device.

    Returns:
      The loss and metrics: `fused`, `views`, `accuracy` over all decisions of the fused
      embedding, `said`, the share of prompts that it says, and `scale`.
    """
    fused, views, bank = map(at_least_float32, (fused, views, bank))
    weights = example_weights(fused, weights)
    targets = jax.lax.stop_gradient(targets.astype(fused.dtype))
    scale = jnp.exp(logit_scale.astype(fused.dtype))
    bias = bias.astype(fused.dtype)
    logits = scale * fused @ bank.T + bias[None]
    view_logits = scale * views @ bank.T + bias[None, None]
    # Means over prompts, so that the loss does not grow with the bank.
    of_fused = _each(logits, targets, focus).mean(axis=-1)
    every_view = jnp.broadcast_to(targets[:, None], view_logits.shape)
    of_views = _each(view_logits, every_view, focus).mean(axis=(1, 2))
    both = [global_mean(x, weights, axis_name) for x in (of_fused, of_views)]
    said = (logits > 0).astype(fused.dtype)
    right = (said == targets).mean(axis=-1, dtype=fused.dtype)
    metrics = {
        "fused": both[0],
        "views": both[1],
        "accuracy": global_mean(right, weights, axis_name),
        "said": global_mean(said.mean(axis=-1), weights, axis_name),
        "scale": scale,
    }
    return both[0] + both[1], jax.lax.stop_gradient(metrics)


def _each(
    logits: Float[Array, "*batch K"], targets: Float[Array, "*batch K"], focus: float
) -> Float[Array, "*batch K"]:
    # log_sigmoid and not log(sigmoid): confident decisions would become log 0.
    shown = -targets * jax.nn.log_sigmoid(logits)
    absent = -(1 - targets) * jax.nn.log_sigmoid(-logits)
    if focus:  # p^0 has no gradient at p = 0
        absent = absent * jax.nn.sigmoid(logits) ** focus
    return shown + absent
