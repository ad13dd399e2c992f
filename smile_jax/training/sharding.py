"""How a state lies on the devices: whole on each, or its moments in pieces (ZeRO-1).

Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter
Models", 2020, stage 1: each device sums the gradient of its piece of every parameter,
updates it, and all gather the new parameters. A ring sends as many bytes for that as
for the sum of whole gradients.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from smile_jax import parallel
from smile_jax.training.state import TrainState


class StateLayout:
    """Takes a run's state to its devices and back.

    On the host, and so in checkpoints, every array is whole: a run may go on with
    another layout or on another number of devices.

    Attributes:
      axes: of the state, for `parallel.pmap_step`.
    """

    def __init__(self, state: TrainState, *, in_pieces: bool) -> None:
        """Of states like this one, which is on the host."""
        self._like = state.optimizer
        self.axes: Any = None
        if in_pieces:
            whole = dict.fromkeys(f.name for f in dataclasses.fields(TrainState))
            self.axes = TrainState(**whole | {"optimizer": 0})

    def put(self, state: TrainState) -> TrainState:
        """The state on all devices, as the step takes it."""
        if self.axes is None:
            return parallel.put_state(state)
        moments = jax.tree.map(
            lambda x: (
                parallel.cut_over_devices(x)
                if _is_moment(x)
                else parallel.copy_to_devices(x)
            ),
            state.optimizer,
        )
        rest = parallel.put_state(state.replace(optimizer=None))
        return rest.replace(optimizer=moments)

    def fetch(self, state: TrainState) -> TrainState:
        """The state on the host. All processes must call it."""
        if self.axes is None:
            return jax.device_get(state)
        moments = jax.tree.map(
            lambda x, like: (
                parallel.whole_on_host(x, like.shape)
                if _is_moment(like)
                else jax.device_get(x)[0]
            ),
            state.optimizer,
            self._like,
        )
        return jax.device_get(state.replace(optimizer=None)).replace(optimizer=moments)

    def shapes(self, state: TrainState, devices: int) -> TrainState:
        """What `put` would give `parallel.pmap_step`, for a compilation ahead."""

        def piece(x: Any) -> jax.ShapeDtypeStruct:
            size = (-(-x.size // devices),) if _is_moment(x) else x.shape
            return jax.ShapeDtypeStruct((devices, *size), x.dtype)

        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)
        if self.axes is None:
            return shapes
        return shapes.replace(optimizer=jax.tree.map(piece, state.optimizer))


def update(
    optimizer: optax.GradientTransformation,
    gradient: Any,
    moments: Any,
    params: Any,
    *,
    clip_norm: float,
    in_pieces: bool,
    axis_name: str | None,
) -> tuple[Any, Any, Any]:
    """One update by the mean of the devices' gradients.

    Args:
      optimizer: which looks at one value of a parameter at a time.
      gradient: of this device.
      moments: whole, or this device's pieces of them.
      params: whole.
      clip_norm: longer gradients are scaled down to this norm.
      in_pieces: each device updates its pieces.
      axis_name: device axis, None on one device.

    Returns:
      The new parameters and moments, and the norm of the gradient before clipping.
    """
    if in_pieces and axis_name is not None:
        gradient = parallel.pieces_of_mean(gradient, axis_name)
        own = parallel.own_pieces(params, axis_name)
        squares = parallel.psum(optax.tree.norm(gradient, squared=True), axis_name)
        norm = jnp.sqrt(squares)
    else:
        gradient, own = parallel.pmean(gradient, axis_name), params
        norm = optax.tree.norm(gradient)
    factor = jnp.minimum(1, clip_norm / jnp.maximum(norm, 1e-16))
    gradient = jax.tree.map(lambda g: g * factor, gradient)
    updates, moments = optimizer.update(gradient, moments, own)
    own = optax.apply_updates(own, updates)
    if in_pieces and axis_name is not None:
        own = parallel.join_pieces(own, params, axis_name)
    return own, moments, norm


def _is_moment(x: Any) -> bool:
    """Adam's other numbers are integers: how many updates there were."""
    return np.issubdtype(x.dtype, np.floating)
