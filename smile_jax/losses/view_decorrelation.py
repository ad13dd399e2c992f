"""Term 1: multiview decorrelation, Barlow Twins over all pairs of views."""

import functools
import itertools
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from smile_jax.core import parallel
from smile_jax.core.batch_statistics import (
    at_least_float32,
    effective_rank,
    example_weights,
    global_count,
    global_mean,
    standardize,
)

Form = Literal["auto", "gram", "full"]
Pairs = tuple[tuple[int, int], ...]


def multiview_decorrelation(
    z: Float[Array, "B V D"],
    *,
    off_diagonal_weight: float = 0.0051,
    weights: Float[Array, "B"] | None = None,
    axis_name: str | None = None,
    form: Form = "auto",
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Drives the cross-correlation of every two views to the identity.

    1 / (P D) sum_{a<b} [ sum_i (1 - C_ab,ii)^2 + lambda sum_{i != j} C_ab,ij^2 ], P the
    number of pairs; C is over the global batch. For V = 2 this is the loss of Zbontar
    et al., "Barlow Twins" (ICML 2021, eq. 1), divided by D. The normalisation and the
    multiview form are this project's choice; lambda is Barlow Twins'.

    Args:
      z: projector outputs of this device's examples.
      off_diagonal_weight: lambda.
      weights: 1 for examples, 0 for padding.
      axis_name: device axis, None on one device.
      form: "full" builds the D x D matrices, "gram" the B x B ones, whose Frobenius
        products give the same sums; "auto" is what `cheaper_form` says. Devices share
        the work and the results of both.

    Returns:
      The loss and metrics: `offdiag_ratio` (1 for independent noise; the loss itself
      has a floor while B <= D), `mean_diagonal`, `min_std`, `effective_rank`.

    Raises:
      ValueError: fewer than two views.

    Example:
      >>> loss, metrics = multiview_decorrelation(z)  # z: [256, 3, 1024]
    """
    batch, views, dims = z.shape
    if views < 2:
        raise ValueError(f"decorrelation needs at least 2 views, got {views}")
    # Correlations are differences of large sums: bfloat16 has three digits for them.
    z = at_least_float32(z)
    weights = example_weights(z, weights)
    count = global_count(weights, axis_name)
    scores = standardize(z, weights=weights, axis_name=axis_name)
    if form == "auto":
        form = cheaper_form(batch * parallel.axis_size(axis_name), views, dims)

    # Both forms give sums of squares over whole matrices; the diagonals are cheap by
    # themselves (B V D products), and the off-diagonal part is what is left.
    pairs = _pairs(views)
    diagonal = _diagonals(scores, pairs, axis_name) / count
    squares_of = _squares_by_gram if form == "gram" else _squares_in_full
    squares = squares_of(scores, pairs, count, axis_name)
    on_diagonal = ((1 - diagonal) ** 2).sum()
    off_diagonal = squares.sum() - (diagonal**2).sum()
    loss = (on_diagonal + off_diagonal_weight * off_diagonal) / (len(pairs) * dims)

    # Correlation of view 0 with itself, for the metrics alone: no gradient is kept.
    own = squares_of(jax.lax.stop_gradient(scores), ((0, 0),), count, axis_name)
    trace = _diagonals(scores, ((0, 0),), axis_name).sum() / count
    spread = (z - global_mean(z, weights, axis_name)[None]) ** 2
    metrics = {
        "offdiag_ratio": off_diagonal / len(pairs) * count / max(dims * (dims - 1), 1),
        "mean_diagonal": diagonal.mean(),
        "min_std": jnp.sqrt(global_mean(spread, weights, axis_name).min()),
        "effective_rank": effective_rank(trace, own.sum()),
    }
    return loss, jax.lax.stop_gradient(metrics)


def cheaper_form(batch: int, views: int, dims: int) -> Form:
    """Returns "gram" or "full", whichever costs less arithmetic and sends less.

    V matrices of B x B take 2 V B^2 D operations, P of D x D take 2 P B D^2, shared by
    n devices; the scores that all devices gather are V B D numbers, the matrices that
    they sum P D^2. Both quotients are V B : P D, whatever n.

    Args:
      batch: global B.
      views: V.
      dims: D.
    """
    return "gram" if views * batch < len(_pairs(views)) * dims else "full"


def _pairs(views: int) -> Pairs:
    return tuple(itertools.combinations(range(views), 2))


def _diagonals(
    scores: Float[Array, "B V D"], pairs: Pairs, axis_name: str | None
) -> Float[Array, "P D"]:
    products = [(scores[:, a] * scores[:, b]).sum(axis=0) for a, b in pairs]
    return parallel.psum(jnp.stack(products), axis_name)


# A jit inside the pmapped step is inlined there; on its own, in notebooks and tests, it
# compiles the matrices once for each shape.
@functools.partial(jax.jit, static_argnames=("pairs", "axis_name"))
def _squares_in_full(
    scores: Float[Array, "B V D"],
    pairs: Pairs,
    count: Float[Array, ""],
    axis_name: str | None,
) -> Float[Array, "P"]:
    """sum_ij C_ab,ij^2 of each pair from the D x D matrices.

    Each device ends with its own columns of the sums: what is scattered sends half of
    what everybody gets. A device's summands are D x D while they last. Columns of zeros
    fill up.
    """
    missing = -scores.shape[-1] % parallel.axis_size(axis_name)
    filled = jnp.pad(scores, ((0, 0), (0, 0), (0, missing)))
    squares = []
    for a, b in pairs:
        partial = scores[:, a].T @ filled[:, b]
        # Squares come after the sum over devices: the square of a sum is not the sum
        # of squares, and a loss of local matrices would have another optimum.
        squares.append((parallel.psum_scatter(partial, axis_name) ** 2).sum())
    return parallel.psum(jnp.stack(squares), axis_name) / count**2


@functools.partial(jax.jit, static_argnames=("pairs", "axis_name"))
def _squares_by_gram(
    scores: Float[Array, "B V D"],
    pairs: Pairs,
    count: Float[Array, ""],
    axis_name: str | None,
) -> Float[Array, "P"]:
    """Sums the squares by the B x B matrices: sum_ij C_ab,ij^2 = <K_a, K_b> / B^2.

    Each device has its own rows of K, so the work is shared and only scores travel.
    """
    everyone = parallel.all_gather(scores, axis_name)
    gram = jnp.einsum("bvd,cvd->vbc", scores, everyone)
    products = jnp.stack([(gram[a] * gram[b]).sum() for a, b in pairs])
    return parallel.psum(products, axis_name) / count**2
