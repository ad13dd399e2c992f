"""Time: the frames of a clip to one feature of each view.

Every kind starts as the mean of the frames, and with one frame alone is that frame:
what it adds is what frames tell beside their mean.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from typing_extensions import override

from smile_jax.models.attention_weights import show_weights
from smile_jax.models.transformer import Transformer, TransformerConfig

# Rates in Hz at which seconds are read off, one a pair of inputs: from the course of a
# posed expression to a micro-expression's onset (this project's choice).
_RATES = np.geomspace(0.125, 16, 8)
_MOST = 3.0  # standard deviations of a pixel of an amplified dynamic image


class Timing(flax.struct.PyTreeNode):
    """The times at which the frames of B clips were taken."""

    time_s: Array  # [B, T] seconds from the clip's first frame; -1 where there is none
    apex: Array  # [B] place of the frame in which the face has moved farthest

    @property
    def present(self) -> Bool[Array, "B T"]:
        """True for real frames, False for padding."""
        return self.time_s >= 0


def timing_of(batch: Mapping[str, Array]) -> Timing:
    """Returns the timing of a batch with "time_s" and "apex"."""
    return Timing(batch["time_s"], batch["apex"])


def unknown_timing(batch: int, frames: int) -> Timing:
    """Returns the timing of whole clips of which nothing else is known.

    For kinds that need nothing else.
    """
    return Timing(jnp.zeros((batch, frames)), jnp.zeros(batch, jnp.int32))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TemporalConfig:
    """Settings of what pools frames.

    Attributes:
      kind: of `KINDS`.
      depth, heads: of the "transformer".
      gain: of "dynamic" images: how much what moves is amplified.
    """

    kind: str = "attention"
    depth: int = 2
    heads: int = 4
    gain: float = 16.0

    def make(self) -> nn.Module:
        """The module, features [B, T, V, F] and their `Timing` to [B, V, F]."""
        return KINDS[self.kind](self)

    @property
    def pools_pixels(self) -> bool:
        """True if frames become one picture before the tower sees them."""
        return self.kind == "dynamic"

    @property
    def needs(self) -> tuple[str, ...]:
        """Facts that it needs of clips of several frames: "rate_hz", "motion"."""
        return KINDS[self.kind].needs


class MeanPooling(nn.Module):
    """The mean of the frames that are there."""

    config: TemporalConfig
    needs: ClassVar[tuple[str, ...]] = ()

    def __call__(
        self, features: Float[Array, "B T V F"], timing: Timing
    ) -> Float[Array, "B V F"]:
        """Returns the feature of each view."""
        present = timing.present.astype(jnp.float32)
        # Only frames that are there count: padding would pull short clips to its
        # features.
        shares = present / present.sum(axis=1, keepdims=True)
        show_weights(self, shares[:, :, None, None])
        return mean_of(features, timing)


class AttentionPooling(nn.Module):
    """Attention over frames: softmax_t(q . tanh(W h_t)), q from zero."""

    config: TemporalConfig
    needs: ClassVar[tuple[str, ...]] = ()

    @nn.compact
    def __call__(
        self, features: Float[Array, "B T V F"], timing: Timing
    ) -> Float[Array, "B V F"]:
        """Returns the feature of each view."""
        weights = attend_frames(features, timing.present)
        show_weights(self, weights)
        return (weights * features).sum(axis=1)


class ResidualPooling(nn.Module):
    """Base of kinds that add to the mean what several frames tell."""

    config: TemporalConfig
    needs: ClassVar[tuple[str, ...]] = ()

    @nn.compact
    def __call__(
        self, features: Float[Array, "B T V F"], timing: Timing
    ) -> Float[Array, "B V F"]:
        """Returns the feature of each view."""
        mean = mean_of(features, timing)
        if features.shape[1] == 1:  # a second one that is not there: nothing to add
            features = jnp.repeat(features, 2, axis=1)
            none = jnp.full_like(timing.time_s, -1)
            timing = timing.replace(time_s=jnp.concatenate([timing.time_s, none], 1))
        several = timing.present.sum(axis=1) > 1
        more = self.residual(features, timing)
        return mean + jnp.where(several[:, None, None], more, 0)

    def residual(
        self, features: Float[Array, "B T V F"], timing: Timing
    ) -> Float[Array, "B V F"]:
        """Returns what is added to the mean: 0 at the start. T is at least 2."""
        raise NotImplementedError


class DifferencePooling(ResidualPooling):
    """Attention over changes: h_t - h_(t-1) beside h_t - h_0."""

    @override
    def residual(self, features, timing):
        width = features.shape[-1]
        first, before, after = features[:, :1], features[:, :-1], features[:, 1:]
        moved = jnp.concatenate([after - before, after - first], axis=-1)
        tokens = nn.gelu(nn.Dense(width, name="moved")(moved))
        weights = attend_frames(tokens, timing.present[:, 1:])
        return from_zero(width, "out")((weights * tokens).sum(axis=1))


class TwoPhasePooling(ResidualPooling):
    """Attention from onset to apex and from apex to offset, each against the apex.

    The two streams that won the 4DMR challenge of 2025 (its idea, not its code).
    """

    needs = ("motion",)

    @override
    def residual(self, features, timing):
        width = features.shape[-1]
        place = jnp.arange(features.shape[1])[None]
        apex = timing.apex[:, None]
        peak = jnp.take_along_axis(features, apex[..., None, None], axis=1)
        # The apex is in both phases, so neither is ever empty.
        streams = []
        for name, mine in (("onset", place <= apex), ("offset", place >= apex)):
            weights = attend_frames(features, mine & timing.present, name)
            streams.append((weights * (peak - features)).sum(axis=1))
        hidden = nn.gelu(nn.Dense(width, name="phases")(jnp.concatenate(streams, -1)))
        return from_zero(width, "out")(hidden)


class TransformerPooling(ResidualPooling):
    """A transformer over the frames of each view, which is told their seconds.

    Factorised: the tower sees single frames, this their course.
    """

    needs = ("rate_hz",)

    @override
    def residual(self, features, timing):
        batch, frames, views, width = features.shape
        seconds = nn.Dense(width, name="seconds")(waves(timing.time_s))
        # Seconds and not places: clips of other rates keep their speed.
        tokens = nn.LayerNorm(name="norm_in")(features) + seconds[:, :, None]
        tokens = tokens.swapaxes(1, 2).reshape(batch * views, frames, width)
        mask = jnp.repeat(timing.present, views, axis=0)[:, None, None]
        blocks = TransformerConfig(
            width=width,
            depth=self.config.depth,
            heads=self.config.heads,
            mlp_width=2 * width,
        )
        tokens = Transformer(blocks, name="transformer")(tokens, mask)
        tokens = nn.LayerNorm(name="norm_out")(tokens)
        tokens = tokens.reshape(batch, views, frames, width).swapaxes(1, 2)
        return from_zero(width, "out")(mean_of(tokens, timing))


KINDS: dict[str, Any] = {
    "mean": MeanPooling,
    "attention": AttentionPooling,
    "differences": DifferencePooling,
    "two_phase": TwoPhasePooling,
    "transformer": TransformerPooling,
    "dynamic": MeanPooling,  # of one picture, see `dynamic_images`
}


def mean_of(features: Float[Array, "B T V F"], timing: Timing) -> Float[Array, "B V F"]:
    """The mean of the frames that are there."""
    present = timing.present[:, :, None, None]
    return jnp.where(present, features, 0).sum(axis=1) / present.sum(axis=1)


def attend_frames(
    x: Float[Array, "B T V F"], present: Bool[Array, "B T"], name: str = ""
) -> Float[Array, "B T V 1"]:
    """Shares of the frames that are there; equal at the start."""
    prefix = f"{name}_" if name else ""
    hidden = nn.tanh(nn.Dense(x.shape[-1], name=f"{prefix}hidden")(x))
    query = from_zero(1, f"{prefix}query", bias=False)
    scores = jnp.where(present[:, :, None, None], query(hidden), -jnp.inf)
    # A clip of one frame has nothing to compare: rows without any are not NaN.
    scores = jnp.where(present.any(axis=1)[:, None, None, None], scores, 0)
    return nn.softmax(scores, axis=1)


def from_zero(width: int, name: str, *, bias: bool = True) -> nn.Dense:
    """Returns a layer that gives nothing at the start."""
    return nn.Dense(width, use_bias=bias, kernel_init=nn.initializers.zeros, name=name)


def waves(time_s: Float[Array, "B T"]) -> Float[Array, "B T W"]:
    """Returns sines and cosines of seconds."""
    rates = jnp.asarray(_RATES, jnp.float32)[None, None]
    angles = 2 * jnp.pi * time_s[..., None] * rates
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


def dynamic_images(
    clips: Float[Array, "B T V H W C"], timing: Timing, gain: float
) -> Float[Array, "B 1 V H W C"]:
    """Rank-pools clips on the device, with padding left out.

    It is `mesh.rank_pooling` of what a model sees, after light and augmentation.

    Args:
      clips: standardised pixels.
      timing: of their frames.
      gain: how much what moves is amplified.

    Returns:
      sum_t w_t x_t / sum_t |w_t| times the gain, within 3 standard deviations; a clip
      of one frame as it is.
    """
    weights = rank_weights(timing.present)
    share = weights / jnp.abs(weights).sum(axis=1, keepdims=True)
    pooled = jnp.einsum("bt,bt...->b...", share, clips)[:, None]
    # A few bright pixels must not set the scale of all others.
    moving = jnp.clip(gain * pooled, -_MOST, _MOST)
    several = timing.present.sum(axis=1) > 1
    return jnp.where(several[:, None, None, None, None, None], moving, clips[:, :1])


def rank_weights(present: Bool[Array, "B T"]) -> Float[Array, "B T"]:
    """Returns `mesh.rank_pooling.rank_pooling_weights` for clips of different lengths.

    Padding, which follows the frames, has weight 0.
    """
    count = present.sum(axis=1, keepdims=True)
    t = jnp.arange(1, present.shape[1] + 1)[None]
    # By suffix sums, for the number of frames differs from clip to clip.
    terms = jnp.where(present, (2 * t - count - 1) / t, 0.0)
    weights = jnp.cumsum(terms[:, ::-1], axis=1)[:, ::-1]
    return jnp.where(present, jnp.where(count > 1, weights, 1.0), 0.0)


def place_of_apex(
    motion: Float[Array, "B T"], present: Bool[Array, "B T"]
) -> Int[Array, "B"]:
    """Returns the place of the frame in which the face has moved farthest."""
    return jnp.where(present, motion, -jnp.inf).argmax(axis=1).astype(jnp.int32)
