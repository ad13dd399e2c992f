"""The weighted sum of the three terms, each logged raw and weighted."""

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from smile_jax.losses.alignment import vision_language_alignment
from smile_jax.losses.decorrelation import Form, multiview_decorrelation
from smile_jax.losses.pairs import paired_alignment
from smile_jax.losses.redundancy import Mode, cross_modal_redundancy


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Weights of the terms and inside them; this project's choice.

    A term of weight 0 is not computed.
    """

    decorrelation: float = 1.0
    alignment: float = 1.0
    redundancy: float = 0.1
    off_diagonal: float = 0.0051
    text_to_image: float = 0.5
    redundancy_mode: Mode = "whitened"
    form: Form = "auto"
    pairs: bool = False  # term 2 over the batch's captions and not over the bank


def smile_objective(
    projected: Float[Array, "B V D"] | None,
    fused: Float[Array, "B E"],
    views: Float[Array, "B V E"],
    redundancy: Float[Array, "B R"] | None,
    shared: Float[Array, "B S"] | None,
    bank: Float[Array, "K E"] | None,
    targets: Float[Array, "B K"] | None,
    *,
    logit_scale: Float[Array, ""],
    loss_weights: LossWeights,
    view_bank: Float[Array, "B V K E"] | None = None,
    text_weight: Float[Array, ""] | float = 1.0,
    weights: Float[Array, "B"] | None = None,
    axis_name: str | None = None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """w1 L1 + w2 L2 + w3 L3. Without a bank (text source "none") only w1 L1.

    `text_weight` is a factor on terms 2 and 3: 0 while targets are not yet worth much.

    Returns:
      The loss and metrics named "term/metric"; "term/loss" is raw, "term/weighted"
      what it adds to the total.
    """
    w = loss_weights
    terms: dict[str, Any] = {}
    if w.decorrelation:
        assert projected is not None
        terms["decorrelation"] = (
            w.decorrelation,
            multiview_decorrelation(
                projected,
                off_diagonal_weight=w.off_diagonal,
                form=w.form,
                weights=weights,
                axis_name=axis_name,
            ),
        )
    if bank is not None and targets is not None:
        if w.alignment:
            align = functools.partial(vision_language_alignment, view_bank=view_bank)
            terms["alignment"] = (
                w.alignment * text_weight,
                (paired_alignment if w.pairs else align)(
                    fused,
                    views,
                    bank,
                    targets,
                    logit_scale=logit_scale,
                    t2i_weight=w.text_to_image,
                    weights=weights,
                    axis_name=axis_name,
                ),
            )
        if w.redundancy:
            assert redundancy is not None
            terms["redundancy"] = (
                w.redundancy * text_weight,
                cross_modal_redundancy(
                    redundancy,
                    bank,
                    targets,
                    mode=w.redundancy_mode,
                    off_diagonal_weight=w.off_diagonal,
                    shared=shared,
                    weights=weights,
                    axis_name=axis_name,
                ),
            )
    total = jnp.zeros((), fused.dtype)
    metrics = {}
    for name, (weight, (loss, details)) in terms.items():
        total = total + weight * loss
        metrics[f"{name}/loss"] = loss
        metrics[f"{name}/weighted"] = weight * loss
        metrics |= {f"{name}/{key}": value for key, value in details.items()}
    return total, {"loss": total, **metrics}
