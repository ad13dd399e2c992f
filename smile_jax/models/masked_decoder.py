"""The masked autoencoder's parts: hides patches, and decodes guesses of them.

He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from smile_jax.core.batch_statistics import at_least_float32
from smile_jax.models.transformer import Transformer, TransformerConfig
from smile_jax.models.vit import patches_of

_EPSILON = 1e-6  # of the variance of a patch


def hide_patches(
    images: Float[Array, "B H W C"], kept: Int[Array, "B N"], size: int
) -> Float[Array, "B H W C"]:
    """Sets the hidden patches of images to 0, the mean of standardised pixels.

    A stem of overlapping convolutions would look into them.
    """
    rows, columns = images.shape[1] // size, images.shape[2] // size
    seen = _is_kept(kept, rows * columns).reshape(len(images), rows, columns)
    seen = jnp.repeat(jnp.repeat(seen, size, axis=1), size, axis=2)
    return images * seen[..., None].astype(images.dtype)


def _is_kept(kept: Int[Array, "B N"], patches: int) -> Float[Array, "B P"]:
    return jax.nn.one_hot(kept, patches).sum(axis=1)


class MaskedDecoder(nn.Module):
    """A small transformer from the patches that are kept to the pixels of the others.

    Attributes:
      width, depth, heads: sizes; the MLP has four times the width.
    """

    width: int
    depth: int
    heads: int

    @nn.compact
    def __call__(
        self,
        tokens: Float[Array, "B N F"],
        kept: Int[Array, "B N"],
        images: Float[Array, "B H W C"],
        size: int,
    ) -> Float[Array, "B"]:
        """Returns the mean squared error of each image's hidden patches, float32.

        Each patch is standardised by its own pixels.

        Args:
          tokens: that the tower made of the patches it saw.
          kept: which ones these are.
          images: as they are.
          size: of a patch, in pixels.
        """
        target = patches_of(at_least_float32(images), size)
        batch, patches, pixels = target.shape
        normal = nn.initializers.normal(0.02)
        token = self.param("mask_token", normal, (self.width,))
        x = jnp.broadcast_to(token, (batch, patches, self.width))
        embedded = nn.Dense(self.width, name="embed")(at_least_float32(tokens))
        # Hidden places keep the mask token; their positions, added next, say what to
        # guess.
        x = x.at[jnp.arange(batch)[:, None], kept].set(embedded)
        x = x + self.param("position", normal, (patches, self.width))[None]
        config = TransformerConfig(
            width=self.width,
            depth=self.depth,
            heads=self.heads,
            mlp_width=4 * self.width,
        )
        x = nn.LayerNorm(name="norm")(Transformer(config, name="transformer")(x))
        guess = nn.Dense(pixels, name="pixels")(x)
        # Standardised by itself, a flat patch of skin counts as much as an edge (He et
        # al.).
        target = target - target.mean(axis=-1, keepdims=True)
        scale = jnp.sqrt((target**2).mean(axis=-1, keepdims=True) + _EPSILON)
        error = ((guess - target / scale) ** 2).mean(axis=-1)
        hide = 1 - _is_kept(kept, patches)
        return (error * hide).sum(axis=1) / hide.sum(axis=1)
