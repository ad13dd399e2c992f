"""Means, standard scores and correlations over the global batch, in float32.

`weights` are 1 for examples and 0 for padding; `axis_name` is the device axis of pmap
or None on one device. With float64 inputs (tests) everything stays float64.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from smile_jax.core import parallel

EPSILON = 1e-5


def at_least_float32(x: Array) -> Array:
    """Casts to float32 or wider; bfloat16 loses digits when standardised."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def normalize(x: Float[Array, "*batch E"]) -> Float[Array, "*batch E"]:
    """Unit L2 norm along the last axis; a zero vector stays zero."""
    x = at_least_float32(x)
    return x * jax.lax.rsqrt(jnp.sum(x * x, axis=-1, keepdims=True) + 1e-12)


def example_weights(
    x: Float[Array, "B *rest"], weights: Float[Array, "B"] | None
) -> Float[Array, "B"]:
    """The weights, or ones."""
    x = at_least_float32(x)
    return jnp.ones(len(x), x.dtype) if weights is None else weights.astype(x.dtype)


def global_count(weights: Float[Array, "B"], axis_name: str | None) -> Float[Array, ""]:
    """Number of real examples over all devices, at least 1."""
    # Never 0: a batch of padding alone has a loss of 0 and not of NaN.
    return jnp.maximum(parallel.psum(weights.sum(), axis_name), 1)


def global_mean(
    x: Float[Array, "B *rest"],
    weights: Float[Array, "B"],
    axis_name: str | None,
) -> Float[Array, "*rest"]:
    """Mean over the real examples of all devices."""
    # Sum and count travel, not local means: those would weigh devices with padding as
    # much as full ones.
    total = parallel.psum(jnp.tensordot(weights, x, axes=1), axis_name)
    return total / global_count(weights, axis_name)


def without_group_means(
    x: Float[Array, "B *rest"], groups: Int[Array, "B"], axis_name: str | None
) -> Float[Array, "B *rest"]:
    """Subtracts from each example its group's mean in the global batch."""
    everyone, their_groups = (
        parallel.all_gather(value, axis_name) for value in (x, groups)
    )
    same = (groups[:, None] == their_groups[None]).astype(x.dtype)
    share = same / same.sum(axis=1, keepdims=True)
    return x - jnp.tensordot(share, everyone, axes=1)


def standardize(
    x: Float[Array, "B *rest"],
    *,
    weights: Float[Array, "B"] | None = None,
    axis_name: str | None = None,
) -> Float[Array, "B *rest"]:
    """(x - mean) / sqrt(var + 1e-5) over the global batch; padding becomes 0.

    Biased variance, as in BatchNorm.
    """
    x = at_least_float32(x)
    weights = example_weights(x, weights)
    # Two passes: E[x^2] - E[x]^2 would cancel where the mean is large, in float32.
    centered = x - global_mean(x, weights, axis_name)[None]
    variance = global_mean(centered * centered, weights, axis_name)
    # Epsilon inside the root: a dead dimension has a finite gradient.
    scores = centered * jax.lax.rsqrt(variance + EPSILON)[None]
    return scores * weights.reshape(-1, *[1] * (x.ndim - 1))


@functools.partial(jax.jit, static_argnames="axis_name")
def cross_correlation(
    a: Float[Array, "B M"],
    b: Float[Array, "B N"],
    count: Float[Array, ""],
    axis_name: str | None = None,
) -> Float[Array, "M N"]:
    """Cross-correlation matrix a^T b / count of standard scores, over all devices."""
    return parallel.psum(a.T @ b, axis_name) / count


def effective_rank(
    trace: Float[Array, ""], squared_norm: Float[Array, ""]
) -> Float[Array, ""]:
    """Participation ratio trace(C)^2 / |C|_F^2: 1 to D; 0 if nothing varies at all."""
    # Both `where`s, for a gradient would go through the branch that is not taken.
    collapsed = squared_norm < EPSILON
    return jnp.where(collapsed, 0, trace**2 / jnp.where(collapsed, 1, squared_norm))
