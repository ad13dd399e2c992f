"""Supervised baselines: cross-entropy with labels, one or several a clip."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax
from typing_extensions import override

from smile_jax.core.batch_statistics import example_weights, global_mean
from smile_jax.models.heads import Head, linear
from smile_jax.objectives.base import Inputs, Objective, Term


@dataclasses.dataclass(frozen=True, kw_only=True)
class SupervisedClassification(Objective):
    """Cross-entropy of a linear classifier of the fused feature."""

    version = 1
    needs: ClassVar[tuple[str, ...]] = ("label",)
    uses_labels: ClassVar[bool] = True
    views_may_attend: ClassVar[bool] = True

    @override
    def heads(self) -> dict[str, Head]:
        return {"classifier": linear(self.num_classes, "fused", bias=True)}

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        logits, labels = x.embeddings.heads["classifier"], x.batch["label"]
        # Integer labels: one-hot rows would be as large as the logits.
        each = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        hit = (logits.argmax(-1) == labels).astype(logits.dtype)
        every = example_weights(logits, None)
        loss, accuracy = (global_mean(v, every, axis_name) for v in (each, hit))
        return {"cross_entropy": Term(1.0, loss, {"accuracy": accuracy})}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActionUnits(Objective):
    """Binary cross-entropy for each of 4DME's action units, of which several move.

    Attributes:
      num_action_units: of the dataset's records.
    """

    version = 1
    section: ClassVar[str] = "action_units"
    needs: ClassVar[tuple[str, ...]] = ("action_units",)
    uses_labels: ClassVar[bool] = True
    views_may_attend: ClassVar[bool] = True

    num_action_units: int

    @override
    def heads(self) -> dict[str, Head]:
        return {"classifier": linear(self.num_action_units, "fused", bias=True)}

    @override
    def misfits(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        (there,) = shapes["action_units"]
        if there == self.num_action_units:
            return []
        return [
            f"objective.action_units.num_action_units={self.num_action_units}: the "
            f"dataset has {there}"
        ]

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        logits = x.embeddings.heads["classifier"]
        moves = x.batch["action_units"].astype(logits.dtype)
        # The mean over units and not their sum, so that a learning rate fits any
        # number.
        each = optax.sigmoid_binary_cross_entropy(logits, moves).mean(axis=-1)
        hit = ((logits > 0) == (moves > 0)).mean(axis=-1)
        every = example_weights(logits, None)
        loss, accuracy = (global_mean(v, every, axis_name) for v in (each, hit))
        metrics = {"accuracy": jax.lax.stop_gradient(jnp.asarray(accuracy))}
        return {"action_units": Term(1.0, loss, metrics)}
