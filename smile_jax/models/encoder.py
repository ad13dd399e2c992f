"""The encoder: towers, temporal pooling, view-aware fusion, and a method's heads."""

import dataclasses
from collections.abc import Mapping

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from typing_extensions import override

from smile_jax.core.batch_statistics import normalize
from smile_jax.models.convnet import ConvConfig
from smile_jax.models.heads import CrossViewAttention, Head, ViewFusion
from smile_jax.models.masked_decoder import hide_patches
from smile_jax.models.temporal import (
    TemporalConfig,
    Timing,
    dynamic_images,
    unknown_timing,
)
from smile_jax.models.text_tower import TextConfig, TextTower
from smile_jax.models.tower import TowerConfig
from smile_jax.models.vit import VisionConfig

# `config.model.vision.kind` -> settings of the tower.
VISION_TOWERS: dict[str, type[TowerConfig]] = {
    "vit": VisionConfig,
    "conv": ConvConfig,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Settings of the encoder.

    Attributes:
      vision, text: the towers.
      num_views: views in the dataset, of which a step may use some.
      temporal: how frames become one feature.
      embed_dim: E, the joint space.
      private: only the first half of a feature is aligned with text; the rest of the
        fused one is vision's own.
      logit_scale_init: initial value of exp(logit_scale).
      joint_projection: a linear head takes features to the joint space; without, they
        are in it, as SigLIP's are.
      cross_view: views attend to each other before they are fused.
      logit_bias: keep SigLIP's bias, which no softmax over prompts sees, for export.
    """

    vision: TowerConfig
    text: TextConfig
    num_views: int
    temporal: TemporalConfig
    embed_dim: int
    private: bool = False
    logit_scale_init: float
    joint_projection: bool = True
    logit_bias: bool = False
    cross_view: bool = False


# Top level of the encoder's own parameters. What else there is belongs to heads.
PARTS = (
    "vision",
    "text",
    "temporal",
    "cross_view",
    "fusion",
    "joint_head",
    "logit_scale",
    "logit_bias",
)


class Embeddings(flax.struct.PyTreeNode):
    """The embeddings of B clips; float32."""

    features: Array  # [B, V, F] of each view, after time and views are looked at
    fused: Array  # [B, F]
    views: Array  # [B, V, E] unit norm
    joint: Array  # [B, E] unit norm, of the fused feature
    shared: Array  # [B, S], the aligned part of the fused feature: all, or half of it
    private: Array  # [B, F - S], the rest
    projected: Array | None = None  # [B, V, E], `views` before they are normalised
    heads: dict[str, Array] = flax.struct.field(default_factory=dict)  # in training


class Encoder(nn.Module):
    """The whole model.

    Attributes:
      config: of towers and fusion.
      heads: those that a method trains with, by name; evaluation needs none.
      axis_name: device axis, which makes statistics inside heads global.
    """

    config: EncoderConfig
    heads: Mapping[str, Head] = flax.core.FrozenDict()
    axis_name: str | None = None

    @override
    def setup(self) -> None:
        c = self.config
        self.vision = c.vision.make()
        self.text = TextTower(c.text, c.embed_dim)
        self.temporal = c.temporal.make()
        self.fusion = ViewFusion(c.num_views)
        if c.cross_view:
            self.cross_view = CrossViewAttention(c.num_views)
        if c.joint_projection:
            self.joint_head = nn.Dense(c.embed_dim, use_bias=False)
        if c.logit_bias:
            self.logit_bias = self.param("logit_bias", nn.initializers.zeros, ())
        self.logit_scale = self.param(
            "logit_scale",
            nn.initializers.constant(np.log(c.logit_scale_init)),
            (),
        )
        # As attributes, for a name is where parameters are stored and what seeds them.
        for name, head in self.heads.items():
            setattr(self, name, head.make(self.axis_name))

    def __call__(
        self,
        clips: Float[Array, "B T V H W C"],
        view_ids: Int[Array, "B V"],
        timing: Timing | None = None,
        *,
        train: bool,
    ) -> Embeddings:
        """Embeds clips; see `encode` and `fuse`."""
        return self.fuse(self.encode(clips, timing), view_ids, train=train)

    def encode(
        self,
        clips: Float[Array, "B T V H W C"],
        timing: Timing | None = None,
        kept: Int[Array, "B V N"] | None = None,
    ) -> Float[Array, "B V F"]:
        """Features of each view, in float32; each clip's depend on that clip alone.

        Args:
          clips: standardised pixels, from `smile_jax.data.augment`.
          timing: of their frames; None: all are there, and nothing needs to know more.
          kept: which patches of each view the tower sees, in all frames; None for all.
        """
        images, (batch, frames, views), timing = self._images(clips, timing)
        if kept is not None:
            kept = _in_all_frames(kept, frames)
        x = self.vision(images, kept)
        return self._over_time(x, (batch, frames, views), timing)

    def reconstruct(
        self,
        clips: Float[Array, "B T V H W C"],
        timing: Timing | None,
        kept: Int[Array, "B V N"],
    ) -> tuple[Float[Array, "B V F"], Float[Array, "B V"]]:
        """Embeds images whose other patches are hidden, and guesses those.

        Returns:
          Features as of `encode`, and the error of the decoder's guesses, see
          `masked_decoder.MaskedDecoder`.
        """
        images, (batch, frames, views), timing = self._images(clips, timing)
        assert isinstance(self.config.vision, VisionConfig)
        seen, size = _in_all_frames(kept, frames), self.config.vision.patch_size
        x, tokens = self.vision(
            hide_patches(images, seen, size), seen, with_tokens=True
        )
        error = self.decoder(tokens, seen, images, size)
        error = error.reshape(batch, frames, views).mean(axis=1)
        return self._over_time(x, (batch, frames, views), timing), error

    def _images(
        self, clips: Float[Array, "B T V H W C"], timing: Timing | None
    ) -> tuple[Float[Array, "N H W C"], tuple[int, int, int], Timing]:
        """Returns what the tower sees of clips, their (B, T, V), and their timing."""
        timing = timing or unknown_timing(*clips.shape[:2])
        pool = self.config.temporal
        if pool.pools_pixels:
            clips = dynamic_images(clips, timing, pool.gain)
            timing = unknown_timing(*clips.shape[:2])
        batch, frames, views = clips.shape[:3]
        # Frames and views are one long batch to the tower: it knows single images.
        return clips.reshape(-1, *clips.shape[3:]), (batch, frames, views), timing

    def _over_time(
        self, x: Float[Array, "N F"], shape: tuple[int, int, int], timing: Timing
    ) -> Float[Array, "B V F"]:
        return self.temporal(x.astype(jnp.float32).reshape(*shape, -1), timing)

    def fuse(
        self,
        features: Float[Array, "B V F"],
        view_ids: Int[Array, "B V"],
        *,
        train: bool,
    ) -> Embeddings:
        """Fuses views, takes them to the joint space and, in training, applies heads.

        Args:
          features: from `encode`.
          view_ids: which of the dataset's views each one is.
          train: also apply the heads, which may look at the whole batch.
        """
        if self.config.cross_view:
            features = self.cross_view(features, view_ids)
        # Fusion before projection: the fused feature is what probes see.
        fused = self.fusion(features, view_ids)
        aligned = features.shape[-1] // (2 if self.config.private else 1)
        projected = self._project(features[..., :aligned])
        embeddings = Embeddings(
            features=features,
            fused=fused,
            views=normalize(projected),
            joint=normalize(self._project(fused[:, :aligned])),
            projected=projected,
            shared=fused[:, :aligned],
            private=fused[:, aligned:],
        )
        if not train:
            return embeddings
        applied = {
            name: getattr(self, name)(getattr(embeddings, head.reads))
            for name, head in self.heads.items()
            if head.reads
        }
        return embeddings.replace(heads=applied)

    def embed_text(self, tokens: Int[Array, "P L"]) -> Float[Array, "P E"]:
        """Unit-norm embeddings of prompts."""
        return normalize(self.text(tokens))

    def initialize(
        self,
        clips: Float[Array, "B T V H W C"],
        view_ids: Int[Array, "B V"],
        tokens: Int[Array, "P L"],
    ) -> tuple[Embeddings, Float[Array, "P E"]]:
        """Uses every parameter; for `Module.init`."""
        if not all(head.reads for head in self.heads.values()):
            self.reconstruct(clips, None, jnp.zeros((*view_ids.shape, 1), jnp.int32))
        return self(clips, view_ids, train=True), self.embed_text(tokens)

    def _project(self, x: Float[Array, "*batch S"]) -> Float[Array, "*batch E"]:
        return self.joint_head(x) if self.config.joint_projection else x


def _in_all_frames(kept: Int[Array, "B V N"], frames: int) -> Int[Array, "M N"]:
    """Repeats the kept patches of each view for every image of the clips."""
    kept = jnp.repeat(kept[:, None], frames, axis=1)
    return kept.reshape(-1, kept.shape[-1])


def prototypes(
    embedded: Float[Array, "P E"],
    owners: Int[np.ndarray, "P"],
    shape: tuple[int, int],
) -> Float[Array, "G K E"]:
    """Returns normalised means of each class's prompts.

    As in zero-shot CLIP (Radford et al., 2021). `owners` are group times K plus class;
    shape is (G, K).
    """
    # A matrix of shares, known when the step is traced: means become one product.
    members = np.zeros((shape[0] * shape[1], len(owners)), np.float32)
    members[owners, np.arange(len(owners))] = 1
    means = jnp.asarray(members / members.sum(axis=1, keepdims=True)) @ embedded
    return normalize(means).reshape(*shape, -1)
