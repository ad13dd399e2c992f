"""Vision tower: the ViT of CLIP and SigLIP, with a convolutional stem as an option."""

import dataclasses
import math
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
from typing_extensions import override

from smile_jax.models.transformer import (
    ACTIVATIONS,
    Transformer,
    TransformerConfig,
    attend,
    dense,
    layer_norm,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VisionConfig(TransformerConfig):
    """Size and shape of the vision tower.

    Attributes:
      patch_size: pixels; with the convolutional stem 8, 16, ...
      stem: "patch" is CLIP's; "conv" has small patches and stride-2 convolutions in its
        place (after Xiao et al., "Early Convolutions Help Transformers See Better",
        2021), which learns more per second where data and compute are small.
      pool: "class" token (CLIP), "mean" of the patch tokens, or "attention" of one
        learned query (SigLIP).
      pre_norm: CLIP's LayerNorm before the first block.
      patch_bias: SigLIP's patches have one.
      crop: drop the rows and columns that fill no patch, as a strided convolution does
        (SigLIP so400m/14 at 384 pixels); otherwise they are an error.
    """

    patch_size: int
    stem: Literal["patch", "conv"] = "patch"
    pool: Literal["class", "mean", "attention"] = "class"
    pre_norm: bool = True
    patch_bias: bool = False
    crop: bool = False

    @override
    def make(self) -> nn.Module:
        return VisionTower(self)

    @override
    def problems(self) -> list[str]:
        found = super().problems()
        layers = math.log2(self.patch_size) - 2
        if self.stem == "conv" and (layers < 1 or layers != int(layers)):
            found.append(
                f"patch_size={self.patch_size}: stem 'conv' needs 8, 16, 32, ..."
            )
        if self.pool not in ("class", "mean", "attention"):
            found.append(
                f"pool={self.pool!r}: a transformer has tokens; set 'class', 'mean' or "
                "'attention'"
            )
        return found

    @override
    def patches(self, height: int, width: int) -> int:
        return (height // self.patch_size) * (width // self.patch_size)


class VisionTower(nn.Module):
    """Vision tower that maps each image to one feature."""

    config: VisionConfig

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "B H W C"],
        kept: Int[Array, "B N"] | None = None,
        *,
        with_tokens: bool = False,
    ) -> Any:
        """Embeds images.

        Args:
          images: standardised pixels; H and W divisible by the patch size.
          kept: which patches the tower sees, row by row from the top; None for all.
          with_tokens: also give what became of each patch.

        Returns:
          Features [B, F] in the tower's dtype, after the final LayerNorm; F is the
          width. With tokens also these, [B, N, F], as the last block leaves them.

        Raises:
          ValueError: the patch size does not divide the image.
        """
        c = self.config
        dtype = jnp.dtype(c.dtype)
        stem = _ConvStem if c.stem == "conv" else _PatchStem
        normal = nn.initializers.normal(0.02)
        x = stem(c, name="stem")(_whole_patches(images, c).astype(dtype))
        extra = int(c.pool == "class")
        if extra:
            token = self.param("class_token", normal, (c.width,)).astype(dtype)
        position = self.param("position", normal, (x.shape[1] + extra, c.width))
        position = position.astype(dtype)
        # Positions before patches are dropped: those that stay know where they were.
        x = x + position[None, extra:]
        if kept is not None:
            x = jnp.take_along_axis(x, kept[:, :, None], axis=1)
        if extra:
            token = jnp.broadcast_to(
                (token + position[0])[None, None], (len(x), 1, c.width)
            )
            x = jnp.concatenate([token, x], axis=1)
        if c.pre_norm:
            x = layer_norm(c, "norm_pre")(x)
        first_only = c.pool == "class" and not with_tokens
        x = Transformer(c, first_only, name="transformer")(x)
        # CLIP norms the class token that it took, SigLIP all tokens before pooling.
        norm_post = layer_norm(c, "norm_post")
        if c.pool == "attention":
            feature = _AttentionPool(c, name="pool")(norm_post(x))
        else:
            feature = norm_post(x[:, 0] if c.pool == "class" else x.mean(axis=1))
        return (feature, x[:, extra:]) if with_tokens else feature


