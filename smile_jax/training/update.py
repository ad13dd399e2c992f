"""The update: clip the mean gradient, move the parameters, whole or in pieces."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from smile_jax.core import parallel
from smile_jax.training.global_gradient import mean_over_devices, norms


def update(
    optimizer: optax.GradientTransformation,
    gradient: Any,
    moments: Any,
    params: Any,
    *,
    clip_norm: float,
    in_pieces: bool,
    axis_name: str | None,
) -> tuple[Any, Any, dict[str, Float[Array, ""]]]:
    """Updates the parameters by the mean of the devices' gradients.

    In pieces it is stage 1 of ZeRO (Rajbhandari et al., "ZeRO: Memory Optimizations
    Toward Training Trillion Parameter Models", 2020): each device sums the gradient of
    its piece of every parameter, updates it, and all gather the new parameters. A ring
    sends as many bytes for that as for the sum of whole gradients.

    Args:
      optimizer: which looks at one value of a parameter at a time.
      gradient: of this device.
      moments: whole, or this device's pieces of them.
      params: whole.
      clip_norm: longer gradients are scaled down to this norm.
      in_pieces: each device updates its pieces.
      axis_name: device axis, None on one device.

    Returns:
      The new parameters and moments, and norms of the gradient before clipping: of all,
      "gradient_norm", and by module, "gradient_norm/<module>".
    """
    gradient = mean_over_devices(gradient, axis_name, in_pieces=in_pieces)
    # Clipping needs the norm of the whole, so it comes after the sum over devices:
    # clipped shares would not add up to the clipped gradient of the batch.
    norm, by_module = norms(gradient, axis_name, in_pieces=in_pieces)
    # Far below any real norm: a gradient of zeros stays zeros.
    factor = jnp.minimum(1, clip_norm / jnp.maximum(norm, 1e-16))
    gradient = jax.tree.map(lambda g: g * factor, gradient)
    # AdamW looks at one value at a time, so a piece needs nothing but itself.
    own = params
    if in_pieces and axis_name is not None:
        own = parallel.own_pieces(params, axis_name)
    updates, moments = optimizer.update(gradient, moments, own)
    own = optax.apply_updates(own, updates)
    if in_pieces and axis_name is not None:
        own = parallel.join_pieces(own, params, axis_name)
    found = {f"gradient_norm/{name}": x for name, x in by_module.items()}
    return own, moments, {"gradient_norm": norm, **found}
