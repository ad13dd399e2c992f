"""Our reading of FACET-VLM (Behzad, arXiv 2507.01673; Neurocomputing 657, 131621).

Published are its parts: views that attend to each other (here `model.cross_view`), text
that guides their fusion, and consistency of views. Their form and every number are this
project's choice. All prompts guide, never the clip's own alone, which would be a leak.
"""

import dataclasses
import itertools
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from typing_extensions import override

from smile_jax.core.batch_statistics import (
    at_least_float32,
    example_weights,
    global_mean,
    normalize,
)
from smile_jax.losses.prompt_alignment import image_to_text
from smile_jax.models.heads import Head
from smile_jax.objectives.base import Inputs, Objective, Term
from smile_jax.objectives.siglip import needs_one_text
from smile_jax.objectives.text_sources import TextSource


@dataclasses.dataclass(frozen=True, kw_only=True)
class FacetVlm(Objective):
    """CE(q, l) + mean_v i2t(u_v) + lambda mean_(v < w) (1 - u_v . u_w).

    l_k = s <norm(J f_k), t_k>: each prompt k fuses the views c_v by its own weights,
    f_k = sum_v softmax_v(Q t_k . K c_v / sqrt(d)) c_v, with Q from zero, so that all
    start as the mean. J is the joint head, linear, so J f_k is the same mean of J c_v.
    What probes and zero-shot see of a trained run is fused by no prompt.
    """

    version = 1
    section: ClassVar[str] = "facet"
    uses_text: ClassVar[bool] = True
    views_may_attend: ClassVar[bool] = True

    consistency: float

    @override
    @property
    def min_views(self) -> int:
        return 2

    @override
    def heads(self) -> dict[str, Head]:
        return {"guide": Head(lambda _: _Guide(self.embed_dim), "features")}

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        assert x.bank is not None and x.targets is not None
        e, bank = x.embeddings, at_least_float32(x.bank)
        assert e.projected is not None
        every = example_weights(e.views, x.targets.weights)
        shares = jax.lax.stop_gradient(x.targets.shares.astype(bank.dtype))
        scale = jnp.exp(x.logit_scale.astype(bank.dtype))
        # [B, V, K]: how much each prompt makes of each view.
        guided = nn.softmax(jnp.einsum("bve,ke->bvk", e.heads["guide"], bank), axis=1)
        # The joint head is linear: fusing before or after it is the same, and this is
        # cheaper.
        fused = jnp.einsum("bvk,bve->bke", guided, at_least_float32(e.projected))
        logits = scale * jnp.einsum("bke,ke->bk", normalize(fused), bank)
        u = at_least_float32(e.views)
        views = u.shape[1]
        # A loop and not one product: the views' logits need not exist at once.
        of_views = [
            image_to_text(scale * u[:, v] @ bank.T, shares, every, axis_name)
            for v in range(views)
        ]
        pairs = itertools.combinations(range(views), 2)
        apart = jnp.stack([1 - (u[:, v] * u[:, w]).sum(-1) for v, w in pairs])
        hit = (logits.argmax(-1) == shares.argmax(-1)).astype(bank.dtype)
        accuracy = global_mean(hit, every, axis_name)
        return {
            "fused": Term(
                x.targets.worth,
                image_to_text(logits, shares, every, axis_name),
                {"accuracy": jax.lax.stop_gradient(accuracy)},
            ),
            "views": Term(x.targets.worth, jnp.stack(of_views).mean(), {}),
            "consistency": Term(
                self.consistency, global_mean(apart.mean(axis=0), every, axis_name), {}
            ),
        }

    @override
    def problems(self, source: TextSource) -> list[str]:
        problems = [*super().problems(source), *needs_one_text(source)]
        if not self.cross_view:
            problems.append(
                "objective.name='facet': its views attend to each other; set "
                "model.cross_view=True"
            )
        return problems


class _Guide(nn.Module):
    """Q^T K c / sqrt(d) of each view: its product with a prompt weighs the view."""

    embed_dim: int

    @nn.compact
    def __call__(self, features: Float[Array, "B V F"]) -> Float[Array, "B V E"]:
        width = features.shape[-1]
        keys = nn.Dense(width, use_bias=False, name="key")(features)
        query = nn.Dense(
            self.embed_dim,
            use_bias=False,
            # From zero, so that every prompt starts from the plain mean of the views.
            kernel_init=nn.initializers.zeros,
            name="query",
        )
        return query(keys) / jnp.sqrt(width).astype(keys.dtype)
