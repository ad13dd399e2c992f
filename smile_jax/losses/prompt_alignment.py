"""Term 2: vision-language alignment over a bank of prompt prototypes."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from smile_jax.core import parallel
from smile_jax.core.batch_statistics import (
    at_least_float32,
    example_weights,
    global_mean,
)


def vision_language_alignment(
    fused: Float[Array, "B E"],
    views: Float[Array, "B V E"],
    bank: Float[Array, "K E"],
    targets: Float[Array, "B K"],
    *,
    logit_scale: Float[Array, ""],
    t2i_weight: float = 0.5,
    view_bank: Float[Array, "B V K E"] | None = None,
    weights: Float[Array, "B"] | None = None,
    axis_name: str | None = None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Aligns the fused and every single-view embedding with its prompt.

    i2t(u) + mean_v i2t(u_v) + t2i_weight t2i(u). Image to text is the cross-entropy of
    the softmax over the K prompts. Text to image is, for each prompt,
    the cross-entropy of the softmax over all images of the global batch, in a mean
    where a prompt weighs min(1, its mass in the targets); it needs sums of size K
    between devices and gathers no embedding. The one-positive InfoNCE of CLIP
    would treat images of the same prompt as negatives: with K prompts and B images its
    floor is ln(B / K). The form is this project's choice.

    Args:
      fused: unit-norm embeddings of clips.
      views: unit-norm embeddings of their views.
      bank: unit-norm embeddings of K prompts.
      targets: rows sum to 1; taken as constants.
      logit_scale: the log parameter, s = exp(logit_scale); clamped by the train step.
      t2i_weight: weight of text to image.
      view_bank: prototypes of each example's views, where prompts tell views apart;
        by default the bank.
      weights: 1 for examples, 0 for padding.
      axis_name: device axis, None on one device.

    Returns:
      The loss and metrics: `i2t_fused`, `i2t_views`, `t2i`, `accuracy` of the fused
      embedding, `confidence`, `usage_entropy` of the predicted prompts relative to
      ln K, `dead_prompts`, `scale`.

    Example:
      >>> q = jax.nn.one_hot(labels, len(bank))
      >>> loss, _ = vision_language_alignment(u, u_views, bank, q, logit_scale=t)
    """
    fused, views, bank = map(at_least_float32, (fused, views, bank))
    weights = example_weights(fused, weights)
    targets = jax.lax.stop_gradient(targets.astype(fused.dtype))
    scale = jnp.exp(logit_scale.astype(fused.dtype))
    logits = scale * fused @ bank.T
    if view_bank is None:
        view_logits = scale * views @ bank.T
    else:
        view_logits = scale * jnp.einsum("bve,bvke->bvk", views, view_bank)

    log_p = jax.nn.log_softmax(logits)
    view_log_p = jax.nn.log_softmax(view_logits)
    i2t = image_to_text(logits, targets, weights, axis_name)
    per_view = -(targets[:, None] * view_log_p).sum(-1).mean(axis=1)
    i2t_views = global_mean(per_view, weights, axis_name)
    t2i = text_to_image(logits, targets, weights, axis_name)
    loss = i2t + i2t_views + t2i_weight * t2i

    # Metrics: a model that answers one prompt for everything has a low usage entropy
    # long before its accuracy tells.
    p = jnp.exp(log_p)
    chosen = jax.nn.one_hot(p.argmax(-1), p.shape[-1], dtype=p.dtype)
    hit = (p.argmax(-1) == targets.argmax(-1)).astype(p.dtype)
    usage = global_mean(chosen, weights, axis_name)
    entropy = -(usage * jnp.log(jnp.maximum(usage, 1e-12))).sum()
    metrics = {
        "i2t_fused": i2t,
        "i2t_views": i2t_views,
        "t2i": t2i,
        "accuracy": global_mean(hit, weights, axis_name),
        "confidence": global_mean(p.max(-1), weights, axis_name),
        "usage_entropy": entropy / jnp.log(jnp.maximum(len(bank), 2)),
        "dead_prompts": (usage == 0).sum().astype(p.dtype),
        "scale": scale,
    }
    return loss, jax.lax.stop_gradient(metrics)


def image_to_text(
    logits: Float[Array, "B K"],
    targets: Float[Array, "B K"],
    weights: Float[Array, "B"],
    axis_name: str | None,
) -> Float[Array, ""]:
    """Mean over images of the cross-entropy over the prompts."""
    log_p = jax.nn.log_softmax(logits)
    return global_mean(-(targets * log_p).sum(-1), weights, axis_name)


def text_to_image(
    logits: Float[Array, "B K"],
    targets: Float[Array, "B K"],
    weights: Float[Array, "B"],
    axis_name: str | None,
) -> Float[Array, ""]:
    """Mean over prompts, weighted, of the cross-entropy over all devices' images."""
    real = weights[:, None] > 0
    masked = jnp.where(real, logits, -jnp.inf)
    # A device with padding only has no maximum; the global one is always finite.
    highest = parallel.pmax(masked.max(axis=0), axis_name)
    highest = jnp.where(jnp.isfinite(highest), highest, 0)
    # The second `where` keeps exp's gradient out of padding: inf times 0 is no number.
    exponentials = jnp.where(real, jnp.exp(masked - highest[None]), 0)
    total = parallel.psum(exponentials.sum(axis=0), axis_name)
    log_total = jnp.log(jnp.maximum(total, jnp.finfo(total.dtype).tiny)) + highest
    mass = targets * weights[:, None]
    found = parallel.psum((mass * (logits - log_total[None])).sum(axis=0), axis_name)
    share = parallel.psum(mass.sum(axis=0), axis_name)
    # The mean is over prompts that images have. One with less than an image's mass, as
    # soft targets give, counts by that share: not fully for a mass of 1e-5, not at all
    # for none.
    per_prompt = -found / jnp.maximum(share, 1)
    return per_prompt.sum() / jnp.maximum(jnp.minimum(share, 1).sum(), 1)
