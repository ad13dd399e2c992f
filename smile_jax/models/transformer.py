"""The pre-norm transformer that both towers share (Radford et al., CLIP, 2021)."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "quick_gelu": lambda x: x * nn.sigmoid(1.702 * x),
}


class Block(nn.Module):
    """LayerNorm, attention, residual; LayerNorm, MLP, residual."""

    width: int
    heads: int
    mlp_width: int
    activation: str = "gelu"
    epsilon: float = 1e-5
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L F"],
        mask: Bool[Array, "B #1 #L L"] | None = None,
    ) -> Float[Array, "B L F"]:
        """`mask` is True where a query (rows) may look at a key (columns)."""
        batch, length, width = x.shape
        # Tokens as rows of a matrix: XLA's CPU backend multiplies the gradients of
        # three-dimensional operands four times slower (docs/performance.md).
        x = x.reshape(-1, width)
        y = nn.LayerNorm(epsilon=self.epsilon, dtype=self.dtype, name="norm_1")(x)
        q, k, v = (
            nn.Dense(self.width, dtype=self.dtype, name=name)(y).reshape(
                batch, length, self.heads, self.width // self.heads
            )
            for name in ("query", "key", "value")
        )
        y = jax.nn.dot_product_attention(q, k, v, mask=mask).reshape(-1, width)
        x = x + nn.Dense(self.width, dtype=self.dtype, name="out")(y)
        y = nn.LayerNorm(epsilon=self.epsilon, dtype=self.dtype, name="norm_2")(x)
        y = nn.Dense(self.mlp_width, dtype=self.dtype, name="mlp_1")(y)
        y = ACTIVATIONS[self.activation](y)
        x = x + nn.Dense(self.width, dtype=self.dtype, name="mlp_2")(y)
        return x.reshape(batch, length, width)


class Transformer(nn.Module):
    """A stack of blocks.

    With `remat` the backward pass recomputes each block's activations, so memory
    falls from all of them to one block's, at about 4/3 of the time.
    """

    depth: int
    width: int
    heads: int
    mlp_width: int
    activation: str = "gelu"
    epsilon: float = 1e-5
    dtype: jnp.dtype = jnp.float32
    remat: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L F"],
        mask: Bool[Array, "B #1 #L L"] | None = None,
    ) -> Float[Array, "B L F"]:
        block = nn.remat(Block) if self.remat else Block
        for i in range(self.depth):
            x = block(
                width=self.width,
                heads=self.heads,
                mlp_width=self.mlp_width,
                activation=self.activation,
                epsilon=self.epsilon,
                dtype=self.dtype,
                name=f"block_{i}",
            )(x, mask)
        return x
