"""A small convolutional vision tower: strided 3 x 3 convolutions and a mean."""

import dataclasses
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from typing_extensions import override

from smile_jax.models.tower import TowerConfig
from smile_jax.models.transformer import ACTIVATIONS


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvConfig(TowerConfig):
    """A stack of `depth` layers, each half as high and wide as the one before.

    Each has twice the channels of the one before, the last has `width`.

    Attributes:
      activation: a key of `transformer.ACTIVATIONS`.
    """

    activation: str = "gelu"

    @override
    def make(self) -> nn.Module:
        return ConvTower(self)

    @override
    def layer_of(self, path: Sequence[str]) -> int:
        name = path[0]
        if name.startswith(("conv_", "norm_")) and name != "norm_post":
            return 1 + int(name.split("_")[1])
        return self.depth + 1

    @override
    def problems(self) -> list[str]:
        if self.width % 2 ** (self.depth - 1):
            return [
                f"depth={self.depth}: every layer doubles the channels, so width "
                f"{self.width} must be divisible by {2 ** (self.depth - 1)}"
            ]
        return []


class ConvTower(nn.Module):
    """Vision tower that maps each image to one feature."""

    config: ConvConfig

    @nn.compact
    def __call__(
        self, images: Float[Array, "B H W C"], kept: Int[Array, "B N"] | None = None
    ) -> Float[Array, "B F"]:
        """Embeds images; `kept` must be None, for there are no patches to leave out."""
        assert kept is None
        c, dtype = self.config, jnp.dtype(self.config.dtype)
        # Parameters stay float32; only activations are of the tower's dtype.
        x = images.astype(dtype)
        for i in range(c.depth):
            # Half the side and twice the channels: each layer costs the same.
            channels = c.width // 2 ** (c.depth - 1 - i)
            x = nn.Conv(channels, (3, 3), (2, 2), dtype=dtype, name=f"conv_{i}")(x)
            x = ACTIVATIONS[c.activation](
                nn.LayerNorm(dtype=dtype, name=f"norm_{i}")(x)
            )
        return nn.LayerNorm(dtype=dtype, name="norm_post")(x.mean(axis=(1, 2)))
