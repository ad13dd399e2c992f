"""Vision tower: a CLIP-compatible ViT, with a convolutional stem as an option."""

import dataclasses
import math
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from smile_jax.models.transformer import Transformer


@dataclasses.dataclass(frozen=True)
class VisionConfig:
    """Size and shape of the vision tower.

    Attributes:
      patch_size: pixels; with the convolutional stem 8, 16, ...
      width, depth, heads, mlp_width: of the transformer.
      stem: "patch" is CLIP's; "conv" has small patches and stride-2 convolutions in its
        place (after Xiao et al., "Early Convolutions Help Transformers See Better",
        2021), which learns more per second where data and compute are small.
      pool: "class" token or "mean" of the patch tokens.
      activation: "gelu" or "quick_gelu".
      pre_norm: CLIP's LayerNorm before the first block.
      dtype: "float32" or "bfloat16" of activations; parameters are float32.
      remat: recompute activations in the backward pass.
    """

    patch_size: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6
    mlp_width: int = 1536
    stem: Literal["patch", "conv"] = "patch"
    pool: Literal["class", "mean"] = "class"
    activation: str = "gelu"
    pre_norm: bool = True
    dtype: str = "float32"
    remat: bool = False


class VisionTower(nn.Module):
    """Images to one feature each."""

    config: VisionConfig

    @nn.compact
    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B F"]:
        """Embeds images.

        Args:
          images: standardised pixels; H and W divisible by the patch size.

        Returns:
          Features in the tower's dtype, after the final LayerNorm; F is the width.

        Raises:
          ValueError: the patch size does not divide the image.
        """
        c = self.config
        dtype = jnp.dtype(c.dtype)
        batch, height, width, _ = images.shape
        if height % c.patch_size or width % c.patch_size:
            raise ValueError(
                f"patch_size {c.patch_size} does not divide images of "
                f"{height} x {width} pixels"
            )
        stem = _ConvStem if c.stem == "conv" else _PatchStem
        x = stem(c.patch_size, c.width, dtype, name="stem")(images.astype(dtype))
        if c.pool == "class":
            token = self.param("class_token", nn.initializers.normal(0.02), (c.width,))
            token = jnp.broadcast_to(token.astype(dtype), (batch, 1, c.width))
            x = jnp.concatenate([token, x], axis=1)
        position = self.param(
            "position", nn.initializers.normal(0.02), (x.shape[1], c.width)
        )
        x = x + position.astype(dtype)[None]
        if c.pre_norm:
            x = nn.LayerNorm(epsilon=1e-5, dtype=dtype, name="norm_pre")(x)
        x = Transformer(
            depth=c.depth,
            width=c.width,
            heads=c.heads,
            mlp_width=c.mlp_width,
            activation=c.activation,
            dtype=dtype,
            remat=c.remat,
            name="transformer",
        )(x)
        x = x[:, 0] if c.pool == "class" else x.mean(axis=1)
        return nn.LayerNorm(epsilon=1e-5, dtype=dtype, name="norm_post")(x)


class _PatchStem(nn.Module):
    """Non-overlapping patches times a matrix: CLIP's strided convolution."""

    patch_size: int
    width: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B L F"]:
        patches, _ = _patches(images, self.patch_size)
        x = nn.Dense(self.width, use_bias=False, dtype=self.dtype, name="patch")(
            patches
        )
        return x.reshape(len(images), -1, self.width)


class _ConvStem(nn.Module):
    """4 x 4 patches, then stride-2 3 x 3 convolutions up to the patch size."""

    patch_size: int
    width: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B L F"]:
        layers = round(math.log2(self.patch_size)) - 2
        if 4 * 2**layers != self.patch_size or layers < 1:
            raise ValueError(
                f"the conv stem needs a patch_size of 8, 16, ..., got {self.patch_size}"
            )
        patches, grid = _patches(images, 4)
        features = self.width // 2**layers
        x = nn.Dense(features, dtype=self.dtype, name="patch")(patches)
        x = x.reshape(*grid, features)
        for i in range(layers):
            x = nn.gelu(nn.LayerNorm(dtype=self.dtype, name=f"norm_{i}")(x))
            features *= 2
            conv = nn.Conv(features, (3, 3), (2, 2), dtype=self.dtype, name=f"conv_{i}")
            x = conv(x)
        return x.reshape(len(x), -1, self.width)


def _patches(
    images: Float[Array, "B H W C"], size: int
) -> tuple[Float[Array, "N P"], tuple[int, int, int]]:
    """Non-overlapping patches as rows of a matrix, and the shape (B, H', W')."""
    batch, height, width, channels = images.shape
    grid = batch, height // size, width // size
    x = images.reshape(batch, grid[1], size, grid[2], size, channels)
    return x.swapaxes(2, 3).reshape(-1, size * size * channels), grid
