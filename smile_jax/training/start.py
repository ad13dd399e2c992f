"""What a run's model is made of and starts from: fresh, published weights, a run."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from ml_collections import ConfigDict

from smile_jax.data.channels import CHANNELS
from smile_jax.models import (
    EncoderConfig,
    HashTokenizer,
    PretrainedTokenizer,
    TextConfig,
    VisionConfig,
    load_pretrained,
)
from smile_jax.models import tokenizer as hash_tokenizer
from smile_jax.models.encoder import PARTS
from smile_jax.models.pretrained import inflate_statistics
from smile_jax.objectives import SOURCES
from smile_jax.pytree import flatten
from smile_jax.training.checkpoints import Checkpoints
from smile_jax.training.versions import upgrade

# RGB pixels in [0, 1] become (x - 0.5) / 0.25 for towers from scratch (this project's
# choice).
_MEAN, _STD = (0.5,) * 3, (0.25,) * 3

# It depends on the cameras, so another run's may not fit. (Heads are a method's: they
# are taken where they fit.)
_REPLACEABLE = "fusion/view_embedding/"


# Keys of a tower's config that change what a step costs and not what it computes.
COMPUTED = ("remat", "scan", "attention")


class Tokenizer(Protocol):
    """Texts to ids; `save` writes its files into a folder."""

    def __call__(self, texts: Sequence[str]) -> np.ndarray: ...
    def save(self, folder: pathlib.Path) -> None: ...


@dataclasses.dataclass(frozen=True)
class Start:
    """What `build` needs beside the config and the plan.

    Attributes:
      model: the whole model's config.
      tokenizer: of its text tower.
      mean, std: of each input channel, pixels in [0, 1].
      params: "a/b/c" -> array of the parameters that are not random at the start.
      sources: lines on where they are from, for the plan.
      labels_seen: `FaceDataset.people` -> subjects whose labels went into them.
    """

    model: EncoderConfig
    tokenizer: Tokenizer
    mean: tuple[float, ...]
    std: tuple[float, ...]
    params: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    sources: tuple[str, ...] = ()
    labels_seen: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What checkpoints keep: not how a model is computed, which may change, and not
        the tokenizer, which is in the workdir."""
        model = dataclasses.asdict(self.model)
        for tower in ("vision", "text"):
            for key in COMPUTED:
                del model[tower][key]
        return {"model": model, "mean": list(self.mean), "std": list(self.std)}


def make_start(config: ConfigDict, *, num_views: int, image_size: int) -> Start:
    """What a fresh run starts from.

    Args:
      config: `model.start_from`, `model.pretrained`, `model.pretrained_text` say.
      num_views: cameras of the dataset.
      image_size: pixels a side.

    Raises:
      PretrainedError, CheckpointError, ValueError: naming what cannot be used.
    """
    m, groups = config.model, [CHANNELS[name] for name in config.data.inputs]
    model = EncoderConfig(
        vision=VisionConfig(**m.vision.to_dict()),
        text=TextConfig(**m.text.to_dict()),
        num_views=num_views,
        temporal=m.temporal,
        embed_dim=m.embed_dim,
        private=m.redundancy == "private",
        logit_scale_init=m.logit_scale_init,
    )
    start = Start(
        model,
        HashTokenizer(m.text.context_length, m.text.vocab_size),
        inflate_statistics(_MEAN, groups),
        inflate_statistics(_STD, groups),
    )
    if m.start_from:
        start = _from_run(start, config, sum(groups))
    if m.pretrained:
        start = _with_towers(start, m.pretrained, image_size, groups)
    if m.pretrained_text:
        start = _with_text(start, m.pretrained_text)
    return dataclasses.replace(start, model=_as_tuned(start.model, config))


def stored_start(info: dict[str, Any], workdir: pathlib.Path) -> Start:
    """The same, of a run that has a checkpoint: its parameters are in there.

    Args:
      info: of the checkpoint or export, upgraded.
      workdir: it has the tokenizer.
    """
    model = dict(info["model"])
    model["vision"] = VisionConfig(**model["vision"])
    model["text"] = TextConfig(**model["text"])
    tokenizer = load_tokenizer(workdir / "tokenizer")
    mean, std = tuple(info["mean"]), tuple(info["std"])
    seen = info["labels_seen"]
    return Start(EncoderConfig(**model), tokenizer, mean, std, labels_seen=seen)


def load_tokenizer(folder: pathlib.Path) -> Tokenizer:
    """Reads what a tokenizer's `save` wrote."""
    if (folder / hash_tokenizer.FILE).is_file():
        return HashTokenizer.load(folder)
    return PretrainedTokenizer.load(folder)


def merge_lora(
    start: Start, params: dict[str, np.ndarray]
) -> tuple[Start, dict[str, np.ndarray]]:
    """The same model without LoRA: each kernel plus its A B alpha / rank."""
    merged = dict(params)
    towers = {"vision": start.model.vision, "text": start.model.text}
    for name in [k for k in params if k.endswith("/lora_a")]:
        stem = name.removesuffix("lora_a")
        tower = towers[name.split("/")[0]]
        product = merged.pop(name) @ merged.pop(stem + "lora_b")
        scale = tower.lora_alpha / tower.lora_rank
        merged[stem + "kernel"] = merged[stem + "kernel"] + scale * product
    model = dataclasses.replace(
        start.model,
        vision=dataclasses.replace(start.model.vision, lora_rank=0),
        text=dataclasses.replace(start.model.text, lora_rank=0),
    )
    return dataclasses.replace(start, model=model), merged


