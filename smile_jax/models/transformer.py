"""The transformer that all towers share: pre-norm (CLIP, SigLIP) or post-norm (BERT).

Sources: Radford et al., CLIP, 2021; Devlin et al., BERT, 2019; Hu et al., LoRA, 2021.
"""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: nn.gelu(x, approximate=True),
    "quick_gelu": lambda x: x * nn.sigmoid(1.702 * x),
    "relu": nn.relu,
}


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Size and shape of a stack of blocks.

    Attributes:
      width, depth, heads, mlp_width: sizes.
      activation: a key of `ACTIVATIONS`; "gelu_tanh" is SigLIP's, "quick_gelu" is that
        of OpenAI's CLIP.
      epsilon: of every LayerNorm of the tower.
      norm_first: LayerNorm before attention and MLP (CLIP), or after them (BERT).
      dtype: "float32" or "bfloat16" of activations; parameters are float32.
      remat: the backward pass recomputes each block's activations, so memory falls from
        all of them to one block's, at about 4/3 of the time.
      lora_rank: rank of the trainable product added to every weight matrix of the
        blocks; 0 adds none.
      lora_alpha: the product counts alpha / rank times.
    """

    width: int
    depth: int
    heads: int
    mlp_width: int
    activation: str = "gelu"
    epsilon: float = 1e-5
    norm_first: bool = True
    dtype: str = "float32"
    remat: bool = False
    lora_rank: int = 0
    lora_alpha: float = 16.0


class LoraDense(nn.Dense):
    """A dense layer plus x A B alpha / rank; B starts at zero (Hu et al., LoRA)."""

    rank: int = 0
    alpha: float = 16.0

    @nn.compact
    def __call__(self, inputs: Float[Array, "N F"]) -> Float[Array, "N G"]:
        y = super().__call__(inputs)
        if not self.rank:
            return y
        a = self.param("lora_a", self.kernel_init, (inputs.shape[-1], self.rank))
        b = self.param("lora_b", nn.initializers.zeros, (self.rank, self.features))
        inputs, a, b = (x.astype(y.dtype) for x in (inputs, a, b))
        return y + inputs @ a @ b * (self.alpha / self.rank)


def dense(config: TransformerConfig, features: int, name: str) -> LoraDense:
    """A dense layer of a block, as the config says."""
    return LoraDense(
        features,
        dtype=jnp.dtype(config.dtype),
        name=name,
        rank=config.lora_rank,
        alpha=config.lora_alpha,
    )


def layer_norm(config: TransformerConfig, name: str) -> nn.LayerNorm:
    """A LayerNorm of a tower, as the config says."""
    return nn.LayerNorm(
        epsilon=config.epsilon, dtype=jnp.dtype(config.dtype), name=name
    )


class Block(nn.Module):
    """Attention and MLP, each with LayerNorm and residual."""

    config: TransformerConfig

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L F"],
        mask: Bool[Array, "#B #1 #L L"] | None = None,
    ) -> Float[Array, "B L F"]:
        """`mask` is True where a query (rows) may look at a key (columns)."""
        c = self.config
        batch, length, width = x.shape
        # Tokens as rows of a matrix: XLA's CPU backend multiplies the gradients of
        # three-dimensional operands four times slower (docs/performance.md).
        x = x.reshape(-1, width)
        norm_1, norm_2 = layer_norm(c, "norm_1"), layer_norm(c, "norm_2")
        y = norm_1(x) if c.norm_first else x
        q, k, v = (
            dense(c, width, name)(y).reshape(batch, length, c.heads, -1)
            for name in ("query", "key", "value")
        )
        y = jax.nn.dot_product_attention(q, k, v, mask=mask).reshape(-1, width)
        x = x + dense(c, width, "out")(y)
        x = x if c.norm_first else norm_1(x)
        y = norm_2(x) if c.norm_first else x
        y = ACTIVATIONS[c.activation](dense(c, c.mlp_width, "mlp_1")(y))
        x = x + dense(c, width, "mlp_2")(y)
        x = x if c.norm_first else norm_2(x)
        return x.reshape(batch, length, width)


class Transformer(nn.Module):
    """A stack of blocks."""

    config: TransformerConfig

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L F"],
        mask: Bool[Array, "#B #1 #L L"] | None = None,
    ) -> Float[Array, "B L F"]:
        block = nn.remat(Block) if self.config.remat else Block
        for i in range(self.config.depth):
            x = block(self.config, name=f"block_{i}")(x, mask)
        return x
