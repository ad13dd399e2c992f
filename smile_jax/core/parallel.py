"""Data parallelism: the only file that spells pmap, the axis name and collectives.

The recipe, from measurements on JAX 0.10 (docs/parallelism.md): differentiate inside
pmap, then take the mean of the gradients over devices. Every loss is a function of
global statistics, so it is the same on each device, and that mean is the gradient of
the full batch on one device.

JAX documents pmap as the old way and `jit(shard_map(...))` as the new one. pmap stands
here because the people who asked for this project fixed it, and because it says what
happens: one replica per device. Only this file would change: `pmap_step`, whose twin
`tests/training/test_shard_map.py` keeps, bit for bit equal, `pmap_eval`, and the three
one-line functions that copy, cut and join a state.
"""

import collections
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

AXIS = "batch"


def psum(x: Any, axis_name: str | None) -> Any:
    """Sum over devices; the value itself without an axis."""
    return x if axis_name is None else jax.lax.psum(x, axis_name)


def pmean(x: Any, axis_name: str | None) -> Any:
    """Mean over devices; the value itself without an axis."""
    return x if axis_name is None else jax.lax.pmean(x, axis_name)


def pmax(x: Any, axis_name: str | None) -> Any:
    """Maximum over devices, which carries no gradient."""
    # pmax has no derivative; it is used to shift exponents, where none is needed.
    x = jax.lax.stop_gradient(x)
    return x if axis_name is None else jax.lax.pmax(x, axis_name)


def axis_size(axis_name: str | None) -> int:
    """Number of devices along the axis, as a Python int; 1 without an axis."""
    return 1 if axis_name is None else jax.lax.axis_size(axis_name)


def all_gather(x: jax.Array, axis_name: str | None) -> jax.Array:
    """Rows of all devices, concatenated along axis 0."""
    if axis_name is None:
        return x
    # Its transpose sums what all devices send back to a row: gradients cross devices.
    return jax.lax.all_gather(x, axis_name, tiled=True)


def own_rows(x: jax.Array, axis_name: str | None) -> jax.Array:
    """Returns this device's share of rows that all devices have.

    It is the inverse of `all_gather`.
    """
    if axis_name is None:
        return x
    size = len(x) // axis_size(axis_name)
    first = jax.lax.axis_index(axis_name) * size
    return jax.lax.dynamic_slice_in_dim(x, first, size)


def psum_scatter(x: jax.Array, axis_name: str | None) -> jax.Array:
    """Sum over devices, of which each keeps its share of the last axis."""
    if axis_name is None:
        return x
    last = x.ndim - 1
    return jax.lax.psum_scatter(x, axis_name, scatter_dimension=last, tiled=True)


def pieces_of_mean(tree: Any, axis_name: str) -> Any:
    """Mean over devices, of which each keeps its piece of every leaf.

    A leaf's values in their order, filled up with zeros, are cut into as many pieces of
    equal size as there are devices. One collective serves all leaves.
    """
    devices = axis_size(axis_name)
    # Hundreds of small collectives would wait for each other; one long one does not.
    leaves, structure = jax.tree.flatten(tree)
    cut = [_cut(x, devices) for x in leaves]
    joined = jnp.concatenate(cut, axis=1)
    own = jax.lax.psum_scatter(joined, axis_name, scatter_dimension=0) / devices
    return jax.tree.unflatten(structure, _split(own, [x.shape[1] for x in cut]))


def own_pieces(tree: Any, axis_name: str) -> Any:
    """This device's piece of every leaf of what all devices have."""
    devices, own = axis_size(axis_name), jax.lax.axis_index(axis_name)
    return jax.tree.map(lambda x: _cut(x, devices)[own], tree)


def join_pieces(pieces: Any, like: Any, axis_name: str) -> Any:
    """Whole leaves, with the shapes of `like`, of the pieces that the devices have."""
    own, structure = jax.tree.flatten(pieces)
    joined = jax.lax.all_gather(jnp.concatenate(own), axis_name)
    cut = _split(joined, [x.shape[0] for x in own])
    whole = [
        x.reshape(-1)[: y.size].reshape(y.shape)
        for x, y in zip(cut, jax.tree.leaves(like), strict=True)
    ]
    return jax.tree.unflatten(structure, whole)


def _cut(x: jax.Array, pieces: int) -> jax.Array:
    return jnp.pad(x.reshape(-1), (0, -x.size % pieces)).reshape(pieces, -1)


def _split(x: jax.Array, sizes: Sequence[int]) -> list[jax.Array]:
    return jnp.split(x, np.cumsum(sizes)[:-1], axis=-1)


def pmap_step(
    step: Callable,
    devices: Sequence[jax.Device] | None = None,
    pieces: Any = False,
) -> Callable:
    """Compiles `step(state, batch) -> (state, metrics)` for all devices.

    The state is donated and not stacked: it has its true shapes, the same on every
    device. Both results must be the same on every device (reduced by psum or pmean),
    which pmap does not check.

    Args:
      step: of one device.
      devices: by default all.
      pieces: whether the state lies in pieces (`put_in_pieces`), or a tree of booleans
        that says so for parts of it.
    """
    axes = jax.tree.map(lambda cut: 0 if cut else None, pieces)
    # The state's buffers are given to the new state: without that two of them would be
    # in memory at once.
    return jax.pmap(
        step,
        axis_name=AXIS,
        in_axes=(axes, 0),
        out_axes=(axes, None),
        donate_argnums=0,
        devices=devices,
    )


