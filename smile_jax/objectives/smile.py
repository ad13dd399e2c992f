"""SMILE (Behzad, arXiv 2506.01203): a weighted sum of three terms.

The paper states the three terms; every number here is this project's choice.
"""

import dataclasses
import functools
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from typing_extensions import override

from smile_jax.core.batch_statistics import (
    at_least_float32,
    global_mean,
    without_group_means,
)
from smile_jax.faces.captions import NUM_ACTIONS, compress_actions
from smile_jax.losses.caption_alignment import paired_alignment
from smile_jax.losses.modality_redundancy import (
    Mode,
    action_redundancy,
    cross_modal_redundancy,
)
from smile_jax.losses.multilabel_alignment import several_alignment
from smile_jax.losses.prompt_alignment import vision_language_alignment
from smile_jax.losses.view_decorrelation import (
    Form,
    cheaper_form,
    multiview_decorrelation,
)
from smile_jax.models.heads import Head, bias, linear, projector
from smile_jax.objectives.base import Inputs, Objective, Term
from smile_jax.objectives.text_sources import TextSource


@dataclasses.dataclass(frozen=True, kw_only=True)
class Smile(Objective):
    """The weighted sum of decorrelation, alignment and redundancy.

    A term of weight 0 is not computed; without text only the first is.

    Attributes: see `smile_jax/config/default.py`.
    """

    version = 1
    section: ClassVar[str] = "smile"
    uses_text: ClassVar[bool] = True
    without_views: ClassVar[str] = "; or set objective.smile.decorrelation=0"

    decorrelation: float
    alignment: float
    redundancy: float
    off_diagonal: float
    redundancy_off_diagonal: float
    text_to_image: float
    redundancy_mode: Mode | Literal["actions"]
    form: Form
    alignment_over: Literal["bank", "pairs", "each"]
    pair_width: float
    negative_focus: float
    center_people: bool
    center_datasets: bool
    negatives_within: bool

    @override
    def needed(self) -> tuple[str, ...]:
        asked = {
            "actions": self._softly or (self.redundancy and self._by_actions),
            "subject": self.decorrelation and self.center_people,
            "dataset": (self.decorrelation and self.center_datasets) or self._within,
        }
        return tuple(name for name, wanted in asked.items() if wanted)

    @property
    def _within(self) -> bool:
        """True if negatives are of the same dataset."""
        return bool(self.alignment and self.negatives_within) and (
            self.alignment_over == "pairs"
        )

    @property
    def _softly(self) -> bool:
        """True if positives of pairs are soft."""
        return bool(self.alignment and self.pair_width) and (
            self.alignment_over == "pairs"
        )

    @property
    def _by_actions(self) -> bool:
        return self.redundancy_mode == "actions"

    @override
    @property
    def min_views(self) -> int:
        return 2 if self.decorrelation else 1

    @override
    def heads(self) -> dict[str, Head]:
        found = {"projector": projector(self.projector_dim)}
        if self.alignment_over == "each":
            found["prompt_bias"] = bias(self.num_prompts)
        if self.redundancy_mode == "whitened":
            # K centred prompts span K - 1 dimensions.
            found["redundancy_head"] = linear(self.num_prompts - 1, "fused")
        elif self._by_actions:
            found["redundancy_head"] = linear(NUM_ACTIONS, "fused")
        return found

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        # `if` on settings and not on values: the branches are gone once this is traced.
        terms = {}
        if self.decorrelation:
            z = at_least_float32(x.embeddings.heads["projector"])
            # Who somebody is, and whose the clip, views share, but nobody wants it.
            for group, centered in (
                ("dataset", self.center_datasets),
                ("subject", self.center_people),
            ):
                if centered:
                    z = without_group_means(z, x.batch[group], axis_name)
            terms["decorrelation"] = Term(
                self.decorrelation,
                *multiview_decorrelation(
                    z,
                    off_diagonal_weight=self.off_diagonal,
                    form=self.form,
                    axis_name=axis_name,
                ),
            )
        # Without text there is nothing to align with and nothing to be redundant to.
        if x.bank is None:
            return terms
        if self.alignment:
            terms["alignment"] = self._alignment(x, axis_name)
        if self.redundancy:
            terms["redundancy"] = self._redundancy(x, axis_name)
        return terms

    def _alignment(self, x: Inputs, axis_name: str | None) -> Term:
        assert x.bank is not None and x.targets is not None
        align: Any
        if self.alignment_over == "each":
            # Several prompts may hold at once: no softmax over them.
            align = functools.partial(
                several_alignment,
                bias=x.embeddings.heads["prompt_bias"],
                focus=self.negative_focus,
            )
        elif self.alignment_over == "pairs":
            # Thousands of captions: those of the batch are each other's negatives.
            align = functools.partial(
                paired_alignment,
                actions=compress_actions(x.batch["actions"]) if self._softly else None,
                width=self.pair_width,
                groups=x.batch["dataset"] if self._within else None,
                t2i_weight=self.text_to_image,
            )
        else:
            align = functools.partial(
                vision_language_alignment,
                view_bank=x.view_bank,
                t2i_weight=self.text_to_image,
            )
        # Weight 0 leaves out clips about which nothing is known.
        weights = x.targets.weights
        loss, metrics = align(
            x.embeddings.joint,
            x.embeddings.views,
            x.bank,
            x.targets.shares,
            logit_scale=x.logit_scale,
            weights=weights,
            axis_name=axis_name,
        )
        if weights is not None:
            every = jnp.ones_like(weights)
            metrics["taken"] = global_mean(weights, every, axis_name)
        return Term(self.alignment * x.targets.worth, loss, metrics)

    def _redundancy(self, x: Inputs, axis_name: str | None) -> Term:
        assert x.bank is not None and x.targets is not None
        e = x.embeddings
        weight = self.redundancy * x.targets.worth
        # Actions are measured, so no prototype is decomposed: cheap with any number of
        # captions.
        if self.redundancy_mode == "actions":
            return Term(
                weight,
                *action_redundancy(
                    e.heads["redundancy_head"],
                    compress_actions(x.batch["actions"]),
                    off_diagonal_weight=self.redundancy_off_diagonal,
                    weights=x.targets.weights,
                    axis_name=axis_name,
                ),
            )
        seen = {"private": e.private, "literal": e.joint}
        if self.redundancy_mode == "whitened":
            seen["whitened"] = e.heads["redundancy_head"]
        return Term(
            weight,
            *cross_modal_redundancy(
                seen[self.redundancy_mode],
                x.bank,
                x.targets.shares,
                mode=self.redundancy_mode,
                off_diagonal_weight=self.redundancy_off_diagonal,
                shared=e.shared,
                weights=x.targets.weights,
                axis_name=axis_name,
            ),
        )

    @override
    def summary(self, batch: int, views: int) -> str:
        if not self.decorrelation:
            return ""
        dims, pairs = self.projector_dim, views * (views - 1) // 2
        words = {
            "gram": f"{views} Gram matrices of {batch} x {batch}",
            "full": f"{pairs} correlation matrices of {dims} x {dims}",
        }
        if self.form != "auto":
            return f"term 1 by {words[self.form]}, as objective.smile.form says"
        cheaper = cheaper_form(batch, views, dims)
        (other,) = words.keys() - {cheaper}
        return f"term 1 by {words[cheaper]}: cheaper than {words[other]}"

    @override
    def problems(self, source: TextSource) -> list[str]:
        problems = super().problems(source)
        if not source.has_text and not self.decorrelation:
            problems.append(
                "text_source='none' and objective.smile.decorrelation=0: nothing to "
                "learn"
            )
        if source.several != (self.alignment_over == "each"):
            problems.append(
                f"text_source={source.name!r} and objective.smile.alignment_over="
                f"{self.alignment_over!r}: 'several' and 'each' belong together"
            )
        if source.several and self.redundancy:
            problems.append(
                f"text_source={source.name!r} and objective.smile.redundancy="
                f"{self.redundancy}: term 3 is of clips that show one thing; set "
                "objective.smile.redundancy=0"
            )
        if source.makes_targets and self.alignment_over == "pairs":
            problems.append(
                "objective.smile.alignment_over='pairs' and text_source='pseudo': "
                "guesses are over the bank; use objective.smile.alignment_over='bank'"
            )
        return problems
