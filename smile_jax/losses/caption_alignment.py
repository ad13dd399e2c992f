"""Term 2 for free-form captions: symmetric InfoNCE with several or soft positives."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from smile_jax.core import parallel
from smile_jax.core.batch_statistics import (
    at_least_float32,
    example_weights,
    global_mean,
    normalize,
)


def paired_alignment(
    fused: Float[Array, "B E"],
    views: Float[Array, "B V E"],
    bank: Float[Array, "K E"],
    targets: Float[Array, "B K"],
    *,
    logit_scale: Float[Array, ""],
    t2i_weight: float = 0.5,
    actions: Float[Array, "B A"] | None = None,
    width: float = 1.0,
    groups: Int[Array, "B"] | None = None,
    weights: Float[Array, "B"] | None = None,
    axis_name: str | None = None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """i2t(u) + mean_v i2t(u_v) + t2i_weight t2i(u), each InfoNCE over the global batch.

    One text per example: the row of the bank (of captions) that its target names.
    Examples with the same caption are each other's positives and share the target
    evenly, for CLIP's one positive a row would push equal captions apart. With
    `actions` everybody is a positive by how alike they act: exp(-d^2 / (2 width^2)) of
    the distance of their vectors, in a share of the sum. The form is this project's
    choice.

    Args:
      fused: unit-norm embeddings of clips.
      views: unit-norm embeddings of their views.
      bank: unit-norm embeddings of K different captions.
      targets: one-hot rows; taken as constants.
      logit_scale: the log parameter, s = exp(logit_scale).
      t2i_weight: weight of text to image.
      actions: what each example does, as numbers; None: equal captions alone are
        positives.
      width: of the bell over their distance.
      groups: numbers; examples of other groups are neither positives nor negatives.
        None: all are of one.
      weights: 1 for examples, 0 for padding.
      axis_name: device axis, None on one device.

    Returns:
      The loss and metrics: `i2t_fused`, `i2t_views`, `t2i`, `floor`, the mean entropy
      of the targets, below which no cross-entropy falls, `excess`, the loss minus its
      floors, `accuracy`, whether the nearest text is a positive (of soft ones: half as
      good as the best), and `scale`.

    Example:
      >>> q = jax.nn.one_hot(caption_ids, len(bank))
      >>> loss, _ = paired_alignment(u, u_views, bank, q, logit_scale=t)
    """
    fused, views, bank = map(at_least_float32, (fused, views, bank))
    weights = example_weights(fused, weights)
    targets = jax.lax.stop_gradient(targets.astype(fused.dtype))
    scale = jnp.exp(logit_scale.astype(fused.dtype))
    # A product in place of a gather: its gradient is one as well.
    texts = normalize(targets @ bank)
    # Negatives are those of the whole batch, so here embeddings do travel: each device
    # has its own rows of the logits and everybody's columns.
    everyone = [
        parallel.all_gather(x, axis_name) for x in (fused, texts, targets, weights)
    ]
    all_fused, all_texts, all_targets, all_weights = everyone
    if actions is None:
        alike = (targets @ all_targets.T > 0.5).astype(fused.dtype)
    else:
        alike = _likeness(actions.astype(fused.dtype), width, axis_name)
    there = jnp.broadcast_to(all_weights[None], alike.shape)
    if groups is not None:
        theirs = parallel.all_gather(groups, axis_name)
        same = (groups[:, None] == theirs[None]).astype(fused.dtype)
        # Padding may be alone in its group: without any column it has no softmax.
        there = jnp.where(weights[:, None] > 0, there * same, 1)
    positive = alike * there
    positive = positive / jnp.maximum(positive.sum(axis=1, keepdims=True), 1)
    padding = jnp.where(there > 0, 0.0, -jnp.inf).astype(fused.dtype)

    def cross_entropy(logits: Float[Array, "B A"]) -> Float[Array, "B"]:
        log_p = jax.nn.log_softmax(logits + padding)
        # log_p is -inf at padding, where positive is 0: their product is no number.
        terms = jnp.where(positive > 0, positive * log_p, 0)
        return -terms.sum(axis=-1)

    logits = scale * fused @ all_texts.T
    i2t = global_mean(cross_entropy(logits), weights, axis_name)
    per_view = jax.vmap(lambda u: cross_entropy(scale * u @ all_texts.T), 1)(views)
    i2t_views = global_mean(per_view.mean(axis=0), weights, axis_name)
    t2i_rows = cross_entropy(scale * texts @ all_fused.T)
    t2i = global_mean(t2i_rows, weights, axis_name)
    loss = i2t + i2t_views + t2i_weight * t2i

    entropy = -(positive * jnp.log(jnp.maximum(positive, 1e-12))).sum(axis=1)
    floor = global_mean(entropy, weights, axis_name)
    nearest = (logits + padding).argmax(axis=1)
    share = jnp.take_along_axis(positive, nearest[:, None], axis=1)[:, 0]
    hit = 2 * share >= positive.max(axis=1)
    metrics = {
        "i2t_fused": i2t,
        "i2t_views": i2t_views,
        "t2i": t2i,
        "floor": floor,
        "excess": loss - (2 + t2i_weight) * floor,
        "accuracy": global_mean(hit.astype(fused.dtype), weights, axis_name),
        "scale": scale,
    }
    return loss, jax.lax.stop_gradient(metrics)


def _likeness(
    actions: Float[Array, "B A"], width: float, axis_name: str | None
) -> Float[Array, "B all"]:
    """1 for the same, falling with the distance from everybody in the global batch."""
    everyone = parallel.all_gather(actions, axis_name)
    # Differences and not |a|^2 - 2ab + |b|^2, which cancels for neighbours in float32.
    squared = ((actions[:, None] - everyone[None]) ** 2).sum(axis=2)
    return jax.lax.stop_gradient(jnp.exp(-squared / (2 * width**2)))
