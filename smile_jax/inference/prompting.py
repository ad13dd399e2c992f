"""Prompts as a classifier: the class whose prompt is nearest to an embedding."""

import copy
import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from smile_jax.data.prompts import Prompts
from smile_jax.models import Encoder
from smile_jax.models.encoder import prototypes
from smile_jax.training.model_spec import Tokenizer
from smile_jax.training.prompt_bank import embed_prompts

_SOFT = 0.07  # of a cosine, by which an example counts e times less (our choice)


@dataclasses.dataclass(frozen=True)
class CaptionGrounding:
    """The captions and images by which a model knows the meaning of words.

    Attributes:
      captions: unit-norm prototypes of the captions that it was trained with.
      images: unit-norm joint embeddings of training clips.
    """

    captions: Float[np.ndarray, "N E"]
    images: Float[np.ndarray, "M E"]

    def meaning(self, bank: Float[np.ndarray, "K E"]) -> Float[np.ndarray, "K E"]:
        """Returns prototypes in terms of captions, and these in terms of images."""
        return in_terms_of(in_terms_of(bank, self.captions), self.images)


class PromptClassifier:
    """A model's text tower and a set of prompts.

    Attributes:
      bank: (G, K, E) prototypes of the fused view (0) and, where prompts tell views
        apart, of each camera.
      grounds: captions and images that the model learned from, if it did.
    """

    def __init__(
        self,
        model: Encoder,
        params: Any,
        tokenizer: Tokenizer,
        prompts: Prompts,
        *,
        keep: bool = True,
    ) -> None:
        """Embeds the prompts; `keep` as of `embed_prompts`."""
        self._prompts = prompts
        self.grounds: CaptionGrounding | None = None
        tokens = tokenizer(prompts.texts)
        self._embedded = embed_prompts(model, params, tokens, keep=keep)
        shape = prompts.groups, len(prompts.classes)
        self.bank = np.asarray(
            prototypes(jnp.asarray(self._embedded), prompts.owners, shape)
        )

    def grounded_by(self, grounds: CaptionGrounding | None) -> "PromptClassifier":
        """Returns the same prompts with what the model learned from."""
        other = copy.copy(self)
        other.grounds = grounds
        vars(other).pop("grounded", None)  # the other grounds' meaning
        return other

    def predict(self, joint: np.ndarray) -> np.ndarray:
        """(n,) class of each fused embedding (n, E)."""
        return (joint @ self.bank[0].T).argmax(-1)

    def probabilities(self, joint: np.ndarray, scale: float) -> np.ndarray:
        """Returns class probabilities (n, K) of fused embeddings (n, E)."""
        return softmax(scale * joint @ self.bank[0].T, axis=1)

    @functools.cached_property
    def grounded(self) -> np.ndarray | None:
        """(K, E), what the prompts of the fused view mean by captions and images.

        A model has seen images beside captions alone: where in the joint space other
        words lie, it was never told. So a prompt becomes the captions that are nearest
        to it among texts, and these the training clips nearest to them. No label is
        used. This project's own.
        """
        if self.grounds is None:
            return None
        return self.grounds.meaning(self.bank[0])

    def predict_view(self, views: np.ndarray, camera: int) -> np.ndarray:
        """(n,) class of each embedding (n, E) of one camera's view."""
        group = 1 + camera if len(self.bank) > 1 else 0
        return (views @ self.bank[group].T).argmax(-1)

    def parts(self) -> dict[str, np.ndarray]:
        """Returns banks (K, E) of the fused view's prompts, by template and by style.

        They are named "template: ..." and "style: ..." and given where there are
        several.
        """
        p, classes = self._prompts, len(self._prompts.classes)
        fused = p.owners < classes
        banks = {}
        for what, names in (("template", p.templates), ("style", p.styles)):
            kinds = list(
                dict.fromkeys(n for n, f in zip(names, fused, strict=True) if f)
            )
            for kind in kinds if len(kinds) > 1 else []:
                chosen = fused & (np.array(names) == kind)
                owners = p.owners[chosen]
                if len(set(owners.tolist())) == classes:
                    bank = prototypes(
                        jnp.asarray(self._embedded[chosen]), owners, (1, classes)
                    )
                    banks[f"{what}: {kind}"] = np.asarray(bank)[0]
        return banks


def in_terms_of(
    bank: Float[np.ndarray, "K E"], examples: Float[np.ndarray, "N E"]
) -> Float[np.ndarray, "K E"]:
    """Returns each prototype as a mean of examples, weighted by similarity.

    Shares are softmax(cosine / 0.07), both less their mean, for what all prompts have
    (that they speak of faces; their style) tells none of them apart.

    Args:
      bank: unit-norm prototypes of two or more classes.
      examples: unit-norm.
    """
    alike = (
        unit_rows(bank - bank.mean(axis=0))
        @ unit_rows(examples - examples.mean(axis=0)).T
    )
    return unit_rows(softmax(alike / _SOFT, axis=1) @ examples)


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Divides each row by its norm."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
