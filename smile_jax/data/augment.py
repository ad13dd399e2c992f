"""Augmentation on the accelerator, inside the train step.

Every draw depends on the step and on the example's row in the global batch alone, so
the same batch is augmented alike on 1 or 256 devices. Each view draws its own crop,
noise and light: what the views share is the face.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt

from smile_jax.data.channels import channel_slices

_REST = 0.5  # of a dynamic image, where nothing moves


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Strength of each augmentation; 0 switches one off. This project's choice.

    Attributes:
      scale: zoom in or out by a factor of up to exp(scale).
      shift: move by up to this share of the image, each way.
      gain, bias: of the texture's intensity, in a dynamic image about its middle.
      noise: standard deviation, pixels in [0, 1].
      erase: largest side of an erased rectangle, share of the image.
      copies: so many of each view are augmented, each on its own.
      patch_dropout: share of each view's patches that the tower does not see (Li et
        al., "Scaling Language-Image Pre-training via Masking", 2023): steps become
        cheaper almost in proportion.
      relight: light the texture from the stored normals.
      light_angle_deg: largest angle between the light and the camera axis.
      ambient: largest ambient share of the light.
      specular: largest strength of the highlight.
    """

    scale: float
    shift: float
    gain: float
    bias: float
    noise: float
    erase: float
    copies: int
    patch_dropout: float
    relight: bool
    light_angle_deg: float
    ambient: float
    specular: float


def augment_clips(
    images: UInt[Array, "B T A H W C"],
    rows: Int[Array, "B"],
    key: Array,
    config: AugmentConfig,
    *,
    channels: Sequence[str],
    inputs: Sequence[str],
    num_views: int,
    mean: Sequence[float],
    std: Sequence[float],
    motion_gain: float | None = None,
    local_mean: float = 0.0,
) -> tuple[Float[Array, "B T V H W D"], Int[Array, "B V"]]:
    """Chooses views and augments each on its own, all frames of a clip alike.

    Args:
      images: stored pixels of the A views in the dataset.
      rows: each example's row in the global batch.
      key: of this step.
      config: strengths.
      channels: channel groups in `images`.
      inputs: channel groups that the model sees.
      num_views: V <= A views drawn without replacement.
      mean: mean of each input channel, pixels in [0, 1].
      std: standard deviation of each input channel, pixels in [0, 1].
      motion_gain: factor on the motion in dynamic images; None for frames.
      local_mean: see `without_local_mean`.

    Returns:
      Standardised float32 clips, and which views they are: V times `config.copies`.
    """
    available = images.shape[2]

    def one(clip: Array, row: Array) -> tuple[Array, Array]:
        # The row in the global batch, not the place on the device: the same example is
        # drawn alike however many devices there are.
        chooser, painter = jax.random.split(jax.random.fold_in(key, row))
        ids = jax.random.permutation(chooser, available)[:num_views]
        ids = jnp.tile(ids, config.copies)
        views = jnp.moveaxis(clip[:, ids], 1, 0)  # V T H W C
        augment = functools.partial(
            _augment_view,
            config=config,
            channels=channels,
            inputs=inputs,
            mean=mean,
            std=std,
            motion_gain=motion_gain,
            local_mean=local_mean,
        )
        out = jax.vmap(augment)(views, jax.random.split(painter, len(ids)))
        return jnp.moveaxis(out, 0, 1), ids

    return jax.vmap(one)(images, rows)


def draw_patches(
    rows: Int[Array, "B"], key: Array, *, views: int, patches: int, kept: int
) -> Int[Array, "B V N"]:
    """Draws the patches of each view that a step keeps, in ascending order.

    Args:
      rows: each example's row in the global batch.
      key: of this step.
      views: V.
      patches: patches of an image.
      kept: patches that stay.
    """

    # All frames of a view keep the same patches: motion is between frames, not masks.
    def one(row: Array) -> Array:
        keys = jax.random.split(jax.random.fold_in(key, row), views)
        order = jax.vmap(lambda k: jax.random.permutation(k, patches))(keys)
        return jnp.sort(order[:, :kept], axis=1)

    return jax.vmap(one)(rows)


