"""The state of a run at one step, and how its random keys are derived."""

import zlib
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from smile_jax.core.pytree import merge


class TrainState(flax.struct.PyTreeNode):
    """Everything that the next step depends on. Not stacked over devices."""

    step: Any  # int32 []
    params: Any  # tree of float32
    ema: Any  # exponential moving average of the trained part of params
    optimizer: Any  # optax state of that part
    bank: Any  # [G, K, E] prompt prototypes of `params`, of the fused view and of each
    prior: Any  # losses.pseudo_labels.Prior, of a text source that makes targets
    key: Any  # uint32 [2], root of all randomness; never changes
    extra: Any = flax.struct.field(default_factory=dict)  # what the method carries

    @property
    def averaged(self) -> Any:
        """Parameters with the average in place of what is trained."""
        return merge(self.params, self.ema)


def stream_key(root: jax.Array, stream: str, step: Any) -> jax.Array:
    """The key of a named stream at a step: fold_in(fold_in(root, name), step)."""
    # A hash of the name and not a counter: a new stream leaves the others as they are.
    return jax.random.fold_in(
        jax.random.fold_in(root, zlib.crc32(stream.encode())), step
    )


def update_average(
    average: Any, params: Any, decay: float, step: Any, *, from_random: bool
) -> Any:
    """Updates the moving average of the parameters.

    From random parameters it warms up, which forgets them sooner; from others it does
    not: a teacher must not follow its student at once.
    """
    rate = jnp.minimum(decay, (1.0 + step) / (10.0 + step)) if from_random else decay
    return jax.tree.map(lambda a, p: rate * a + (1 - rate) * p, average, params)


def memory_of(state: TrainState, pieces: int) -> dict[str, int]:
    """Returns the bytes of each part of a state on a device, with moments in pieces."""
    parts = {"parameters": state.params, "average": state.ema}
    parts["moments"] = state.optimizer
    size = {
        name: sum(np.asarray(x).nbytes for x in jax.tree.leaves(part))
        for name, part in parts.items()
    }
    return size | {"moments": size["moments"] // pieces}
