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
      joint_projection: a linear head takes features to the joint space; without, they
        are in it, as SigLIP's are.
      logit_bias: keep SigLIP's bias, which no softmax over prompts sees, for export.
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
    joint_projection: bool = True
    logit_bias: bool = False


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
        if c.joint_projection:
            self.joint_head = nn.Dense(c.embed_dim, use_bias=False)
        if c.logit_bias:
            self.logit_bias = self.param("logit_bias", nn.initializers.zeros, ())
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
        """Embeds clips; see `encode` and `relate`."""
        return self.relate(self.encode(clips), view_ids, weights, train=train)

    def encode(
        self,
        clips: Float[Array, "B T V H W C"],
        kept: Int[Array, "B V N"] | None = None,
    ) -> Float[Array, "B V F"]:
        """Features of each view, in float32; each clip's depend on that clip alone.

        Args:
          clips: standardised pixels, from `smile_jax.data.augment`.
          kept: which patches of each view the tower sees, in all frames; None for all.
        """
        batch, frames, views = clips.shape[:3]
        if kept is not None:
            kept = jnp.repeat(kept[:, None], frames, axis=1)
            kept = kept.reshape(-1, kept.shape[-1])
        x = self.vision(clips.reshape(-1, *clips.shape[3:]), kept)
        x = x.astype(jnp.float32).reshape(batch, frames, views, -1)
        return self.temporal(x)

    def relate(
        self,
        features: Float[Array, "B V F"],
        view_ids: Int[Array, "B V"],
        weights: Float[Array, "B"] | None = None,
        *,
        train: bool,
    ) -> Embeddings:
        """What the heads make of features; the projector looks at the whole batch.

        Args:
          features: from `encode`.
          view_ids: which of the dataset's views each one is.
          weights: 0 for padding, 1 else; counts in the projector's BatchNorm.
          train: also compute what only the losses use.
        """
        fused = self.fusion(features, view_ids)
        aligned = features.shape[-1]
        if self.config.redundancy == "private":
            aligned //= 2
        shared, private = fused[:, :aligned], fused[:, aligned:]
        joint = self._join(shared)
        redundancy = {
            "whitened": lambda: self.redundancy_head(fused),
            "private": lambda: private,
            "literal": lambda: joint,
        }[self.config.redundancy]
        return Embeddings(
            features=features,
            fused=fused,
            projected=self.projector(features, weights) if train else None,
            views=self._join(features[..., :aligned]),
            joint=joint,
            redundancy=redundancy() if train else None,
            shared=shared,
        )

    def embed_text(self, tokens: Int[Array, "P L"]) -> Float[Array, "P E"]:
        """Unit-norm embeddings of prompts."""
        return normalize(self.text(tokens))

    def initialize(
        self,
        clips: Float[Array, "B T V H W C"],
        view_ids: Int[Array, "B V"],
        tokens: Int[Array, "P L"],
    ) -> tuple[Embeddings, Float[Array, "P E"]]:
        """Touches every parameter; for `Module.init`."""
        return self(clips, view_ids, train=True), self.embed_text(tokens)

    def _join(self, x: Float[Array, "*batch S"]) -> Float[Array, "*batch E"]:
        return normalize(self.joint_head(x) if self.config.joint_projection else x)


def prototypes(
    embedded: Float[Array, "P E"],
    owners: Int[np.ndarray, "P"],
    shape: tuple[int, int],
) -> Float[Array, "G K E"]:
    """Normalised means of each class's prompts, as in zero-shot CLIP (Radford et al.,
    2021). `owners` are group times K plus class; shape is (G, K)."""
    members = np.zeros((shape[0] * shape[1], len(owners)), np.float32)
    members[owners, np.arange(len(owners))] = 1
    means = jnp.asarray(members / members.sum(axis=1, keepdims=True)) @ embedded
    return normalize(means).reshape(*shape, -1)
