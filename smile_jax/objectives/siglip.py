"""Sigmoid alignment with prompts (Zhai et al., "SigLIP", ICCV 2023)."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from typing_extensions import override

from smile_jax.losses.multilabel_alignment import several_alignment
from smile_jax.models.heads import Head, numbers
from smile_jax.objectives.base import Inputs, Objective, Term
from smile_jax.objectives.text_sources import TextSource


@dataclasses.dataclass(frozen=True, kw_only=True)
class SigLip(Objective):
    """Binary cross-entropy of each of K prompts, of which each fits or does not.

    - sum_k [q_k log p_k + (1 - q_k) log(1 - p_k)], p_k = sigmoid(s u . t_k + b), of the
    fused embedding and, in their mean, of every view's. There is one bias b.
    """

    version = 1
    section: ClassVar[str] = "siglip"
    uses_text: ClassVar[bool] = True
    views_may_attend: ClassVar[bool] = True

    sigmoid_bias: float

    @override
    def heads(self) -> dict[str, Head]:
        return {"sigmoid_bias": numbers(self.sigmoid_bias)}

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        assert x.bank is not None and x.targets is not None
        count = len(x.bank)
        loss, metrics = several_alignment(
            x.embeddings.joint,
            x.embeddings.views,
            x.bank,
            x.targets.shares,
            logit_scale=x.logit_scale,
            # SigLIP's single bias; the function takes one for each prompt.
            bias=jnp.broadcast_to(x.embeddings.heads["sigmoid_bias"], (count,)),
            weights=x.targets.weights,
            axis_name=axis_name,
        )
        # The sum over prompts, where the other is a mean.
        return {"alignment": Term(count * x.targets.worth, loss, metrics)}

    @override
    def problems(self, source: TextSource) -> list[str]:
        return [*super().problems(source), *needs_text(source)]


def needs_one_text(source: TextSource) -> list[str]:
    """Returns the problems of methods that take one prompt per clip."""
    if source.several:
        return [
            f"text_source={source.name!r}: this objective takes one prompt a clip; use "
            "'smile' or 'siglip', which take several"
        ]
    return needs_text(source)


def needs_text(source: TextSource) -> list[str]:
    """Returns the problem of methods that learn from text alone."""
    if source.has_text:
        return []
    return [
        f"text_source={source.name!r}: this objective has nothing to learn from "
        "without text; use 'captions', 'weak' or 'pseudo'"
    ]
