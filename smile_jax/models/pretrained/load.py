"""`load_pretrained`: towers, parameters and tokenizer of a published model."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from smile_jax.models.pretrained.adapt import (
    inflate_patches,
    inflate_statistics,
    resize_positions,
)
from smile_jax.models.pretrained.hub import PretrainedError, locate
from smile_jax.models.pretrained.huggingface_config import read_config
from smile_jax.models.pretrained.tokenizer import PretrainedTokenizer
from smile_jax.models.pretrained.weight_names import unused_tensors, weight_table
from smile_jax.models.pretrained.weights import read_weights
from smile_jax.models.pretrained_towers import Towers, TowersConfig


def load_pretrained(
    name_or_dir: str | pathlib.Path,
    *,
    image_size: int | None = None,
    channel_groups: Sequence[int] | None = None,
    dtype: str = "float32",
) -> tuple[Towers, dict[str, Any], PretrainedTokenizer | None]:
    """Loads a model of the Hugging Face layout, exactly and without PyTorch.

    CLIP of any size (OpenAI's, LAION's), SigLIP and SigLIP 2 of fixed resolution, and
    BERT-style sentence encoders, which have a text tower only.

    Args:
      name_or_dir: a hub name, or a folder with config.json, model.safetensors (or
        several with their index) and the tokenizer's files.
      image_size: pixels a side that the vision tower will see, by default those that it
        was trained with. Position embeddings are interpolated.
      channel_groups: channels of each group that it will see, 3 or 1 each: (3, 1, 3) is
        texture, depth, normals. An RGB tower is adapted by `inflate_patches`; by
        default it sees what it was trained on.
      dtype: of activations; parameters are float32.

    Returns:
      The module, its parameters on the host, and the tokenizer (None without a text
      tower).

    Raises:
      PretrainedError: files are missing or of another kind, or tensors are missing,
        unknown or of another shape: all of them are listed.

    Example:
      >>> towers, params, tokenizer = load_pretrained("openai/clip-vit-base-patch32")
      >>> bank = towers.apply(
      ...     {"params": params}, tokenizer(["a happy face"]), method="text_features"
      ... )
    """
    folder = locate(name_or_dir)
    weights = read_weights(folder)
    config = read_config(folder, weights)
    params = params_of(weights, config, folder)
    config, params = _adapt(config, params, image_size, channel_groups)
    towers = Towers(_with_dtype(config, dtype))
    _check_shapes(towers, params, folder)
    tokenizer = PretrainedTokenizer.of_towers(folder, config) if config.text else None
    return towers, traverse_util.unflatten_dict(params, sep="/"), tokenizer


def params_of(
    tensors: dict[str, np.ndarray], config: TowersConfig, where: pathlib.Path | str
) -> dict[str, np.ndarray]:
    """Our parameters, "a/b/c" -> array, from tensors of the Hugging Face layout.

    Raises:
      PretrainedError: listing what is missing and what is unknown.
    """
    tensors = {_modern(name): x for name, x in tensors.items()}
    table = weight_table(config)
    missing = [w.theirs for w in table if w.theirs not in tensors]
    known = {w.theirs for w in table}
    unknown = [n for n in tensors if n not in known and not unused_tensors(n)]
    if missing or unknown:
        raise PretrainedError(
            f"{where}: its tensors are not those of the {config.family} model that its "
            f"config.json describes.{_some('missing', missing)}"
            f"{_some('unknown', unknown)}"
        )
    params: dict[str, np.ndarray] = {}
    for weight in table:
        tensor = tensors[weight.theirs]
        try:
            params |= weight.read(tensor)
        except ValueError as error:
            raise PretrainedError(
                f"{where}: {weight.theirs} has the shape {tensor.shape}, which is not "
                f"that of the model in config.json ({error})"
            ) from error
    return params


def _modern(name: str) -> str:
    """Names of BERT files have changed: a prefix, and TensorFlow's words for norms."""
    name = name.removeprefix("bert.")
    for old, new in (("gamma", "weight"), ("beta", "bias")):
        if name.endswith(f"LayerNorm.{old}"):
            name = name.removesuffix(old) + new
    return name


def _some(what: str, names: list[str]) -> str:
    return f"\n  {what} ({len(names)}): {', '.join(sorted(names))}" if names else ""


def _adapt(
    config: TowersConfig,
    params: dict[str, np.ndarray],
    image_size: int | None,
    groups: Sequence[int] | None,
) -> tuple[TowersConfig, dict[str, np.ndarray]]:
    """Other resolutions and channels; returns the changed config and parameters."""
    if config.vision is None:
        return config, params
    params, v = dict(params), config.vision
    if image_size is not None and image_size != config.image_size:
        side = image_size // v.patch_size
        if not side or (image_size % v.patch_size and not v.crop):
            raise PretrainedError(
                f"image_size {image_size}: not a multiple of the tower's patches of "
                f"{v.patch_size} pixels"
            )
        params["vision/position"] = resize_positions(
            params["vision/position"], (side, side), class_token=v.pool == "class"
        )
        config = dataclasses.replace(config, image_size=image_size)
    if groups is not None and sum(groups) != config.channels:
        if not groups or not set(groups) <= {1, 3} or config.channels != 3:
            raise PretrainedError(
                f"channel_groups {tuple(groups)}: each must be 3 or 1, and the tower, "
                f"which sees {config.channels} channels, one of RGB"
            )
        kernel = "vision/stem/patch/kernel"
        params[kernel] = inflate_patches(params[kernel], groups)
        config = dataclasses.replace(
            config,
            channels=sum(groups),
            mean=inflate_statistics(config.mean, groups),
            std=inflate_statistics(config.std, groups),
        )
    return config, params


def _with_dtype(config: TowersConfig, dtype: str) -> TowersConfig:
    return dataclasses.replace(
        config,
        vision=config.vision and dataclasses.replace(config.vision, dtype=dtype),
        text=config.text and dataclasses.replace(config.text, dtype=dtype),
    )


def _check_shapes(
    towers: Towers, params: dict[str, np.ndarray], folder: pathlib.Path
) -> None:
    size, channels = towers.config.image_size, towers.config.channels
    expected = jax.eval_shape(
        lambda: towers.init(
            jax.random.PRNGKey(0),
            jnp.zeros((1, size, size, channels)),
            jnp.ones((1, max(towers.config.max_tokens, 1)), jnp.int32),
            method="initialize",
        )
    )["params"]
    flat = traverse_util.flatten_dict(expected, sep="/")
    wrong = [
        f"{name} is {params[name].shape}, config.json says {x.shape}"
        for name, x in flat.items()
        if name in params and params[name].shape != x.shape
    ]
    if wrong:
        raise PretrainedError(f"{folder}: wrong shapes: " + "; ".join(wrong))
