"""The gradient of the global batch: its mean over devices, norms, and replica checks.

Each device differentiates the whole objective through its own examples' activations.
Every device's loss depends on them, by way of the collectives inside, whose transposes
sum those dependences: so a device's gradient is its examples' share of the full batch's
gradient times the number of devices. The mean over devices is then the gradient of the
full batch on one device, and a sum would be too long by that number.
"""

import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental import multihost_utils
from jaxtyping import Array, Float

from smile_jax.core import parallel
from smile_jax.core.errors import UserError


class ReplicaError(UserError, RuntimeError):
    """Devices that must hold the same numbers do not; the message names the first."""


def mean_over_devices(gradient: Any, axis_name: str | None, *, in_pieces: bool) -> Any:
    """The full batch's gradient, whole or as this device's pieces of it.

    Args:
      gradient: of this device.
      axis_name: device axis, None on one device.
      in_pieces: a reduce-scatter in place of an all-reduce: half of what is sent.
    """
    if in_pieces and axis_name is not None:
        return parallel.pieces_of_mean(gradient, axis_name)
    return parallel.pmean(gradient, axis_name)


def norms(
    gradient: Any, axis_name: str | None, *, in_pieces: bool
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Euclidean norms of a mean gradient: of all of it, and of each module's.

    Args:
      gradient: from `mean_over_devices`.
      axis_name: device axis, None on one device.
      in_pieces: whether each device holds its pieces alone.
    """
    # By module, for one number says that something is wrong and not where.
    squares = {
        name: optax.tree.norm(part, squared=True) for name, part in gradient.items()
    }
    if in_pieces and axis_name is not None:
        # A device has seen its pieces alone; squares add up, norms do not.
        whole = parallel.psum(optax.tree.norm(gradient, squared=True), axis_name)
        squares = parallel.psum(squares, axis_name)
        norm = jnp.sqrt(whole)
    else:
        norm = optax.tree.norm(gradient)
    return norm, {name: jnp.sqrt(square) for name, square in squares.items()}


def term_norms(
    weighted_terms: Callable[[Any], dict[str, Array]],
    trained: Any,
    axis_name: str | None,
) -> dict[str, Float[Array, ""]]:
    """Norm of each term's own gradient, weighted as in the loss.

    It costs a backward pass a term: the towers' activations are shared, but what is
    summed on the way down is not.
    """
    # One forward pass for all terms; each seed of 1 pulls one of them back.
    values, pull_back = jax.vjp(weighted_terms, trained)
    found = {}
    for name in values:
        seed = {k: jnp.full_like(v, k == name) for k, v in values.items()}
        (own,) = pull_back(seed)
        found[name] = optax.tree.norm(parallel.pmean(own, axis_name))
    return found


def check_replicas(state: Any, *, in_pieces: bool) -> None:
    """Compares what all devices of all processes hold, bit by bit, on the host.

    It transfers every device's copy: for debugging.

    Args:
      state: of the train step, on the devices.
      in_pieces: each device has other moments, which are left out.

    Raises:
      ReplicaError: naming the first leaf that differs, by how much and where.
    """
    if in_pieces:
        state = state.replace(optimizer=None)
    leaves = jax.tree_util.tree_leaves_with_path(state)
    for path, leaf in leaves:
        # Bytes, not values: NaN differs from itself, and rounding is a difference too.
        copies = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        for device, copy in enumerate(copies):
            if copy.tobytes() != copies[0].tobytes():
                raise ReplicaError(
                    f"{jax.tree_util.keystr(path)} differs between local devices 0 and "
                    f"{device} by up to {np.abs(copy - copies[0]).max():.3g}: a value "
                    "that every device must compute alike is of one device's examples "
                    "(docs/debugging.md)"
                )
    if jax.process_count() > 1:
        # Locally all copies are equal by now, so one checksum a process is enough.
        ours = np.array([_checksum(leaf) for _, leaf in leaves], np.uint32)
        everyone = multihost_utils.process_allgather(ours)
        wrong = np.flatnonzero((everyone != everyone[:1]).any(axis=0))
        if len(wrong):
            name = jax.tree_util.keystr(leaves[wrong[0]][0])
            raise ReplicaError(f"{name} differs between processes (docs/debugging.md)")


def _checksum(leaf: Any) -> int:
    return zlib.crc32(np.asarray(leaf.addressable_shards[0].data).tobytes())
