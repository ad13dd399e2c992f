"""Text tower: a small transformer over tokens."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from smile_jax.models.tokenizer import PAD
from smile_jax.models.transformer import Transformer


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """Size and shape of the text tower; `context_length` in tokens."""

    vocab_size: int = 16384
    context_length: int = 32
    width: int = 128
    depth: int = 2
    heads: int = 4
    mlp_width: int = 512
    activation: str = "gelu"
    dtype: str = "float32"


class TextTower(nn.Module):
    """Token ids to one embedding each."""

    config: TextConfig
    embed_dim: int

    @nn.compact
    def __call__(self, tokens: Int[Array, "K L"]) -> Float[Array, "K E"]:
        """Embeds prompts: mean over the tokens that are not padding, then a projection.

        Returns:
          (K, E) float32, not normalised.
        """
        c = self.config
        dtype = jnp.dtype(c.dtype)
        real = tokens != PAD
        x = nn.Embed(
            c.vocab_size,
            c.width,
            embedding_init=nn.initializers.normal(1.0),
            name="tokens",
        )(tokens)
        position = self.param(
            "position", nn.initializers.normal(0.01), (c.context_length, c.width)
        )
        x = (x + position[None, : tokens.shape[1]]).astype(dtype)
        x = Transformer(
            depth=c.depth,
            width=c.width,
            heads=c.heads,
            mlp_width=c.mlp_width,
            activation=c.activation,
            dtype=dtype,
            name="transformer",
        )(x, real[:, None, None, :])
        x = nn.LayerNorm(epsilon=1e-5, dtype=dtype, name="norm_post")(x)
        x = x.astype(jnp.float32)
        weights = real[..., None] / real.sum(axis=1)[:, None, None]
        x = (x * weights).sum(axis=1)
        return nn.Dense(self.embed_dim, use_bias=False, name="project")(x)
