"""Data parallelism: the only file that spells pmap, the axis name and collectives.

The recipe, from measurements on JAX 0.10 (docs/parallelism.md): differentiate inside
pmap, then take the mean of the gradients over devices. Every loss is a function of
global statistics, so it is the same on each device, and that mean is the gradient of
the full batch on one device.
"""

import functools
from collections.abc import Callable, Sequence
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


def pmap_step(
    step: Callable, devices: Sequence[jax.Device] | None = None
) -> Callable:
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


def shard(batch: Any, devices: int | None = None) -> Any:
    """Splits every array's first axis over the local devices: [B] -> [devices, B/d].

    Raises:
      ValueError: the devices do not divide the batch.
    """
    count = devices or jax.local_device_count()

    def split(x: np.ndarray) -> np.ndarray:
        if len(x) % count:
            raise ValueError(
                f"a batch of {len(x)} examples cannot be split over {count} devices; "
                "choose a batch size that is a multiple of the number of devices"
            )
        return x.reshape(count, len(x) // count, *x.shape[1:])

    return jax.tree.map(split, batch)


@functools.cache
def replicated_sharding() -> jax.sharding.NamedSharding:
    """Where unstacked state lives: a full copy on every device of every process."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()), (AXIS,))
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
