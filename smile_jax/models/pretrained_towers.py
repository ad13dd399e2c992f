"""A pair of pretrained towers, or one of them: CLIP, SigLIP, a sentence encoder."""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from typing_extensions import override

from smile_jax.core.batch_statistics import normalize
from smile_jax.models.text_tower import TextConfig, TextTower
from smile_jax.models.vit import VisionConfig, VisionTower

Family = Literal["clip", "siglip", "bert"]


@dataclasses.dataclass(frozen=True)
class TowersConfig:
    """Settings of a pretrained model.

    Attributes:
      family: whose layout its weights have.
      vision, text: the towers; one of them may be missing.
      embed_dim: E, the joint space.
      visual_projection: a linear map takes image features to the joint space (CLIP).
      logit_bias: added to scaled cosines (SigLIP).
      image_size: pixels a side that the position embedding is for.
      channels: of its images.
      mean, std: of each channel, pixels in [0, 1], for standardisation.
      max_tokens: longest text that the tokenizer lets through.
    """

    family: Family
    vision: VisionConfig | None
    text: TextConfig | None
    embed_dim: int
    visual_projection: bool = False
    logit_bias: bool = False
    image_size: int = 0
    channels: int = 3
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    max_tokens: int = 0

    @property
    def paired(self) -> bool:
        """Both towers, with a trained scale between them."""
        return self.vision is not None and self.text is not None


class Towers(nn.Module):
    """A pair of pretrained towers, with the parameter names of `Encoder`."""

    config: TowersConfig

    @override
    def setup(self) -> None:
        c = self.config
        if c.vision:
            self.vision = VisionTower(c.vision)
        if c.visual_projection:
            self.joint_head = nn.Dense(c.embed_dim, use_bias=False)
        if c.text:
            self.text = TextTower(c.text, c.embed_dim)
        if c.paired:
            self.logit_scale = self.param("logit_scale", nn.initializers.zeros, ())
        if c.logit_bias:
            self.logit_bias = self.param("logit_bias", nn.initializers.zeros, ())

    def image_features(self, images: Float[Array, "B H W C"]) -> Float[Array, "B E"]:
        """Embeds standardised images; float32, not normalised."""
        x = self.vision(images).astype(jnp.float32)
        return self.joint_head(x) if self.config.visual_projection else x

    def text_features(self, tokens: Int[Array, "K L"]) -> Float[Array, "K E"]:
        """Embeds token ids; float32, not normalised."""
        return self.text(tokens)

    def __call__(
        self, images: Float[Array, "B H W C"], tokens: Int[Array, "K L"]
    ) -> Float[Array, "B K"]:
        """Logits: scaled cosines, plus SigLIP's bias."""
        image = normalize(self.image_features(images))
        text = normalize(self.text_features(tokens))
        bias = self.logit_bias if self.config.logit_bias else 0.0
        return jnp.exp(self.logit_scale) * image @ text.T + bias

    def initialize(
        self, images: Float[Array, "B H W C"], tokens: Int[Array, "K L"]
    ) -> None:
        """Touches every parameter; for `Module.init`."""
        if self.config.vision:
            self.image_features(images)
        if self.config.text:
            self.text_features(tokens)
