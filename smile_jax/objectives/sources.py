"""Where an example's text comes from: one value that knows all that follows of it."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from smile_jax.losses.pseudo import Prior, pseudo_targets


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextSource:
    """A text source; its fields are its settings, by the names of `config.pseudo`.

    Attributes:
      name: in `config.text_source`.
      has_text: there is a bank of prompts to align with.
      uses_labels: expression labels choose the prompt.
      own_texts: each clip has a text of its own; K is the number of different ones.
      makes_targets: the averaged model's answers are the targets.
      says: what reports say of pretraining with it.
    """

    name: ClassVar[str]
    has_text: ClassVar[bool] = True
    uses_labels: ClassVar[bool] = False
    own_texts: ClassVar[bool] = False
    makes_targets: ClassVar[bool] = False
    says: ClassVar[str]

    @classmethod
    def needs(cls) -> tuple[str, ...]:
        """Fields of the batch: "prompt" is each example's row of the bank."""
        return () if cls.makes_targets or not cls.has_text else ("prompt",)

    def targets(
        self, batch: dict[str, Array], num_prompts: int
    ) -> Float[Array, "B K"] | None:
        """Targets over the bank that the batch names."""
        if not self.has_text:
            return None
        return jax.nn.one_hot(batch["prompt"], num_prompts)

    def guesses(
        self,
        logits: Float[Array, "B K"],
        prior: Prior,
        step: Any,
        axis_name: str | None,
    ) -> tuple[Float[Array, "B K"], Prior, Float[Array, ""]]:
        """Where `makes_targets`: targets of a teacher's logits, the prior after this
        batch, and the weight of what is made of them."""
        raise NotImplementedError


class Weak(TextSource):
    """The prompts of each clip's class."""

    name = "weak"
    uses_labels = True
    says = (
        "Text: the prompts of the training subjects' expression labels (source "
        "<i>weak</i>). No label of a test subject was seen."
    )


class Captions(TextSource):
    """The dataset's captions."""

    name = "captions"
    own_texts = True
    says = "Text: the dataset's captions (source <i>captions</i>)."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pseudo(TextSource):
    """The averaged model's zero-shot guesses; settings in `smile_jax/config`."""

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

    def guesses(
        self,
        logits: Float[Array, "B K"],
        prior: Prior,
        step: Any,
        axis_name: str | None,
    ) -> tuple[Float[Array, "B K"], Prior, Float[Array, ""]]:
        """See `TextSource.guesses`; the weight is 0 while they warm up."""
        count = logits.shape[1]
        even = [1 / count] * count
        targets, prior = pseudo_targets(
            logits,
            prior,
            wanted=jnp.asarray(self.frequencies or even) if self.align else None,
            momentum=self.momentum,
            temperature=self.temperature,
            sinkhorn_steps=self.sinkhorn_steps,
            axis_name=axis_name,
        )
        return targets, prior, (step >= self.warmup_steps).astype(jnp.float32)


class NoText(TextSource):
    """No text: terms that need some are left out."""

    name = "none"
    has_text = False
    says = "No text (source <i>none</i>)."


SOURCES: dict[str, type[TextSource]] = {
    source.name: source for source in (Weak, Captions, Pseudo, NoText)
}
