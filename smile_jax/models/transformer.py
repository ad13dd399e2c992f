"""The transformer that all towers share: pre-norm (CLIP, SigLIP) or post-norm (BERT).

Sources: Radford et al., CLIP, 2021; Devlin et al., BERT, 2019; Hu et al., LoRA, 2021.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from typing_extensions import override

from smile_jax.models.tower import TowerConfig

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda x: nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: nn.gelu(x, approximate=True),
    "quick_gelu": lambda x: x * nn.sigmoid(1.702 * x),
    "relu": nn.relu,
}


# What the backward pass keeps beside the inputs of each block; None keeps everything.
REMAT: dict[str, Callable | None] = {
    "none": None,
    "cheap": jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
    "full": jax.checkpoint_policies.nothing_saveable,
}
ATTENTION = ("auto", "xla", "cudnn")
STACKED = "blocks"  # where `stack_blocks` puts parameters

# Parameters of the towers made of blocks, below them.
_BEFORE_BLOCKS = (
    "stem",
    "class_token",
    "position",
    "norm_pre",
    "tokens",
    "token_types",
    "norm_tokens",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig(TowerConfig):
    """Size and shape of a stack of blocks.

    Attributes:
      heads, mlp_width: sizes, beside width and depth.
      activation: a key of `ACTIVATIONS`; "gelu_tanh" is SigLIP's, "quick_gelu" is that
        of OpenAI's CLIP.
      epsilon: of every LayerNorm of the tower.
      norm_first: LayerNorm before attention and MLP (CLIP), or after them (BERT).
      remat: what the backward pass recomputes, a key of `REMAT`: "none", "cheap" (all
        but the products with weights), or "full" (whole blocks: memory falls from all
        blocks' activations to one block's, at about 4/3 of the time).
      scan: the train step holds the blocks stacked (`stack_blocks`), so that they are
        one loop to the compiler. What it saves: docs/performance.md.
      attention: one of `ATTENTION`; "auto" is cuDNN's fused one on a GPU where it
        knows the shapes (bfloat16, no mask, heads of up to 128), and XLA's elsewhere.
      lora_rank: rank of the trainable product added to every weight matrix of the
        blocks; 0 adds none.
      lora_alpha: the product counts alpha / rank times.
    """

    heads: int
    mlp_width: int
    activation: str = "gelu"
    epsilon: float = 1e-5
    norm_first: bool = True
    remat: str = "none"
    scan: bool = False
    attention: str = "auto"
    lora_rank: int = 0
    lora_alpha: float = 16.0

    @override
    def layer_of(self, path: Sequence[str]) -> int:
        if path[0] == "transformer":
            return 1 + _number_of(path[1])
        return 0 if path[0] in _BEFORE_BLOCKS else self.depth + 1

    @override
    def problems(self) -> list[str]:
        if self.width % self.heads:
            return [f"heads={self.heads}: does not divide width {self.width}"]
        if self.attention == "cudnn" and not fits_cudnn(self):
            return [
                "attention='cudnn': it knows bfloat16 and heads of 8, 16, ... 128, not "
                f"{self.dtype} and {self.width // self.heads}; set 'auto'"
            ]
        return []


class LoraDense(nn.Dense):
    """A dense layer plus x A B alpha / rank; B starts at zero (Hu et al., LoRA)."""

    rank: int = 0
    alpha: float = 16.0

    @override
    @nn.compact
    def __call__(self, inputs: Float[Array, "N F"]) -> Float[Array, "N G"]:
        y = super().__call__(inputs)
        if not self.rank:
            return y
        # B from zero and not A: the product is zero, its gradient is not.
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


def fits_cudnn(config: TransformerConfig) -> bool:
    """Returns True if cuDNN's fused attention knows a tower's dtype and heads."""
    size = config.width // config.heads
    return config.dtype == "bfloat16" and size % 8 == 0 and size <= 128


def attention_kind(config: TransformerConfig, *, masked: bool) -> str:
    """Returns the attention that a tower uses here: "xla" or "cudnn"."""
    if config.attention != "auto":
        return config.attention
    fused = jax.default_backend() == "gpu" and fits_cudnn(config) and not masked
    return "cudnn" if fused else "xla"


def attend(
    query: Float[Array, "B Q N H"],
    key: Float[Array, "B L N H"],
    value: Float[Array, "B L N H"],
    mask: Bool[Array, "#B #1 #Q L"] | None = None,
) -> Float[Array, "B Q N H"]:
    """Attends with heads before tokens, by `jax.nn.dot_product_attention`.

    XLA's CPU backend takes two thirds of the time that way (docs/performance.md).
    Softmax is in float32.
    """
    q, k, v = (x.swapaxes(1, 2) for x in (query, key, value))
    scores = jnp.einsum("bnqh,bnlh->bnql", q, k, preferred_element_type=jnp.float32)
    # Softmax in float32 whatever the tower's dtype: bfloat16 has three digits, and long
    # rows of small shares would not sum to 1.
    scores = scores * query.shape[-1] ** -0.5
    if mask is not None:
        scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
    shares = jax.nn.softmax(scores, axis=-1).astype(v.dtype)
    return jnp.einsum("bnql,bnlh->bnqh", shares, v).swapaxes(1, 2)


class Block(nn.Module):
    """Attention and MLP, each with LayerNorm and residual.

    Attributes:
      config: of the tower.
      first_only: only the first token comes out. It looks at all.
    """

    config: TransformerConfig
    first_only: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L F"],
        mask: Bool[Array, "#B #1 #L L"] | None = None,
    ) -> Float[Array, "B Q F"]:
        """`mask` is True where a query (rows) may look at a key (columns)."""
        c = self.config
        batch, length, width = x.shape
        # Tokens as rows of a matrix: XLA's CPU backend multiplies the gradients of
        # three-dimensional operands four times slower (docs/performance.md).
        x = x.reshape(-1, width)
        norm_1, norm_2 = layer_norm(c, "norm_1"), layer_norm(c, "norm_2")
        y = norm_1(x) if c.norm_first else x
        asking = y
        # Only the class token asks, but it asks all: keys and values stay whole.
        if self.first_only:
            x, asking = (a.reshape(batch, length, width)[:, 0] for a in (x, y))
            mask = None if mask is None else mask[:, :, :1]
        q, k, v = (
            dense(c, width, name)(a).reshape(batch, -1, c.heads, width // c.heads)
            for name, a in (("query", asking), ("key", y), ("value", y))
        )
        kind = attention_kind(c, masked=mask is not None)
        # cuDNN's kernel wants as many queries as keys.
        if kind == "cudnn" and not self.first_only:
            y = jax.nn.dot_product_attention(q, k, v, implementation="cudnn")
        else:
            y = attend(q, k, v, mask)
        x = x + dense(c, width, "out")(y.reshape(-1, width))
        x = x if c.norm_first else norm_1(x)
        y = norm_2(x) if c.norm_first else x
        y = ACTIVATIONS[c.activation](dense(c, c.mlp_width, "mlp_1")(y))
        x = x + dense(c, width, "mlp_2")(y)
        x = x if c.norm_first else norm_2(x)
        return x.reshape(batch, -1, width)


class Transformer(nn.Module):
    """A stack of blocks.

    Attributes:
      config: of the tower.
      first_only: only the first token comes out (a class token), so that the last
        block leaves out what nobody looks at: a fourteenth of a ViT of 12 blocks.
    """

    config: TransformerConfig
    first_only: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L F"],
        mask: Bool[Array, "#B #1 #L L"] | None = None,
    ) -> Float[Array, "B Q F"]:
        """Returns tokens after all blocks."""
        c = self.config
        keep, last = REMAT[c.remat], c.depth - 1
        block = nn.remat(Block, policy=keep) if keep else Block
        # The parameters decide, not the config: a stacked state and a plain one are
        # both good, so that checkpoints and evaluation need no stacking.
        if STACKED in self.variables.get("params", ()):
            x = self._loop(x, mask)
        else:
            for i in range(last):
                x = block(c, name=f"block_{i}")(x, mask)
        return block(c, self.first_only, name=f"block_{last}")(x, mask)

    def _loop(self, x: Array, mask: Array | None) -> Array:
        """Runs all blocks but the last, over stacked parameters."""
        c = self.config

        def one(x: Array, params: Any) -> tuple[Array, None]:
            y: Any = Block(c, parent=None).apply({"params": params}, x, mask)
            return y, None

        if keep := REMAT[c.remat]:
            # A scan's body is not merged with others; preventing that would only cost
            # memory.
            one = jax.checkpoint(one, policy=keep, prevent_cse=False)
        stacked = jax.tree.map(  # matrices in the dtype of use, once and not in turn
            lambda p: p.astype(c.dtype) if p.ndim > 2 else p,
            self.variables["params"][STACKED],
        )
        return jax.lax.scan(one, x, stacked)[0]


def stack_blocks(params: Mapping[str, Any]) -> dict[str, Any]:
    """A `Transformer`'s parameters with which it is a loop to the compiler.

    Those of all blocks but the last, which may differ in what it computes, get a
    leading axis of blocks. Arrays are on the host.
    """
    *rest, last = sorted(params, key=_number_of)
    if not rest:
        return dict(params)
    stacked = jax.tree.map(lambda *p: np.stack(p), *(params[name] for name in rest))
    return {STACKED: stacked, last: params[last]}


def unstack_blocks(params: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `stack_blocks`."""
    rest = dict(params)
    stacked = rest.pop(STACKED)
    count = len(jax.tree.leaves(stacked)[0])
    return rest | {
        f"block_{i}": jax.tree.map(lambda p, i=i: p[i], stacked) for i in range(count)
    }


def is_trunk(part: Any) -> bool:
    """Returns True for the parameters of a `Transformer`."""
    return isinstance(part, dict) and any(name.startswith("block_") for name in part)


def _number_of(name: str) -> int:
    return int(name.removeprefix("block_"))
