"""Stored pixels, for people to look at."""

from collections.abc import Sequence

import numpy as np

from smile_jax.data.augment import amplified
from smile_jax.data.channels import channel_slices
from smile_jax.data.records import as_shares

_BACK = 0.93  # grey of the background
_AMBIENT = 0.25  # as `augment.plain_clips` lights
_GREY = 0.75


def lit_views(
    pixels: np.ndarray,
    channels: Sequence[str],
    light_from: Sequence[float] = (0.0, 0.0, 1.0),
    gain: float = 1.0,
) -> np.ndarray:
    """Renders stored pixels as uint8 pictures (V, H, W, 3) to look at.

    Texture in a light; without texture grey skin in it; without normals the first
    channel.

    Args:
      pixels: (V, H, W, C) as stored.
      channels: groups of them.
      light_from: unit vector in the cameras' axes.
      gain: of dynamic images, what motion is multiplied by.
    """
    shares = as_shares(pixels)
    if pixels.dtype == np.uint16:
        shares = amplified(shares, gain)
    groups = {name: shares[..., at] for name, at in channel_slices(channels).items()}
    mask = (pixels > 0).any(axis=-1, keepdims=True)
    if pixels.dtype == np.uint16 or "normals" not in groups:
        shown = next(iter(groups.values()))
        shown = np.broadcast_to(shown[..., :3], (*shown.shape[:-1], 3))
        return (255 * shown).astype(np.uint8)
    normals = 2 * groups["normals"] - 1
    lambert = np.maximum(normals @ np.asarray(light_from), 0)[..., None]
    skin = groups.get("texture", np.full((*lambert.shape[:-1], 3), _GREY))
    lit = skin * (_AMBIENT + (1 - _AMBIENT) * lambert)
    return (255 * np.where(mask, lit.clip(0, 1), _BACK)).astype(np.uint8)
