"""Pictures to heatmaps of the 68 landmarks: a small hourglass of convolutions.

For every landmark the network says where it is, cell by cell, or that it is not to be
seen: one softmax over the cells and "nowhere" (DeTone et al., "SuperPoint", CVPRW 2018,
do so for keypoints), so that confidences are probabilities.
"""

import dataclasses
import pathlib
from collections.abc import Mapping

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from safetensors.numpy import load_file

LANDMARKS = 68
STRIDE = 4  # pixels of a heatmap's cell
_WINDOW = 5  # cells across, of which the position is the mean


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network.

    Attributes:
      size: height and width of its pictures in pixels.
      widths: channels at each scale; every scale has half the side of the one before.
      blocks: residual blocks at each scale on the way down; on the way up there is one.
    """

    size: int = 96
    widths: tuple[int, ...] = (32, 64, 128, 160)
    blocks: tuple[int, ...] = (1, 1, 2, 2)

    @property
    def cells(self) -> int:
        """Cells across of its heatmaps."""
        return self.size // STRIDE


# Finds landmarks on pictures of a head from the front; and finds heads, wherever they
# look, on small pictures.
LANDMARKER = NetworkConfig()
FIRST_LOOK = NetworkConfig(size=64, widths=(24, 48, 96), blocks=(1, 1, 2))


class HeatmapNetwork(nn.Module):
    """Images to logits of every cell, and of "nowhere", for every landmark."""

    config: NetworkConfig

    @nn.compact
    def __call__(self, images: Float[Array, "B S S C"]) -> Float[Array, "B L N"]:
        """N is the number of cells, row by row, and one more."""
        c = self.config
        x = nn.Conv(c.widths[0], (STRIDE, STRIDE), (STRIDE, STRIDE), name="stem")(
            images
        )
        finer = []
        for scale, (width, blocks) in enumerate(zip(c.widths, c.blocks, strict=True)):
            if scale:
                finer.append(x)
                x = nn.Conv(width, (3, 3), (2, 2), name=f"down_{scale}")(x)
            for block in range(blocks):
                x = _Block(name=f"block_{scale}_{block}")(x)
        pooled = nn.LayerNorm(name="norm_nowhere")(x.mean(axis=(1, 2)))
        nowhere = nn.Dense(LANDMARKS, name="nowhere")(pooled)
        for scale, skip in reversed(list(enumerate(finer))):
            x = nn.Conv(c.widths[scale], (1, 1), name=f"up_{scale}")(x)
            b, h, w, k = x.shape
            x = jax.image.resize(x, (b, 2 * h, 2 * w, k), "nearest")
            x = _Block(name=f"block_up_{scale}")(x + skip)
        maps = nn.Conv(LANDMARKS, (1, 1), name="maps")(
            nn.LayerNorm(name="norm_maps")(x)
        )
        maps = maps.reshape(len(maps), -1, LANDMARKS)
        logits = jnp.concatenate([maps, nowhere[:, None]], axis=1)
        return logits.transpose(0, 2, 1)


class _Block(nn.Module):
    """x + conv(relu(conv(norm(x))))."""

    @nn.compact
    def __call__(self, x: Float[Array, "B H W K"]) -> Float[Array, "B H W K"]:
        width = x.shape[-1]
        y = nn.Conv(width, (3, 3), name="conv_in")(nn.LayerNorm(name="norm")(x))
        y = nn.Conv(width, (3, 3), name="conv_out")(nn.relu(y))
        return x + y


def run_network(
    network: HeatmapNetwork, params: Mapping, images: Float[Array, "B S S C"]
) -> Float[Array, "B L N"]:
    """The network's logits by its parameters."""
    logits = network.apply({"params": params}, images)
    assert isinstance(logits, jax.Array)
    return logits


def decode(
    logits: Float[Array, "B L N"],
) -> tuple[Float[Array, "B L 2"], Float[Array, "B L"]]:
    """(column, row) in pixels of each landmark, and the probability that it is there.

    The position is the mean over a window around the likeliest cell, the probability
    the window's.
    """
    share = jax.nn.softmax(logits, axis=-1)[..., :-1]
    side = round((logits.shape[-1] - 1) ** 0.5)
    best = jnp.argmax(share, axis=-1)
    place = jnp.arange(side).reshape(1, 1, side)
    near_column, near_row = (
        abs(place - middle[..., None]) <= _WINDOW // 2
        for middle in (best % side, best // side)
    )
    maps = share.reshape(*share.shape[:-1], side, side)
    maps = maps * near_column[..., None, :] * near_row[..., None]
    mass = maps.sum(axis=(-2, -1))
    column = (maps.sum(axis=-2) * (place + 0.5)).sum(axis=-1) / mass
    row = (maps.sum(axis=-1) * (place + 0.5)).sum(axis=-1) / mass
    return STRIDE * jnp.stack([column, row], axis=-1), mass


def target(
    pixels: Float[Array, "B L 2"], seen: Float[Array, "B L"], side: int
) -> Float[Array, "B L N"]:
    """Returns the softmax to aim for: a small bell around the pixel, or "nowhere"."""
    place = STRIDE * (jnp.arange(side).reshape(1, 1, side) + 0.5)
    column, row = (
        jnp.exp(-(((place - pixels[..., k : k + 1]) / STRIDE) ** 2) / (2 * 0.7**2))
        for k in (0, 1)
    )
    bell = (row[..., None] * column[..., None, :]).reshape(*seen.shape, -1)
    bell = bell / jnp.maximum(bell.sum(axis=-1, keepdims=True), 1e-6)
    return jnp.concatenate([bell * seen[..., None], 1 - seen[..., None]], axis=-1)


class Decoder:
    """A network with its parameters, on this machine's processor."""

    def __init__(self, config: NetworkConfig, params: Mapping) -> None:
        network = HeatmapNetwork(config)
        self._params = params
        self._look = jax.jit(lambda p, images: decode(run_network(network, p, images)))

    def __call__(
        self, images: Float[np.ndarray, "B S S C"]
    ) -> tuple[Float[np.ndarray, "B L 2"], Float[np.ndarray, "B L"]]:
        """See `decode`; pixels are float64."""
        # Small pictures, one head after the other: nothing for an accelerator.
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            pixels, sure = self._look(self._params, images)
        return np.asarray(pixels, np.float64), np.asarray(sure)


def read_network(path: pathlib.Path) -> dict:
    """Parameters of a network that `smile_jax.landmarking.train` wrote."""
    flat = {name: x.astype(np.float32) for name, x in load_file(path).items()}
    return flax.traverse_util.unflatten_dict(flat, sep="/")
