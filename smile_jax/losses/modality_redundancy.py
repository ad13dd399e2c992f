"""Term 3: cross-modal redundancy minimisation.

There are three readings of it for prompts, and one for measured actions.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from smile_jax.core.batch_statistics import (
    at_least_float32,
    cross_correlation,
    example_weights,
    global_count,
    standardize,
)

Mode = Literal["whitened", "private", "literal"]

# Singular values of the centred bank below this share of the largest carry nothing.
_SMALLEST = 1e-3


def cross_modal_redundancy(
    fused: Float[Array, "B R"],
    bank: Float[Array, "K E"],
    targets: Float[Array, "B K"],
    *,
    mode: Mode = "whitened",
    off_diagonal_weight: float = 0.0051,
    shared: Float[Array, "B S"] | None = None,
    weights: Float[Array, "B"] | None = None,
    axis_name: str | None = None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Lets vision and text contribute complementary features.

    The paper asks for reduced redundancy between the modalities and publishes no
    equation; all three readings are this project's choice. C is the cross-correlation
    over the global batch, q the targets, T_w the whitened bank.

    - "whitened": `fused` is a linear head's output [B, K-1]. C = corr(fused, q T_w) is
      driven to the identity, so that each visual coordinate explains one text
      coordinate and none explains another's.
    - "private": `fused` is the private part p of the fused feature and `shared` its
      aligned part s: |corr(p, q T_w)|^2 / (r d_p) + |corr(p, s)|^2 / (d_s d_p).
    - "literal": `fused` is the joint embedding [B, E]; off-diagonal correlations with
      q bank are driven to 0. For ablation: it fights alignment.

    Args:
      fused: see the modes.
      bank: unit-norm prompt prototypes; taken as constants, as the targets are.
      targets: rows sum to 1.
      mode: see above.
      off_diagonal_weight: lambda of "whitened" and "literal".
      shared: the aligned part, for "private".
      weights: 1 for examples, 0 for padding.
      axis_name: device axis, None on one device.

    Returns:
      The loss and metrics: `diagonal` and `offdiagonal`, the mean of C's diagonal and
      the root mean square of what the loss drives to 0.

    Raises:
      ValueError: an unknown mode, a missing `shared`, or a width that does not fit.

    Example:
      >>> y = head(fused)  # [B, K - 1]
      >>> loss, _ = cross_modal_redundancy(y, bank, q)
    """
    fused, bank = at_least_float32(fused), at_least_float32(bank)
    weights = example_weights(fused, weights)
    # Vision adapts to text and not the reverse: prompts that moved towards whatever
    # images correlate with would satisfy the term without meaning anything.
    bank, targets = jax.lax.stop_gradient((bank, targets.astype(fused.dtype)))
    count = global_count(weights, axis_name)

    def correlate(a: Array, b: Array) -> Array:
        a = standardize(a, weights=weights, axis_name=axis_name)
        b = standardize(b, weights=weights, axis_name=axis_name)
        return cross_correlation(a, b, count, axis_name)

    if mode == "literal":
        _check_width(fused, bank.shape[1], "the joint embedding")
        return _literal(correlate(fused, targets @ bank), off_diagonal_weight)
    whitened, kept = whiten_bank(bank)
    if mode == "whitened":
        _check_width(fused, len(bank) - 1, "K - 1")
        c = correlate(fused, targets @ whitened)
        return _whitened(c, kept, off_diagonal_weight)
    if mode == "private":
        if shared is None:
            raise ValueError("mode='private' needs `shared`, the aligned part")
        with_text = correlate(fused, targets @ whitened) ** 2
        # The private part gives way: the aligned one has term 2 to serve.
        with_shared = correlate(fused, jax.lax.stop_gradient(shared)) ** 2
        return _private(with_text, with_shared, kept)
    raise ValueError(f"unknown mode {mode!r}; known: whitened, private, literal")


