"""Objectives: a training method is the heads it adds and the terms it sums."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import flax.struct
from jaxtyping import Array, Float

from smile_jax.models.encoder import Embeddings
from smile_jax.models.heads import Head
from smile_jax.objectives.text_sources import Targets, TextSource

Metrics = dict[str, Float[Array, ""]]

THUMBNAIL = 8  # pixels a side


class Inputs(flax.struct.PyTreeNode):
    """A device's share of a global batch as a method sees it, in float32."""

    embeddings: Embeddings  # of augmented views, with the heads' outputs
    batch: dict[str, Array]  # [B, ...], the fields that the method `needs`, by name
    logit_scale: Array  # [], the log parameter
    bank: Array | None = None  # [K, E] unit-norm prototypes; None without text
    view_bank: Array | None = None  # [B, V, K, E], where prompts tell views apart
    targets: Targets | None = None  # over the bank
    thumbnails: Array | None = None  # [B, V, S, S, C], see `Objective.sees_thumbnails`
    extra: Any = None  # what the method has carried here, see `Objective.start`


class Term(NamedTuple):
    """A summand of a method's loss, the same on every device."""

    weight: Array | float
    loss: Float[Array, ""]
    metrics: Metrics


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective:
    """A training method; its fields are its settings.

    A subclass adds a field for each key of its own section of the config,
    `config.objective.<section>`; the fields below are the same for all methods.

    Attributes:
      version: number of what its code computes; raise it when that changes, and the
        results of suites that were computed before no longer count. Each class sets
        its own.
      section: name of its section in `config.objective`; "" if it has no settings.
      needs: fields of the batch beside the pixels: "label", "subject", or what the
        dataset's records hold, such as "action_units".
      uses_labels: what it needs says what people show, and its results say that labels
        were used. (Who "needs" the label sees clips of `data.classes` alone.)
      uses_text: it aligns with a text source's bank.
      sees_thumbnails: it wants small pictures of the views as stored, in [0, 1], of the
        frame of most motion: of `thumbnails`.
      hides_patches: it guesses the patches that the tower does not see; its head
        "decoder" gives the error of each view, (B, V).
      views_may_attend: `model.cross_view` may be on, for it does not tell views apart.
      num_classes: number of `data.classes`.
      num_prompts: K, prompts of the bank.
      embed_dim: E, width of the joint space.
      projector_dim: D, width of the projector.
      cross_view: views attend to each other before they are fused.
      batch_size: B, over all devices.
      moments: windows of a clip that are single moments, 1 or 4.
      thumbnails: channel groups of the small pictures.
      thumbnail_channels: number of channels of these groups.
    """

    version: ClassVar[int] = 1
    section: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()
    uses_labels: ClassVar[bool] = False
    uses_text: ClassVar[bool] = False
    sees_thumbnails: ClassVar[bool] = False
    hides_patches: ClassVar[bool] = False
    views_may_attend: ClassVar[bool] = False
    without_views: ClassVar[str] = ""  # what makes `min_views` 1, for a message

    num_classes: int = 0
    num_prompts: int = 0
    embed_dim: int = 0
    projector_dim: int = 0
    cross_view: bool = False
    batch_size: int = 0
    moments: int = 1
    thumbnails: tuple[str, ...] = ()
    thumbnail_channels: int = 0

    def needed(self) -> tuple[str, ...]:
        """Fields of the batch that it needs as it is set: `needs`, and maybe more."""
        return self.needs

    @property
    def min_views(self) -> int:
        """The number of views of a clip that it compares."""
        return 1

    def heads(self) -> dict[str, Head]:
        """Layers that it trains with, by their names in the parameters."""
        return {}

    def start(self) -> Any:
        """Returns a tree of host arrays that is carried from step to step.

        It exists beside the parameters, is empty by default, and checkpoints hold it.
        """
        return {}

    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        """Returns the terms by name, over the global batch."""
        raise NotImplementedError

    def carry(self, x: Inputs, axis_name: str | None) -> Any:
        """`x.extra` after this batch, equal on all devices; it gets no gradient."""
        return x.extra

    def summary(self, batch: int, views: int) -> str:
        """Words for the first lines of a run: how it computes what it computes.

        Args:
          batch: global B.
          views: V.
        """
        return ""

    def misfits(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Lists what does not fit a dataset, each a line that names the key.

        Args:
          shapes: of one record's numbers, by name.
        """
        return []

    def problems(self, source: TextSource) -> list[str]:
        """Lists what is wrong with its settings, each a line that names the key."""
        if source.has_text and not self.uses_text:
            return [
                f"text_source={source.name!r}: this objective looks at no text; use "
                "text_source='none'"
            ]
        return []


def total(terms: dict[str, Term]) -> tuple[Float[Array, ""], Metrics]:
    """The weighted sum of terms.

    Returns:
      The loss and metrics named "term/metric"; "term/loss" is raw, "term/weighted"
      what it adds to the "loss".
    """
    loss: Any = 0.0
    metrics: Metrics = {}
    for name, term in terms.items():
        loss = loss + term.weight * term.loss
        metrics[f"{name}/loss"] = term.loss
        metrics[f"{name}/weighted"] = term.weight * term.loss
        metrics |= {f"{name}/{key}": x for key, x in term.metrics.items()}
    return loss, {"loss": loss, **metrics}