def small_pictures(
    images: UInt[Array, "B T A H W C"],
    apex: Int[Array, "B *windows"],
    view_ids: Int[Array, "B V"],
    *,
    channels: Sequence[str],
    wanted: Sequence[str],
    size: int,
) -> Float[Array, "B V S S D"]:
    """Averages stored views down to small pictures in [0, 1].

    They show the frame of most motion, of the first window where there are several.

    Args:
      images: stored pixels.
      apex: place of that frame.
      view_ids: which views.
      channels: channel groups in `images`.
      wanted: channel groups of the small pictures.
      size: pixels a side; halves of pixels are shared.
    """
    first = apex.reshape(len(apex), -1)[:, 0]
    frame = jnp.take_along_axis(images, _as_index(first[:, None], images), axis=1)[:, 0]
    views = jnp.take_along_axis(frame, _as_index(view_ids, frame), axis=1)
    places = channel_slices(channels)
    views = jnp.concatenate([views[..., places[name]] for name in wanted], axis=-1)
    shape = (*views.shape[:2], size, size, views.shape[-1])
    scaled = views.astype(jnp.float32) / jnp.iinfo(images.dtype).max
    return jax.image.resize(scaled, shape, "linear", antialias=True)


def _as_index(places: Int[Array, "B N"], x: Array) -> Array:
    return places.reshape(*places.shape, *[1] * (x.ndim - 2))


def plain_clips(
    images: UInt[Array, "B T A H W C"],
    view_ids: Sequence[int],
    *,
    channels: Sequence[str],
    inputs: Sequence[str],
    relight: bool,
    mean: Sequence[float],
    std: Sequence[float],
    motion_gain: float | None = None,
    local_mean: float = 0.0,
    light_from: Float[Array, "3"] | None = None,
) -> tuple[Float[Array, "B T V H W D"], Int[Array, "B V"]]:
    """Returns views without augmentation, for evaluation.

    The views are given; light comes from the camera, or from a unit vector in its axes
    (x right, y up, z to the camera).
    """
    ids = jnp.asarray(view_ids)
    to_light = jnp.array([0.0, 0.0, 1.0]) if light_from is None else light_from
    light = _light(to_light, ambient=0.25, specular=0.0)
    groups = _decode(images[:, :, ids], channels, motion_gain)
    x = _assemble(groups, inputs, light if relight else None)
    x = without_local_mean(_standardize(x, mean, std), local_mean)
    return x, jnp.broadcast_to(ids, (len(images), len(view_ids)))


def _augment_view(
    images: UInt[Array, "T H W C"],
    key: Array,
    config: AugmentConfig,
    channels: Sequence[str],
    inputs: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    motion_gain: float | None,
    local_mean: float,
) -> Float[Array, "T H W D"]:
    # Light before geometry, for it needs the normals where they are; noise after it,
    # for resampling would smooth it; erasing last, on what the tower sees.
    keys = jax.random.split(key, 5)
    groups = _decode(images, channels, motion_gain)
    rest = 0.0 if motion_gain is None else _REST
    if "texture" in groups:
        groups["texture"] = _intensity(groups["texture"], keys[0], config, rest)
    light = _random_light(keys[1], config) if config.relight else None
    x = _assemble(groups, inputs, light)
    x = rest + _zoom_and_shift(x - rest, keys[2], config)
    if config.noise:  # drawing a normal for every pixel is worth skipping
        x = x + config.noise * jax.random.normal(keys[3], x.shape)
    x = without_local_mean(_standardize(x, mean, std), local_mean)
    return _erase(x, keys[4], config)


def without_local_mean(
    x: Float[Array, "*batch H W D"], spread: float
) -> Float[Array, "*batch H W D"]:
    """Subtracts from each pixel the Gaussian mean of its neighbourhood.

    The subtractive half of local contrast normalisation (Jarrett et al., "What is the
    best multi-stage architecture for object recognition?", ICCV 2009). Of normals it
    leaves folds and edges, and little of how a head is shaped as a whole.

    Args:
      x: pictures.
      spread: standard deviation of the Gaussian that weighs neighbours, share of the
        picture's side; 0: pictures as they are.
    """
    if not spread:
        return x

    def weights(size: int) -> Array:
        places = jnp.arange(size) / size
        away = places[:, None] - places[None]
        w = jnp.exp(-((away / spread) ** 2) / 2)
        return w / w.sum(axis=1, keepdims=True)

    rows, columns = weights(x.shape[-3]), weights(x.shape[-2])
    along = jnp.einsum("ih,...hwc->...iwc", rows, x)
    return x - jnp.einsum("jw,...iwc->...ijc", columns, along)


def _standardize(x: Array, mean: Sequence[float], std: Sequence[float]) -> Array:
    shape = (1,) * (x.ndim - 1) + (-1,)
    return (x - jnp.reshape(jnp.asarray(mean), shape)) / jnp.reshape(
        jnp.asarray(std), shape
    )


