"""Data parallelism: the only file that spells pmap, the axis name and collectives.

The recipe, from measurements on JAX 0.10 (docs/parallelism.md): differentiate inside
pmap, then take the mean of the gradients over devices. Every loss is a function of
global statistics, so it is the same on each device, and that mean is the gradient of
the full batch on one device.
"""

import collections
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

AXIS = "batch"


def psum(x: Any, axis_name: str | None) -> Any:
    """Sum over devices; the value itself without an axis."""
    return x if axis_name is None else jax.lax.psum(x, axis_name)


def pmean(x: Any, axis_name: str | None) -> Any:
    """Mean over devices; the value itself without an axis."""
    return x if axis_name is None else jax.lax.pmean(x, axis_name)


def pmax(x: Any, axis_name: str | None) -> Any:
    """Maximum over devices, which carries no gradient."""
    x = jax.lax.stop_gradient(x)
    return x if axis_name is None else jax.lax.pmax(x, axis_name)


def axis_size(axis_name: str | None) -> int:
    """Number of devices along the axis, as a Python int; 1 without an axis."""
    return 1 if axis_name is None else jax.lax.axis_size(axis_name)


def all_gather(x: jax.Array, axis_name: str | None) -> jax.Array:
    """Rows of all devices, concatenated along axis 0."""
    if axis_name is None:
        return x
    return jax.lax.all_gather(x, axis_name, tiled=True)


def pmap_step(step: Callable, devices: Sequence[jax.Device] | None = None) -> Callable:
    """Compiles `step(state, batch) -> (state, metrics)` for all devices.

    The state is not stacked: it has its true shapes, on every device the same, and is
    donated. The batch has a leading device axis. Both results must be the same on
    every device (reduced by psum or pmean), which pmap does not check.
    """
    return jax.pmap(
        step,
        axis_name=AXIS,
        in_axes=(None, 0),
        out_axes=(None, None),
        donate_argnums=0,
        devices=devices,
    )


def pmap_eval(function: Callable) -> Callable:
    """Compiles `function(state, batch) -> per-example results` for all devices."""
    return jax.pmap(function, axis_name=AXIS, in_axes=(None, 0))


def put_batch(batch: Any) -> Any:
    """Splits every array's first axis over the local devices and starts the transfer.

    [B, ...] on the host becomes [devices, B / devices, ...], one row a device.

    Raises:
      ValueError: the devices do not divide the batch.
    """
    devices = jax.local_devices()
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


def put_state(state: Any) -> Any:
    """Copies host state to every device, as `pmap_step` returns it."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()), (AXIS,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.device_put(state, sharding)


def prefetch(batches: Iterator[Any], depth: int = 2) -> Iterator[Any]:
    """Keeps `depth` batches on their way to the devices ahead of the step."""
    queue: collections.deque[Any] = collections.deque()
    for batch in batches:
        queue.append(put_batch(batch))
        if len(queue) > depth:
            yield queue.popleft()
    yield from queue
