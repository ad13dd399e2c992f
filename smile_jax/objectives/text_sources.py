"""Text sources: where an example's text comes from, and all that follows from that."""

import dataclasses
from typing import Any, ClassVar

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from typing_extensions import override

from smile_jax.losses.pseudo_labels import Prior, pseudo_targets


class Targets(flax.struct.PyTreeNode):
    """Targets over the bank: what the images of a batch should say."""

    shares: Array  # [B, K] over the bank; rows sum to 1, but of several at once
    # [B], 0 for examples that nothing is known of; None: something is of all.
    weights: Array | None = None
    worth: Array | float = 1.0  # 0 while they are not yet worth anything


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextSource:
    """A text source; its fields are its settings, the keys of `config.pseudo`.

    Attributes:
      name: in `config.text_source`.
      version: see `Objective.version`.
      has_text: there is a bank of prompts to align with.
      uses_labels: expression labels choose the prompt.
      one_class: so each clip must have its class among the run's.
      several: a clip may be of several prompts; rows of targets do not sum to 1.
      own_texts: each clip has a text of its own; K is the number of different ones.
      makes_targets: the averaged model's answers are the targets.
      says: what reports say of pretraining with it.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    has_text: ClassVar[bool] = True
    uses_labels: ClassVar[bool] = False
    one_class: ClassVar[bool] = False
    several: ClassVar[bool] = False
    own_texts: ClassVar[bool] = False
    makes_targets: ClassVar[bool] = False
    says: ClassVar[str]

    @classmethod
    def needs(cls) -> tuple[str, ...]:
        """Fields of the batch: "prompt" is each example's row of the bank."""
        return () if cls.makes_targets or not cls.has_text else ("prompt",)

    def targets(self, batch: dict[str, Array], num_prompts: int) -> Targets | None:
        """Targets over the bank that the batch names."""
        if not self.has_text:
            return None
        return Targets(jax.nn.one_hot(batch["prompt"], num_prompts))

    def guesses(
        self,
        logits: Float[Array, "B K"],
        prior: Prior,
        step: Any,
        axis_name: str | None,
    ) -> tuple[Targets, Prior]:
        """Returns targets from a teacher's logits, and the prior after this batch.

        Sources with `makes_targets` implement it.
        """
        raise NotImplementedError


class WeakLabels(TextSource):
    """The prompts of each clip's class."""

    version = 1
    name = "weak"
    uses_labels = True
    one_class = True
    says = (
        "Text: the prompts of the training subjects' expression labels (source "
        "<i>weak</i>). No label of a test subject was seen."
    )


class MultiLabels(TextSource):
    """The prompts of all emotions that a clip shows, by labels such as 4DME's."""

    version = 1
    name = "several"
    uses_labels = True
    several = True
    says = (
        "Text: the prompts of all emotions that the training subjects' labels name "
        "(source <i>several</i>). No label of a test subject was seen."
    )

    @override
    @classmethod
    def needs(cls) -> tuple[str, ...]:
        return ("emotions",)

    @override
    def targets(self, batch: dict[str, Array], num_prompts: int) -> Targets | None:
        return Targets(batch["emotions"].astype(jnp.float32))


class CaptionSource(TextSource):
    """The dataset's captions."""

    version = 1
    name = "captions"
    own_texts = True
    says = "Text: the dataset's captions (source <i>captions</i>)."


@dataclasses.dataclass(frozen=True, kw_only=True)
class PseudoLabels(TextSource):
    """The averaged model's zero-shot guesses; settings in `smile_jax/config`."""

    version = 1
    name = "pseudo"
    makes_targets = True
    says = (
        "Text: prompts of classes; targets were the averaged model's own zero-shot "
        "guesses (source <i>pseudo</i>)."
    )

    warmup_steps: int
    momentum: float
    temperature: float
    sinkhorn_steps: int
    align: bool
    frequencies: tuple[float, ...]  # of the classes; uniform if empty
    min_confidence: float

    def guesses(
        self,
        logits: Float[Array, "B K"],
        prior: Prior,
        step: Any,
        axis_name: str | None,
    ) -> tuple[Targets, Prior]:
        """See `TextSource.guesses`.

        Targets are worth nothing during the warm-up, nor where the teacher is not
        confident, as about a face that shows no class.
        """
        count = logits.shape[1]
        even = [1 / count] * count
        sure = jax.nn.softmax(logits).max(axis=1) >= self.min_confidence
        weights = sure.astype(logits.dtype)
        shares, prior = pseudo_targets(
            logits,
            prior,
            weights=weights,
            wanted=jnp.asarray(self.frequencies or even) if self.align else None,
            momentum=self.momentum,
            temperature=self.temperature,
            sinkhorn_steps=self.sinkhorn_steps,
            axis_name=axis_name,
        )
        worth = jnp.asarray(step >= self.warmup_steps, jnp.float32)
        return Targets(shares, weights, worth), prior


class NoText(TextSource):
    """No text: terms that need some are left out."""

    version = 1
    name = "none"
    has_text = False
    says = "No text (source <i>none</i>)."


SOURCES: dict[str, type[TextSource]] = {
    source.name: source
    for source in (WeakLabels, MultiLabels, CaptionSource, PseudoLabels, NoText)
}