def pmap_eval(function: Callable) -> Callable:
    """Compiles `function(state, batch) -> per-example results` for local devices.

    Other processes need not call it.
    """
    local = jax.local_devices()
    return jax.pmap(function, axis_name=AXIS, in_axes=(None, 0), devices=local)


def put_batch(batch: Any) -> Any:
    """Splits every array's first axis over the local devices and starts the transfer.

    [B, ...] on the host becomes [devices, B / devices, ...], one row a device.

    Raises:
      ValueError: the devices do not divide the batch.
    """
    devices = jax.local_devices()
    # The layout that pmap gives its arguments: with another it would copy every batch.
    mesh = jax.sharding.Mesh(np.array(devices), (AXIS,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))

    def split(x: np.ndarray) -> jax.Array:
        if len(x) % len(devices):
            raise ValueError(
                f"a batch of {len(x)} examples cannot be split over {len(devices)} "
                "devices; choose a multiple of the number of devices"
            )
        rows = x.reshape(len(devices), len(x) // len(devices), *x.shape[1:])
        return jax.device_put(rows, sharding)

    return jax.tree.map(split, batch)


def put_in_pieces(tree: Any, is_cut: Callable[[Any], bool]) -> Any:
    """Cuts some leaves of a host tree over the devices, and copies the others to each.

    Every leaf gets a leading device axis, which `pmap_step(pieces=True)` takes off
    again; nothing outside this file sees it.

    Args:
      tree: of whole arrays.
      is_cut: says of a whole array whether it lies in pieces.
    """
    each = np.zeros(jax.local_device_count())
    return jax.tree.map(lambda x: (_CUT if is_cut(x) else _COPY)(x, each), tree)


def fetch_pieces(tree: Any, like: Any, is_cut: Callable[[Any], bool]) -> Any:
    """Returns whole arrays on the host: the inverse of `put_in_pieces`.

    Where leaves are cut it is a collective: all processes must call it.

    Args:
      tree: as the devices hold it.
      like: arrays of the whole shapes.
      is_cut: see `put_in_pieces`.
    """

    def whole(x: jax.Array, like: Any) -> np.ndarray:
        if not is_cut(like):
            return jax.device_get(x)[0]
        values = jax.device_get(_JOIN(x)).reshape(-1)
        return values[: math.prod(like.shape)].reshape(like.shape)

    return jax.tree.map(whole, tree, like)


def shapes_in_pieces(tree: Any, devices: int, is_cut: Callable[[Any], bool]) -> Any:
    """Returns the shapes that `put_in_pieces` gives, for so many devices."""

    def shape(x: Any) -> jax.ShapeDtypeStruct:
        size = (-(-x.size // devices),) if is_cut(x) else x.shape
        return jax.ShapeDtypeStruct((devices, *size), x.dtype)

    return jax.tree.map(shape, tree)


# pmap learns the number of devices from an argument that has a row for each.
_COPY = jax.pmap(lambda x, _: x, AXIS, in_axes=(None, 0))
_CUT = jax.pmap(lambda x, _: own_pieces(x, AXIS), AXIS, in_axes=(None, 0))
_JOIN = jax.pmap(lambda x: jax.lax.all_gather(x, AXIS), AXIS, out_axes=None)


def put_state(state: Any, devices: Sequence[jax.Device] | None = None) -> Any:
    """Copies host state to every device, or to these, as `pmap_step` returns it."""
    mesh = jax.sharding.Mesh(np.array(devices or jax.devices()), (AXIS,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.device_put(state, sharding)


def share_of_process(rows: np.ndarray) -> np.ndarray:
    """Returns this process's share of some rows: every P-th.

    Shorter shares repeat the first row, so that all have one length.
    """
    processes = jax.process_count()
    missing = -len(rows) % processes
    filled = np.concatenate([rows, np.repeat(rows[:1], missing, axis=0)])
    return filled[jax.process_index() :: processes]


def rows_of_processes(own: np.ndarray, count: int) -> np.ndarray:
    """Returns the first `count` rows of what all processes have of their shares.

    See `share_of_process`. Every process must call it.
    """
    if jax.process_count() == 1:
        return own[:count]
    every = multihost_utils.process_allgather(own)  # (processes, rows, ...)
    return np.swapaxes(every, 0, 1).reshape(-1, *own.shape[1:])[:count]


def prefetch(batches: Iterator[Any], depth: int = 2) -> Iterator[Any]:
    """Keeps `depth` batches on their way to the devices ahead of the step."""
    # Transfers are asynchronous: they overlap with the steps that come before.
    queue: collections.deque[Any] = collections.deque()
    for batch in batches:
        queue.append(put_batch(batch))
        if len(queue) > depth:
            yield queue.popleft()
    yield from queue