def amplified(x: Any, gain: float) -> Any:
    """Returns a dynamic image in [0, 1] with its motion amplified, within [0, 1].

    Only the outline leaves that range, where the face comes and goes.
    """
    return (_REST + gain * (x - _REST)).clip(0, 1)


def _decode(
    images: Array, channels: Sequence[str], motion_gain: float | None
) -> dict[str, Array]:
    """Channel groups in [0, 1], and the decoded unit normals as "n"."""
    scaled = images.astype(jnp.float32) / jnp.iinfo(images.dtype).max
    if motion_gain is not None:
        scaled = amplified(scaled, motion_gain)
    groups = {name: scaled[..., s] for name, s in channel_slices(channels).items()}
    if "normals" in groups:
        # Background is (0, 0, 0), which would decode to a normal of length 1.7.
        covered = groups["normals"].max(axis=-1, keepdims=True) > 0
        groups["n"] = jnp.where(
            covered, groups["normals"] * (255 / 127) - 127.5 / 127, 0
        )
    return groups


def _assemble(groups: dict[str, Array], inputs: Sequence[str], light) -> Array:
    """Concatenates the model's inputs; with a light, the texture is lit."""
    if light is not None and "texture" in inputs:
        diffuse, highlight = light(groups["n"])
        lit = jnp.clip(groups["texture"] * diffuse + highlight, 0, 1)
        groups = groups | {"texture": lit}
    return jnp.concatenate([groups[name] for name in inputs], axis=-1)


def _light(direction: Array, ambient: Array | float, specular: Array | float):
    """Blinn-Phong light as a function of normals; the viewer is at +z."""
    halfway = direction + jnp.array([0.0, 0.0, 1.0])
    halfway = halfway / jnp.linalg.norm(halfway)

    def light(normals: Array) -> tuple[Array, Array]:
        lambert = jnp.maximum(normals @ direction, 0)[..., None]
        gloss = jnp.maximum(normals @ halfway, 0)[..., None] ** 16
        return ambient + (1 - ambient) * lambert, specular * gloss

    return light


def _random_light(key: Array, config: AugmentConfig):
    """A light drawn evenly over a cone around the camera axis."""
    turn, tilt, dim, gloss = jax.random.uniform(key, (4,))
    # Even over the sphere's cap: z is uniform (Archimedes), an angle would not be.
    lowest = jnp.cos(jnp.deg2rad(config.light_angle_deg))
    z = 1 - tilt * (1 - lowest)
    side = jnp.sqrt(1 - z * z)
    angle = 2 * jnp.pi * turn
    direction = jnp.stack([side * jnp.cos(angle), side * jnp.sin(angle), z])
    return _light(direction, config.ambient * dim, config.specular * gloss)


def _intensity(x: Array, key: Array, config: AugmentConfig, rest: float) -> Array:
    gain, bias = jax.random.uniform(key, (2,), minval=-1, maxval=1)
    # A bias on the background would tell the tower where the face ends.
    covered = x.max(axis=-1, keepdims=True) > 0
    changed = rest + (x - rest) * (1 + config.gain * gain) + config.bias * bias
    return jnp.where(covered, changed, 0)


def _zoom_and_shift(x: Array, key: Array, config: AugmentConfig) -> Array:
    """Bilinear zoom and shift as two matrix products: no gather, TPU-friendly."""
    zoom, dy, dx = jax.random.uniform(key, (3,), minval=-1, maxval=1)
    factor = jnp.exp(config.scale * zoom)

    def resample(size: int, shift: Array) -> Array:
        # About the image's centre, between the two middle pixels.
        target = jnp.arange(size) - (size - 1) / 2
        source = target / factor + (size - 1) / 2 + config.shift * size * shift
        return jnp.maximum(1 - jnp.abs(source[:, None] - jnp.arange(size)[None]), 0)

    rows, columns = resample(x.shape[1], dy), resample(x.shape[2], dx)
    x = jnp.einsum("ih,thwc->tiwc", rows, x)
    return jnp.einsum("jw,tiwc->tijc", columns, x)


def _erase(x: Array, key: Array, config: AugmentConfig) -> Array:
    """Sets one rectangle to 0, the mean of standardised pixels."""
    height, width = x.shape[1:3]
    cy, cx, sy, sx = jax.random.uniform(key, (4,))
    inside_y = jnp.abs(jnp.arange(height) / height - cy) < config.erase * sy / 2
    inside_x = jnp.abs(jnp.arange(width) / width - cx) < config.erase * sx / 2
    return jnp.where((inside_y[:, None] & inside_x[None])[None, ..., None], 0, x)