def action_redundancy(
    fused: Float[Array, "B M"],
    actions: Float[Array, "B A"],
    *,
    off_diagonal_weight: float = 0.0051,
    weights: Float[Array, "B"] | None = None,
    axis_name: str | None = None,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Term 3 for captions, which are too many to decompose: by the actions they name.

    C = corr(fused, actions) is driven to R = corr(actions, actions), both over the
    global batch: each visual coordinate explains one action, and another's no more than
    the two go together. sum_i (C_ii - R_ii)^2 + lambda sum_{i != j} (C_ij - R_ij)^2,
    divided by A. This project's choice, as "whitened" is, which it equals where actions
    are uncorrelated; one that does not occur in the batch asks for nothing.

    Args:
      fused: a linear head's output, a column for each action.
      actions: what each example does, as numbers; constants.
      off_diagonal_weight: lambda.
      weights: 1 for examples, 0 for padding.
      axis_name: device axis, None on one device.

    Returns:
      The loss and metrics: `diagonal`, the mean of C_ii over the actions that occur,
      and `offdiagonal`, the root mean square of C_ij - R_ij.

    Raises:
      ValueError: another number of columns.
    """
    fused = at_least_float32(fused)
    actions = jax.lax.stop_gradient(actions.astype(fused.dtype))
    _check_width(fused, actions.shape[1], "one for each action")
    weights = example_weights(fused, weights)
    count = global_count(weights, axis_name)
    a, b = (
        standardize(x, weights=weights, axis_name=axis_name) for x in (fused, actions)
    )
    c = cross_correlation(a, b, count, axis_name)
    r = cross_correlation(b, b, count, axis_name)
    width = len(c)
    missing = (c - r) ** 2
    on = jnp.diagonal(missing).sum()
    off = jnp.where(jnp.eye(width, dtype=bool), 0, missing).sum()
    occurs = jnp.diagonal(r) > 0.5  # 0 of what never varies, else near 1
    explained = jnp.where(occurs, jnp.diagonal(c), 0).sum()
    return (on + off_diagonal_weight * off) / width, _metrics(
        explained / jnp.maximum(occurs.sum(), 1), off / max(width * (width - 1), 1)
    )


def _literal(
    c: Float[Array, "E E"], off_diagonal_weight: float
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    off = (c * (1 - jnp.eye(len(c)))) ** 2
    loss = off_diagonal_weight * off.sum() / len(c)
    diagonal = jnp.diagonal(c).mean()
    return loss, _metrics(diagonal, off.sum() / (len(c) * (len(c) - 1)))


def _whitened(
    c: Float[Array, "R R"], kept: Bool[Array, "R"], off_diagonal_weight: float
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    # Dropped columns are zeros on the text side; no visual coordinate can explain them,
    # so neither their diagonal nor their rows count.
    valid = kept[:, None] & kept[None, :]
    rank = jnp.maximum(kept.sum(), 1)
    on = jnp.where(kept, (1 - jnp.diagonal(c)) ** 2, 0)
    off = jnp.where(valid & ~jnp.eye(len(c), dtype=bool), c, 0) ** 2
    loss = (on.sum() + off_diagonal_weight * off.sum()) / rank
    diagonal = jnp.where(kept, jnp.diagonal(c), 0).sum() / rank
    return loss, _metrics(diagonal, off.sum() / jnp.maximum(rank * (rank - 1), 1))


def _private(
    with_text: Float[Array, "P R"],
    with_shared: Float[Array, "P S"],
    kept: Bool[Array, "R"],
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    text = jnp.where(kept[None], with_text, 0).sum() / jnp.maximum(
        kept.sum() * len(with_text), 1
    )
    loss = text + with_shared.mean()
    return loss, _metrics(jnp.zeros((), loss.dtype), loss / 2)


def whiten_bank(
    bank: Float[Array, "K E"],
) -> tuple[Float[Array, "K R"], Bool[Array, "R"]]:
    """Whitened text coordinates (bank - mean) V S^-1 sqrt(K), R = K - 1 columns.

    Returns:
      The coordinates, and which columns have a singular value of at least 1e-3 of the
      largest; the others are 0. Each column's entry of largest magnitude is positive,
      so that a bank that changes slowly keeps its signs.
    """
    k = len(bank)
    # K prompts less their mean span K - 1 directions at most: the last singular value
    # is rounding, and dividing by it would make text coordinates of noise.
    u, s, _ = jnp.linalg.svd(bank - bank.mean(axis=0)[None], full_matrices=False)
    u, s = u[:, : k - 1], s[: k - 1]
    if u.shape[1] < k - 1:  # fewer embedding dimensions than prompts
        missing = k - 1 - u.shape[1]
        u, s = jnp.pad(u, ((0, 0), (0, missing))), jnp.pad(s, (0, missing))
    kept = s > _SMALLEST * s[0]
    # An SVD may turn a column round from one step to the next, and C with it.
    largest = jnp.take_along_axis(u, jnp.abs(u).argmax(axis=0)[None], axis=0)[0]
    sign = jnp.where(largest < 0, -1, 1)
    return jnp.where(kept[None], u * sign[None], 0) * k**0.5, kept


def _check_width(fused: Array, width: int, what: str) -> None:
    if fused.shape[1] != width:
        raise ValueError(
            f"fused has {fused.shape[1]} columns, expected {width} ({what})"
        )


def _metrics(diagonal: Array, mean_square: Array) -> dict[str, Array]:
    return jax.lax.stop_gradient(
        {"diagonal": diagonal, "offdiagonal": jnp.sqrt(mean_square)}
    )
