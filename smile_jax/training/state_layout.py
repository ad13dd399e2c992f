"""How a state lies on the devices: whole on each, or its moments in pieces (ZeRO-1);
block by block, or with a tower's blocks stacked.

Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter
Models", 2020, stage 1; the arithmetic is in `training.update`.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

import jax
import numpy as np

from smile_jax.core import parallel
from smile_jax.models.transformer import (
    STACKED,
    is_trunk,
    stack_blocks,
    unstack_blocks,
)
from smile_jax.training.state import TrainState


class StateLayout:
    """Takes a run's state to its devices and back.

    On the host, and so in checkpoints, every array is whole and of one block: a run may
    go on with another layout or on another number of devices.

    Attributes:
      axes: of the state, for `parallel.pmap_step`.
    """

    def __init__(
        self, state: TrainState, *, in_pieces: bool, stacked: Collection[str] = ()
    ) -> None:
        """Of states like this one, which is on the host.

        Args:
          state: any.
          in_pieces: the moments are.
          stacked: towers whose blocks are, "vision" or "text".
        """
        self._stacked = stacked
        self._like = stack_towers(state.optimizer, stacked)
        self.axes: Any = None
        if in_pieces:
            whole = dict.fromkeys(f.name for f in dataclasses.fields(TrainState))
            self.axes = TrainState(**whole | {"optimizer": 0})

    def put(self, state: TrainState) -> TrainState:
        """The state on all devices, as the step takes it."""
        # Stacked first, then cut: pieces are of what the step holds.
        state = stack_towers(state, self._stacked)
        if self.axes is None:
            return parallel.put_state(state)
        moments = jax.tree.map(
            lambda x: (
                parallel.cut_over_devices(x)
                if is_moment(x)
                else parallel.copy_to_devices(x)
            ),
            state.optimizer,
        )
        rest = parallel.put_state(state.replace(optimizer=None))
        return rest.replace(optimizer=moments)

    def fetch(self, state: TrainState) -> TrainState:
        """The state on the host. All processes must call it."""
        # A collective where moments are in pieces, so no process may leave it out.
        if self.axes is None:
            return _unstack_towers(jax.device_get(state))
        moments = jax.tree.map(
            lambda x, like: (
                parallel.whole_on_host(x, like.shape)
                if is_moment(like)
                else jax.device_get(x)[0]
            ),
            state.optimizer,
            self._like,
        )
        rest = jax.device_get(state.replace(optimizer=None))
        return _unstack_towers(rest.replace(optimizer=moments))

    def shapes(self, state: TrainState, devices: int) -> TrainState:
        """Shapes of what `put` gives, to compile ahead."""

        def piece(x: Any) -> jax.ShapeDtypeStruct:
            size = (-(-x.size // devices),) if is_moment(x) else x.shape
            return jax.ShapeDtypeStruct((devices, *size), x.dtype)

        state = stack_towers(state, self._stacked)
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)
        if self.axes is None:
            return shapes
        return shapes.replace(optimizer=jax.tree.map(piece, state.optimizer))


def stack_towers(tree: Any, towers: Collection[str]) -> Any:
    """The same tree with the blocks of these towers stacked wherever they occur."""

    def stack(path: Any, part: Any) -> Any:
        if not is_trunk(part) or path[-2].key not in towers:
            return part
        return stack_blocks(part)

    return jax.tree_util.tree_map_with_path(stack, tree, is_leaf=is_trunk)


def stack_factors(factors: Any, params: Any, towers: Collection[str]) -> Any:
    """Numbers, one a parameter of these, as the stacked parameters take them: one
    number still, or [blocks, 1, ...] where a tower's blocks differ."""

    def simplest(stacked: np.ndarray) -> Any:
        first = stacked.flat[0]
        return float(first) if (stacked == first).all() else np.float32(stacked)

    # One number a parameter becomes an array of ones' shape, so that it stacks as they
    # do; where all blocks agree it is one number again, which pieces can use too.
    full = jax.tree.map(lambda f, p: np.full((1,) * np.ndim(p), f), factors, params)
    return jax.tree.map(simplest, stack_towers(full, towers))


def _unstack_towers(tree: Any) -> Any:
    def stacked(part: Any) -> bool:
        return isinstance(part, dict) and STACKED in part

    return jax.tree.map(
        lambda part: unstack_blocks(part) if stacked(part) else part,
        tree,
        is_leaf=stacked,
    )


def is_moment(x: Any) -> bool:
    """Adam's other numbers are integers: how many updates there were."""
    return np.issubdtype(x.dtype, np.floating)
