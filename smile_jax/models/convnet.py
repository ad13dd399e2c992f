"""A small convolutional vision tower: strided 3 x 3 convolutions."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from typing_extensions import override

from smile_jax.models.tower import TowerConfig
from smile_jax.models.transformer import ACTIVATIONS
from smile_jax.models.vit import patch_rows

_PATCH = 4  # pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvConfig(TowerConfig):
    """A stack of `depth` layers of growing width and falling resolution.

    Each has twice the channels of the one before and half its height and width; the
    last has `width` channels.

    Attributes:
      stem: "conv": the first layer is a convolution as well, of half the image's sides;
        "patch": a product with patches of 4 x 4 pixels, of a quarter of its sides, so
        that one layer less gives features of the same size.
      pool: "mean" over places, or "flatten": a hidden layer that sees every place, for
        pictures that are aligned, as faces are, and always of one size.
      activation: a key of `transformer.ACTIVATIONS`.
    """

    stem: Literal["patch", "conv"]
    pool: Literal["mean", "flatten"]
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
        found = []
        if self.width % 2 ** (self.depth - 1):
            found.append(
                f"depth={self.depth}: every layer doubles the channels, so width "
                f"{self.width} must be divisible by {2 ** (self.depth - 1)}"
            )
        if self.pool not in ("mean", "flatten"):
            found.append(
                f"pool={self.pool!r}: this tower has no tokens; set 'mean' or 'flatten'"
            )
        return found


class ConvTower(nn.Module):
    """Vision tower that maps each image to one feature."""

    config: ConvConfig

    @nn.compact
    def __call__(
        self, images: Float[Array, "B H W C"], kept: Int[Array, "B N"] | None = None
    ) -> Float[Array, "B F"]:
        """Embeds images; `kept` must be None, for there are no patches to leave out.

        Raises:
          ValueError: with the stem "patch", 4 does not divide the images' sides.
        """
        assert kept is None
        c, dtype = self.config, jnp.dtype(self.config.dtype)
        activate = ACTIVATIONS[c.activation]
        # Parameters stay float32; only activations are of the tower's dtype.
        x = images.astype(dtype)
        for i in range(c.depth):
            # Half the side and twice the channels: each convolution costs the same.
            channels = c.width // 2 ** (c.depth - 1 - i)
            if i == 0 and c.stem == "patch":
                x = nn.Dense(channels, dtype=dtype, name="conv_0")(_grid(x))
            else:
                x = nn.Conv(channels, (3, 3), (2, 2), dtype=dtype, name=f"conv_{i}")(x)
            x = activate(nn.LayerNorm(dtype=dtype, name=f"norm_{i}")(x))
        if c.pool == "flatten":
            # Fewer channels first: the hidden layer would have most parameters.
            x = nn.Dense(max(c.width // 4, 1), dtype=dtype, name="reduce")(x)
            x = nn.Dense(c.width, dtype=dtype, name="flatten")(x.reshape(len(x), -1))
            x = activate(x)
        else:
            x = x.mean(axis=(1, 2))
        return nn.LayerNorm(dtype=dtype, name="norm_post")(x)


def _grid(images: Float[Array, "B H W C"]) -> Float[Array, "B I J P"]:
    """Patches of 4 x 4 pixels as the pixels of a smaller image."""
    height, width = images.shape[1:3]
    if height % _PATCH or width % _PATCH:
        raise ValueError(
            f"model.vision.stem='patch' of the convolutional tower needs images whose "
            f"sides {_PATCH} divides, got {height} x {width} pixels"
        )
    patches, grid = patch_rows(images, _PATCH)
    return patches.reshape(*grid, -1)