class _AttentionPool(nn.Module):
    """Attention of one learned query to all tokens, then a residual MLP (SigLIP)."""

    config: VisionConfig

    @nn.compact
    def __call__(self, x: Float[Array, "B L F"]) -> Float[Array, "B F"]:
        c = self.config
        batch, length, width = x.shape
        probe = self.param("probe", nn.initializers.lecun_normal(), (1, width))
        q = dense(c, width, "query")(jnp.asarray(probe, x.dtype))
        # The query is a parameter: it is the same for every image.
        q = jnp.broadcast_to(q[None], (batch, 1, width))
        # Tokens as rows of one matrix, as in `transformer.Block`.
        rows = x.reshape(-1, width)
        k, v = (dense(c, width, name)(rows) for name in ("key", "value"))
        pooled = attend(
            q.reshape(batch, 1, c.heads, -1),
            k.reshape(batch, length, c.heads, -1),
            v.reshape(batch, length, c.heads, -1),
        )
        y = dense(c, width, "out")(pooled.reshape(batch, width))
        z = dense(c, c.mlp_width, "mlp_1")(layer_norm(c, "norm")(y))
        return y + dense(c, width, "mlp_2")(ACTIVATIONS[c.activation](z))


class _PatchStem(nn.Module):
    """Non-overlapping patches times a matrix: CLIP's strided convolution."""

    config: VisionConfig

    @nn.compact
    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B L F"]:
        c = self.config
        patches, _ = patch_rows(images, c.patch_size)
        patch = nn.Dense(
            c.width, use_bias=c.patch_bias, dtype=jnp.dtype(c.dtype), name="patch"
        )
        return patch(patches).reshape(len(images), -1, c.width)


class _ConvStem(nn.Module):
    """4 x 4 patches, then stride-2 3 x 3 convolutions up to the patch size."""

    config: VisionConfig

    @nn.compact
    def __call__(self, images: Float[Array, "B H W C"]) -> Float[Array, "B L F"]:
        c, dtype = self.config, jnp.dtype(self.config.dtype)
        layers = round(math.log2(c.patch_size)) - 2
        if 4 * 2**layers != c.patch_size or layers < 1:
            raise ValueError(
                f"the conv stem needs a patch_size of 8, 16, ..., got {c.patch_size}"
            )
        # 4 x 4 patches as a product: a convolution of so few channels would leave most
        # of a matrix unit idle.
        patches, grid = patch_rows(images, 4)
        features = c.width // 2**layers
        x = nn.Dense(features, dtype=dtype, name="patch")(patches)
        x = x.reshape(*grid, features)
        for i in range(layers):
            x = nn.gelu(nn.LayerNorm(dtype=dtype, name=f"norm_{i}")(x))
            features *= 2
            x = nn.Conv(features, (3, 3), (2, 2), dtype=dtype, name=f"conv_{i}")(x)
        return x.reshape(len(x), -1, c.width)


def _whole_patches(
    images: Float[Array, "B H W C"], config: VisionConfig
) -> Float[Array, "B I J C"]:
    height, width = images.shape[1:3]
    size = config.patch_size
    if config.crop:
        return images[:, : height // size * size, : width // size * size]
    if height % size or width % size:
        raise ValueError(
            f"patch_size {size} does not divide images of {height} x {width} pixels"
        )
    return images


def patches_of(
    images: Float[Array, "B H W C"], size: int
) -> Float[Array, "B P pixels"]:
    """Non-overlapping patches of each image, row by row from the top."""
    rows, _ = patch_rows(images, size)
    return rows.reshape(len(images), -1, rows.shape[-1])


def patch_rows(
    images: Float[Array, "B H W C"], size: int
) -> tuple[Float[Array, "N P"], tuple[int, int, int]]:
    """Non-overlapping patches as rows of a matrix, and the shape (B, H', W')."""
    batch, height, width, channels = images.shape
    grid = batch, height // size, width // size
    x = images.reshape(batch, grid[1], size, grid[2], size, channels)
    return x.swapaxes(2, 3).reshape(-1, size * size * channels), grid
