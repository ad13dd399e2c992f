"""Text tower: the transformers of CLIP, SigLIP and BERT, or a small one of our own."""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from smile_jax.models.transformer import Transformer, TransformerConfig, layer_norm


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig(TransformerConfig):
    """Size and shape of the text tower.

    Attributes:
      vocab_size: token ids.
      context_length: largest number of tokens.
      pad_id: id of padding.
      mask_padding: no token looks at padding. CLIP needs no such mask, for it looks
        backwards only; SigLIP was trained without.
      causal: tokens look backwards only (CLIP).
      pool: "mean" over the real tokens, the "first" (BERT's [CLS]), the "last"
        (SigLIP), or the first with `eos_id` (CLIP).
      eos_id: of the end token; -1 stands for the highest id of the text, as in CLIP's
        first configs.
      token_types: rows of BERT's segment embedding, of which the first is used; 0 has
        none.
      token_norm: BERT's LayerNorm of the embedded tokens.
      project: "linear" map to the joint space (CLIP), "affine" (SigLIP), or "none".
    """

    vocab_size: int
    context_length: int
    pad_id: int = 0
    mask_padding: bool = True
    causal: bool = False
    pool: Literal["mean", "first", "last", "eos"] = "mean"
    eos_id: int = -1
    token_types: int = 0
    token_norm: bool = False
    project: Literal["linear", "affine", "none"] = "linear"


class TextTower(nn.Module):
    """Text tower that maps token ids to one embedding per text."""

    config: TextConfig
    embed_dim: int

    @nn.compact
    def __call__(
        self, tokens: Int[Array, "K L"], real: Bool[Array, "K L"] | None = None
    ) -> Float[Array, "K E"]:
        """Embeds prompts.

        Args:
          tokens: ids, at most `context_length` of them.
          real: False for padding; by default where the id is `pad_id`.

        Returns:
          (K, E) float32, not normalised; E is the width where nothing projects.
        """
        c = self.config
        length = tokens.shape[1]
        if real is None:
            real = tokens != c.pad_id
        x = nn.Embed(
            c.vocab_size,
            c.width,
            embedding_init=nn.initializers.normal(1.0),
            name="tokens",
        )(tokens)
        normal = nn.initializers.normal(0.01)
        position = self.param("position", normal, (c.context_length, c.width))
        x = x + position[None, :length]
        if c.token_types:
            types = self.param("token_types", normal, (c.token_types, c.width))
            x = x + types[None, :1]
        if c.token_norm:
            x = layer_norm(c, "norm_tokens")(x)
        # True where a token may look. Prompts are short, so the mask is cheap.
        mask = jnp.ones((1, 1, length, length), bool)
        if c.causal:
            mask = jnp.tril(mask)
        if c.mask_padding:
            mask = mask & real[:, None, None, :]
        x = Transformer(c, name="transformer")(x.astype(c.dtype), mask)
        if c.norm_first:
            x = layer_norm(c, "norm_post")(x)
        # Pooled in float32: bfloat16 would lose a long text's last tokens in the sum.
        x = self._pool(x.astype(jnp.float32), tokens, real)
        if c.project == "none":
            return x
        affine = c.project == "affine"
        return nn.Dense(self.embed_dim, use_bias=affine, name="project")(x)

    def _pool(
        self,
        x: Float[Array, "K L F"],
        tokens: Int[Array, "K L"],
        real: Bool[Array, "K L"],
    ) -> Float[Array, "K F"]:
        c = self.config
        if c.pool == "mean":
            # Padding has no share: the same text embeds alike in any batch.
            weights = real[..., None] / real.sum(axis=1)[:, None, None]
            return (x * weights).sum(axis=1)
        if c.pool == "eos":
            # OpenAI's first configs name a wrong id; the end token has the highest.
            ends = tokens if c.eos_id < 0 else tokens == c.eos_id
            return jnp.take_along_axis(x, ends.argmax(axis=1)[:, None, None], axis=1)[
                :, 0
            ]
        return x[:, 0] if c.pool == "first" else x[:, -1]
