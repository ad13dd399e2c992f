"""The weights of views and frames inside a model: `apply(..., mutable=[SHOWN])`."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
from jaxtyping import Array

SHOWN = "intermediates"


def show_weights(module: nn.Module, weights: Array) -> None:
    """Keeps a module's weights where they are asked for; else it costs nothing."""
    if not module.is_initializing():
        module.sow(SHOWN, "weights", weights)


def shares_of(shown: Mapping[str, Any]) -> dict[str, Array | None]:
    """Returns the weights of "views" (B, V) and "frames" (B, T) in the fused feature.

    Those of frames are means over the views; None where frames are not averaged.

    Args:
      shown: the second thing that `apply` of an encoder gave.
    """
    views, frames = (_weights_of(shown, part) for part in ("fusion", "temporal"))
    assert views is not None
    if frames is not None:
        frames = frames[..., 0].mean(axis=2)
    return {"views": views[..., 0], "frames": frames}


def _weights_of(shown: Mapping[str, Any], part: str) -> Array | None:
    found = shown[SHOWN].get(part)
    return found["weights"][0] if found else None
