"""Layout of a state on the devices.

Whole on each device, or with its moments in pieces (ZeRO-1); block by block, or with a
tower's blocks stacked.

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
      pieces: which parts of the state lie in pieces, for `parallel.pmap_step`.
    """

    def __init__(
        self, state: TrainState, *, in_pieces: bool, stacked: Collection[str] = ()
    ) -> None:
        """Makes the layout of states with the shapes of this one.

        Args:
          state: any state of the run, on the host.
          in_pieces: cut the moments over the devices.
          stacked: towers whose blocks are stacked, "vision" or "text".
        """
        self._stacked = stacked
        self._like = stack_towers(state.optimizer, stacked)
        whole = dict.fromkeys((f.name for f in dataclasses.fields(TrainState)), False)
        self.pieces: Any = TrainState(**whole | {"optimizer": in_pieces})

    def put(self, state: TrainState) -> TrainState:
        """Copies a host state to all devices, as the step takes it."""
        # Stacked first, then cut: pieces are of what the step holds.
        state = stack_towers(state, self._stacked)
        if not self.pieces.optimizer:
            return parallel.put_state(state)
        moments = parallel.put_in_pieces(state.optimizer, is_moment)
        rest = parallel.put_state(state.replace(optimizer=None))
        return rest.replace(optimizer=moments)

    def fetch(self, state: TrainState) -> TrainState:
        """Copies the state to the host. All processes must call it."""
        # A collective where moments are in pieces, so no process may leave it out.
        if not self.pieces.optimizer:
            return _unstack_towers(jax.device_get(state))
        moments = parallel.fetch_pieces(state.optimizer, self._like, is_moment)
        rest = jax.device_get(state.replace(optimizer=None))
        return _unstack_towers(rest.replace(optimizer=moments))

    def shapes(self, state: TrainState, devices: int) -> TrainState:
        """Returns the shapes that `put` gives, to compile ahead of time."""
        state = stack_towers(state, self._stacked)
        shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), state)
        if not self.pieces.optimizer:
            return shapes
        moments = parallel.shapes_in_pieces(state.optimizer, devices, is_moment)
        return shapes.replace(optimizer=moments)


def stack_towers(tree: Any, towers: Collection[str]) -> Any:
    """Returns the tree with the blocks of these towers stacked wherever they occur."""

    def stack(path: Any, part: Any) -> Any:
        if not is_trunk(part) or path[-2].key not in towers:
            return part
        return stack_blocks(part)

    return jax.tree_util.tree_map_with_path(stack, tree, is_leaf=is_trunk)


def stack_factors(factors: Any, params: Any, towers: Collection[str]) -> Any:
    """Returns factors, one per parameter, in the form of the stacked parameters.

    Each is one number still, or [blocks, 1, ...] where a tower's blocks differ.
    """

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
    """Returns True for Adam's moments, False for its integer counts."""
    return np.issubdtype(x.dtype, np.floating)
