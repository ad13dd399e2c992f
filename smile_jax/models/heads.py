"""Fusion of views and heads: between the towers and the losses."""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from smile_jax.core.batch_statistics import standardize
from smile_jax.models.attention_weights import show_weights


@dataclasses.dataclass(frozen=True)
class Head:
    """Layers that only training needs.

    Attributes:
      make: gives the module, for a device axis (None on one device), that takes the
        field `reads` to what a method's losses see.
      reads: a field of `encoder.Embeddings`; "" for the decoder of hidden patches.
    """

    make: Callable[[str | None], nn.Module]
    reads: str


def linear(width: int, reads: str, *, bias: bool = False) -> Head:
    """A head of one matrix."""
    return Head(lambda _: nn.Dense(width, use_bias=bias), reads)


def projector(width: int, reads: str = "features") -> Head:
    """The head of methods that compare views."""
    return Head(lambda axis_name: Projector(width, axis_name), reads)


def matrix(rows: int, columns: int) -> Head:
    """A learned matrix for what is not the encoder's; no feature changes it."""
    return Head(lambda _: Matrix(rows, columns), "joint")


def bias(count: int) -> Head:
    """A number for each prompt that no feature changes, from -3: most do not apply."""
    return numbers(*[-3.0] * count)


def numbers(*start: float) -> Head:
    """Learned numbers that no feature changes."""
    return Head(lambda _: Numbers(start), "joint")


class Matrix(nn.Module):
    """A learned matrix."""

    rows: int
    columns: int

    @nn.compact
    def __call__(self, features: Float[Array, "B E"]) -> Float[Array, "R C"]:
        """Returns the matrix (R, C)."""
        shape = self.rows, self.columns
        return jnp.asarray(
            self.param("kernel", nn.initializers.lecun_normal(), shape, jnp.float32)
        )


class Numbers(nn.Module):
    """Learned numbers."""

    start: tuple[float, ...]

    @nn.compact
    def __call__(self, features: Float[Array, "B E"]) -> Float[Array, "K"]:
        """Returns the numbers (K)."""
        start = jnp.asarray(self.start, jnp.float32)
        return jnp.asarray(self.param("bias", lambda _: start))


class ViewFusion(nn.Module):
    """View-aware fusion f = sum_v a_v h_v, a = softmax_v(g(h_v, e_v)).

    g's last layer starts at zero, so fusion starts as the mean of the views.
    """

    num_views: int  # of the dataset; each has a learned embedding

    @nn.compact
    def __call__(
        self, features: Float[Array, "B V F"], view_ids: Int[Array, "B V"]
    ) -> Float[Array, "B F"]:
        """Returns the fused feature of each clip."""
        width = features.shape[-1]
        embed = nn.Embed(self.num_views, width, name="view_embedding")
        hidden = nn.Dense(width, name="hidden")(features + embed(view_ids))
        score = nn.Dense(1, kernel_init=nn.initializers.zeros, name="score")
        # Over views: some show more of a face than others, and which view it is says
        # what to expect of it.
        weights = nn.softmax(score(nn.tanh(hidden)), axis=1)
        show_weights(self, weights)
        return (weights * features).sum(axis=1)


class CrossViewAttention(nn.Module):
    """Attention between views, which starts as the views themselves.

    h_v + O sum_w softmax_w(q_v . k_w / sqrt d) x_w, with queries and keys of h + e and
    with O from zero.
    """

    num_views: int  # of the dataset; each has a learned embedding

    @nn.compact
    def __call__(
        self, features: Float[Array, "B V F"], view_ids: Int[Array, "B V"]
    ) -> Float[Array, "B V F"]:
        """Returns the views after they attended to each other."""
        width = features.shape[-1]
        embed = nn.Embed(self.num_views, width, name="view_embedding")
        placed = features + embed(view_ids)

        def part(name: str, x: Array) -> Array:
            return nn.Dense(width, use_bias=False, name=name)(x)

        # Divided by sqrt(d), or softmax would saturate as features grow wider.
        scores = jnp.einsum("bvf,bwf->bvw", part("query", placed), part("key", placed))
        weights = nn.softmax(scores / jnp.sqrt(width).astype(scores.dtype), axis=2)
        seen = jnp.einsum("bvw,bwf->bvf", weights, part("value", features))
        out = nn.Dense(
            width, use_bias=False, kernel_init=nn.initializers.zeros, name="out"
        )
        return features + out(seen)


class Projector(nn.Module):
    """(Linear, BatchNorm, ReLU) x 2, Linear (Zbontar et al., Barlow Twins, 2021).

    BatchNorm uses the statistics of the global batch, per view, and keeps no running
    ones: the projector is thrown away after pretraining.
    """

    width: int
    axis_name: str | None = None

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "B V F"],
    ) -> Float[Array, "B V D"]:
        """Returns the projections of each view."""
        x = features
        for i in range(2):
            x = nn.Dense(self.width, use_bias=False, name=f"linear_{i}")(x)
            # Per view, for views differ in what they show; over all devices, or the
            # loss would depend on how many there are.
            x = standardize(x, axis_name=self.axis_name)
            scale = self.param(f"scale_{i}", nn.initializers.ones, (self.width,))
            bias = self.param(f"bias_{i}", nn.initializers.zeros, (self.width,))
            x = nn.relu(x * scale[None, None] + bias[None, None])
        return nn.Dense(self.width, use_bias=False, name="linear_2")(x)