def overlay(
    params: dict[str, np.ndarray], start: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Fresh flat parameters with those of the start in their places.

    Raises:
      ValueError: naming parameters that do not fit.
    """
    wrong = []
    for name, value in start.items():
        if name in params and params[name].shape == value.shape:
            params = params | {name: np.asarray(value, params[name].dtype)}
        elif name.split("/")[0] in PARTS and not name.startswith(_REPLACEABLE):
            ours = params[name].shape if name in params else "not in this model"
            wrong.append(f"{name}: {value.shape} does not fit ({ours})")
    if wrong:
        raise ValueError(
            "parameters to start from do not fit this run's model:\n  "
            + "\n  ".join(wrong)
        )
    return params


def _with_towers(
    start: Start, name: str, image_size: int, groups: Sequence[int]
) -> Start:
    """Both towers of a CLIP or SigLIP."""
    towers, params, tokenizer = load_pretrained(
        name, image_size=image_size, channel_groups=groups
    )
    c = towers.config
    if not c.paired or c.vision is None or c.text is None or tokenizer is None:
        raise ValueError(
            f"model.pretrained={name!r}: a {c.family} model with one tower; name a "
            "CLIP or SigLIP, or set model.pretrained_text for a text tower alone"
        )
    if start.model.private:
        raise ValueError(
            "model.redundancy='private' halves the fused feature, which the projection "
            f"of model.pretrained={name!r} does not; use 'whitened' or 'literal'"
        )
    model = dataclasses.replace(
        start.model,
        vision=c.vision,
        text=c.text,
        embed_dim=c.embed_dim,
        joint_projection=c.visual_projection,
        logit_bias=c.logit_bias,
    )
    return Start(
        model,
        tokenizer,
        c.mean,
        c.std,
        flatten(params),
        (f"towers of {name} ({c.family})",),
    )


def _with_text(start: Start, name: str) -> Start:
    """A text tower in place of the other; the joint space becomes its own."""
    towers, params, tokenizer = load_pretrained(name)
    c = towers.config
    if c.text is None or tokenizer is None:
        raise ValueError(f"model.pretrained_text={name!r}: it has no text tower")
    kept = {
        key: value
        for key, value in start.params.items()
        if not key.startswith(("text/", "joint_head/", "logit_"))
    }
    text = {k: x for k, x in flatten(params).items() if k.startswith("text/")}
    model = dataclasses.replace(
        start.model,
        text=c.text,
        embed_dim=c.embed_dim,
        joint_projection=True,
        logit_bias=False,
    )
    return dataclasses.replace(
        start,
        model=model,
        tokenizer=tokenizer,
        params=kept | text,
        sources=(*start.sources, f"text tower of {name} ({c.family})"),
    )


def _from_run(start: Start, config: ConfigDict, channels: int) -> Start:
    """The averaged parameters, towers and tokenizer of another run."""
    workdir = pathlib.Path(config.model.start_from)
    checkpoints = Checkpoints.open(workdir)
    try:
        state, info = checkpoints.restore_raw()
    finally:
        checkpoints.close()
    info = upgrade(info, workdir)
    other, params = merge_lora(
        stored_start(info, workdir), flatten(state["params"]) | flatten(state["ema"])
    )
    if len(other.mean) != channels:
        raise ValueError(
            f"model.start_from={str(workdir)!r}: its model sees {len(other.mean)} "
            f"channels, this run's data.inputs have {channels}"
        )
    guesses = SOURCES[config.text_source].makes_targets
    if guesses and not SOURCES[info["text_source"]].has_text:
        raise ValueError(
            f"model.start_from={str(workdir)!r}: that run learned without text, so its "
            "zero-shot guesses mean nothing; start from one that knows prompts"
        )
    model = dataclasses.replace(
        other.model,
        num_views=start.model.num_views,
        private=start.model.private,
    )
    return Start(
        model,
        other.tokenizer,
        other.mean,
        other.std,
        params,
        (f"{workdir}, step {int(state['step'])}",),
        other.labels_seen,
    )


def _as_tuned(model: EncoderConfig, config: ConfigDict) -> EncoderConfig:
    """What the config says of a tower wherever it is from."""
    tune = config.tune

    def adapt(name: str) -> Any:
        return dataclasses.replace(
            getattr(model, name),
            dtype=config.model[name].dtype,
            lora_rank=tune.lora_rank if tune[name] == "lora" else 0,
            lora_alpha=tune.lora_alpha,
        )

    model = dataclasses.replace(model, vision=adapt("vision"), text=adapt("text"))
    return as_computed(model, config)


def as_computed(model: EncoderConfig, config: ConfigDict) -> EncoderConfig:
    """The same model, computed as the config says: what a run may change on its way."""

    def adapt(name: str) -> Any:
        how = {key: config.model[name][key] for key in COMPUTED}
        return dataclasses.replace(getattr(model, name), **how)

    return dataclasses.replace(model, vision=adapt("vision"), text=adapt("text"))
