"""A model as a run has it: settings, tokenizer, statistics; and reading it back."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from smile_jax.config import Config
from smile_jax.config.factories import views_seen
from smile_jax.core.pytree import merge
from smile_jax.data.augment import plain_clips
from smile_jax.data.dataset import spread_views
from smile_jax.models import (
    EncoderConfig,
    HashTokenizer,
    PretrainedTokenizer,
    hash_tokenizer,
)
from smile_jax.training.checkpoints import Checkpoints
from smile_jax.training.run_info import RunInfo


class Tokenizer(Protocol):
    """Texts to ids."""

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns (n, L) ids, padded."""

    def save(self, folder: pathlib.Path) -> None:
        """Writes its files into a folder."""


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A model's settings, and those parameters that do not start at random.

    Attributes:
      model: its settings.
      tokenizer: of its text tower.
      mean, std: of each input channel, pixels in [0, 1].
      params: "a/b/c" -> array of the parameters that are not random at the start.
      sources: lines on where they are from, for the terminal.
      labels_seen: `FaceDataset.people` -> subjects whose labels went into them.
    """

    model: EncoderConfig
    tokenizer: Tokenizer
    mean: tuple[float, ...]
    std: tuple[float, ...]
    params: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    sources: tuple[str, ...] = ()
    labels_seen: dict[str, list[str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class StoredModel:
    """A run's model and the run's description of itself.

    Neither its dataset nor its method is needed to read it.

    Attributes:
      info: of its newest readable checkpoint.
      spec: of the model.
      averaged, last: nested parameters on the host; averages where there are some.
      step: at which they were.
    """

    info: RunInfo
    spec: ModelSpec
    averaged: dict[str, Any]
    last: dict[str, Any]
    step: int


def read_model(workdir: pathlib.Path) -> StoredModel:
    """Reads a run's newest checkpoint.

    Raises:
      CheckpointError: there is none that this version can use.
    """
    checkpoints = Checkpoints.open(workdir)
    try:
        state, stored = checkpoints.restore_raw()
    finally:
        checkpoints.close()
    info = RunInfo.from_json(stored, workdir)
    averaged = merge(state["params"], state["ema"])
    step = int(state["step"])
    return StoredModel(
        info, stored_spec(info, workdir), averaged, state["params"], step
    )


def stored_spec(info: RunInfo, folder: pathlib.Path) -> ModelSpec:
    """The spec of a run or an export, whose parameters are elsewhere.

    Args:
      info: of the checkpoint or export.
      folder: it has the tokenizer.
    """
    tokenizer = load_tokenizer(folder / "tokenizer")
    seen = info.labels_seen
    return ModelSpec(info.model, tokenizer, info.mean, info.std, labels_seen=seen)


def motion_gain(config: Config) -> float | None:
    """Returns the gain of the clips that a run sees; None for frames."""
    return config.data.dynamic_gain if config.data.clip == "dynamic" else None


def plain_view(
    config: Config,
    spec: ModelSpec,
    yaws_deg: Sequence[float],
    channels: Sequence[str],
    views: int = 0,
) -> functools.partial:
    """Returns `augment.plain_clips` with a run's channels and statistics.

    Args:
      config: of the run.
      spec: of the run's model.
      yaws_deg: cameras of the stored views.
      channels: channel groups of the stored pixels.
      views: that are looked at; 0: as many as outside training.
    """
    return functools.partial(
        plain_clips,
        view_ids=spread_views(yaws_deg, views or views_seen(config)),
        channels=channels,
        inputs=config.data.inputs,
        relight=config.augment.relight,
        mean=spec.mean,
        std=spec.std,
        motion_gain=motion_gain(config),
        local_mean=config.data.local_mean,
    )


def load_tokenizer(folder: pathlib.Path) -> Tokenizer:
    """Reads what a tokenizer's `save` wrote."""
    if (folder / hash_tokenizer.FILE).is_file():
        return HashTokenizer.load(folder)
    return PretrainedTokenizer.load(folder)


def merge_lora(
    spec: ModelSpec, params: dict[str, np.ndarray]
) -> tuple[ModelSpec, dict[str, np.ndarray]]:
    """Returns the same model without LoRA: each kernel plus its A B alpha / rank."""
    merged = dict(params)
    towers = {"vision": spec.model.vision, "text": spec.model.text}
    for name in [k for k in params if k.endswith("/lora_a")]:
        stem = name.removesuffix("lora_a")
        tower: Any = towers[name.split("/")[0]]
        product = merged.pop(name) @ merged.pop(stem + "lora_b")
        scale = tower.lora_alpha / tower.lora_rank
        merged[stem + "kernel"] = merged[stem + "kernel"] + scale * product
    model = dataclasses.replace(
        spec.model, **{name: x.replace(lora_rank=0) for name, x in towers.items()}
    )
    return dataclasses.replace(spec, model=model), merged
