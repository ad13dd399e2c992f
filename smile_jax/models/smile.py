"""SMILE: towers, temporal pooling, view-aware fusion and the heads of three losses."""

import dataclasses
from typing import Literal

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from smile_jax.losses.moments import normalize
from smile_jax.models.heads import Projector, TemporalPool, ViewFusion
from smile_jax.models.text import TextConfig, TextTower
from smile_jax.models.vit import VisionConfig, VisionTower


@dataclasses.dataclass(frozen=True)
class SmileConfig:
    """What the model is made of.

    Attributes:
      vision, text: the towers.
      num_views: views in the dataset, of which a step may use some.
      temporal: how frames are pooled.
      projector_dim: D, of term 1.
      embed_dim: E, the joint space of term 2.
      redundancy: how term 3 reads the fused feature, see `losses.redundancy`. With
        "private" only the feature's first half is aligned, the rest is private.
      num_classes: K, size of the prompt bank; "whitened" has a head of K - 1 columns.
      logit_scale_init: initial value of exp(logit_scale).
    """

    vision: VisionConfig
    text: TextConfig
    num_views: int
    temporal: Literal["mean", "attention"] = "attention"
    projector_dim: int = 1024
    embed_dim: int = 256
    redundancy: Literal["whitened", "private", "literal"] = "whitened"
    num_classes: int = 6
    logit_scale_init: float = 1 / 0.07


class Embeddings(flax.struct.PyTreeNode):
    """What one clip becomes; float32."""

    features: Array  # [B, V, F] of each view, after temporal pooling
    fused: Array  # [B, F]
    projected: Array | None  # [B, V, D]; None outside training
    views: Array  # [B, V, E] unit norm
    joint: Array  # [B, E] unit norm, of the fused feature
    redundancy: Array | None  # [B, R], what term 3 takes as `fused`
    shared: Array  # [B, S], the aligned part of the fused feature


class Smile(nn.Module):
    """The whole model. `axis_name` makes the projector's BatchNorm global."""

    config: SmileConfig
    axis_name: str | None = None

    def setup(self) -> None:
        c = self.config
        self.vision = VisionTower(c.vision)
        self.text = TextTower(c.text, c.embed_dim)
        self.temporal = TemporalPool(c.temporal)
        self.fusion = ViewFusion(c.num_views)
        self.projector = Projector(c.projector_dim, self.axis_name)
        self.joint_head = nn.Dense(c.embed_dim, use_bias=False)
        if c.redundancy == "whitened":
            self.redundancy_head = nn.Dense(c.num_classes - 1, use_bias=False)
        self.logit_scale = self.param(
            "logit_scale",
            nn.initializers.constant(np.log(c.logit_scale_init)),
            (),
        )

    def __call__(
        self,
        clips: Float[Array, "B T V H W C"],
        view_ids: Int[Array, "B V"],
        weights: Float[Array, "B"] | None = None,
        *,
        train: bool,
    ) -> Embeddings:
        """Embeds clips.

        Args:
          clips: standardised pixels, from `smile_jax.data.augment`.
          view_ids: which of the dataset's views each one is.
          weights: 0 for padding, 1 else; counts in the projector's BatchNorm.
          train: also compute what only the losses use.
        """
        batch, frames, views = clips.shape[:3]
        x = self.vision(clips.reshape(-1, *clips.shape[3:]))
        x = x.astype(jnp.float32).reshape(batch, frames, views, -1)
        features = self.temporal(x)
        fused = self.fusion(features, view_ids)
        aligned = features.shape[-1]
        if self.config.redundancy == "private":
            aligned //= 2
        shared, private = fused[:, :aligned], fused[:, aligned:]
        joint = normalize(self.joint_head(shared))
        redundancy = {
            "whitened": lambda: self.redundancy_head(fused),
            "private": lambda: private,
            "literal": lambda: joint,
        }[self.config.redundancy]
        return Embeddings(
            features=features,
            fused=fused,
            projected=self.projector(features, weights) if train else None,
            views=normalize(self.joint_head(features[..., :aligned])),
            joint=joint,
            redundancy=redundancy() if train else None,
            shared=shared,
        )

    def encode_text(self, tokens: Int[Array, "K M L"]) -> Float[Array, "K E"]:
        """Prototypes of K classes from M prompts each: the normalised mean of the
        normalised embeddings, as in zero-shot CLIP (Radford et al., 2021)."""
        classes, prompts, length = tokens.shape
        embedded = normalize(self.text(tokens.reshape(-1, length)))
        return normalize(embedded.reshape(classes, prompts, -1).mean(axis=1))

    def initialize(
        self,
        clips: Float[Array, "B T V H W C"],
        view_ids: Int[Array, "B V"],
        tokens: Int[Array, "K M L"],
    ) -> tuple[Embeddings, Float[Array, "K E"]]:
        """Touches every parameter; for `Module.init`."""
        return self(clips, view_ids, train=True), self.encode_text(tokens)
