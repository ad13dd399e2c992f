"""What happens inside a model, for who asks: `model.apply(..., mutable=[SHOWN])`."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
from jaxtyping import Array

SHOWN = "intermediates"


def show_weights(module: nn.Module, weights: Array) -> None:
    """Keeps a module's weights where they are asked for; else it costs nothing."""
    if not module.is_initializing():
        module.sow(SHOWN, "weights", weights)


def weights_of(shown: Mapping[str, Any], part: str) -> Array | None:
    """Those that a part of the model used; None of one that has none.

    Args:
      shown: the second thing that `apply` gave.
      part: name of the module, such as "fusion".
    """
    found = shown.get(SHOWN, {}).get(part)
    return found["weights"][0] if found else None
