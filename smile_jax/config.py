"""Validation of a config, and its translation to the pure code's dataclasses."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from smile_jax.data.augment import AugmentConfig
from smile_jax.data.channels import CHANNELS
from smile_jax.data.fields import DERIVED
from smile_jax.data.pipeline import FaceDataset
from smile_jax.data.prompts import STYLES
from smile_jax.models.transformer import ACTIVATIONS, ATTENTION, REMAT, fits_cudnn
from smile_jax.objectives import OBJECTIVES, SOURCES, Objective, TextSource
from smile_jax.pytree import flatten
from smile_jax.training.optimizer import OptimizerConfig
from smile_jax.training.start import Start
from smile_jax.training.step import StepConfig
from smile_jax.training.tuning import REGIMES, TuneConfig


class ConfigError(ValueError):
    """The config cannot be run; the message lists every problem."""


_CHOICES = {
    "data.clip": ("views", "dynamic"),
    "model.temporal": ("attention", "mean"),
    "model.redundancy": ("whitened", "private", "literal"),
    "model.vision.stem": ("patch", "conv"),
    "model.vision.pool": ("class", "mean", "attention"),
    "model.vision.activation": tuple(ACTIVATIONS),
    "model.vision.dtype": ("float32", "bfloat16"),
    "model.vision.remat": tuple(REMAT),
    "model.vision.attention": ATTENTION,
    "model.text.activation": tuple(ACTIVATIONS),
    "model.text.dtype": ("float32", "bfloat16"),
    "model.text.remat": tuple(REMAT),
    "model.text.attention": ("auto", "xla"),  # its texts are masked
    "objective.name": tuple(OBJECTIVES),
    "text_source": tuple(SOURCES),
    "tune.vision": REGIMES,
    "tune.text": REGIMES,
    "prompts.style": (*STYLES, "all"),
    "loss.alignment_over": ("bank", "pairs"),
    "loss.form": ("auto", "gram", "full"),
    "evaluation.parameters": ("ema", "params"),
}

# key -> (lowest, highest) allowed value
_RANGES = {
    "data.views": (1, 9),
    "data.folds": (2, 1000),
    "augment.erase": (0, 1),
    "augment.patch_dropout": (0, 0.95),
    "augment.ambient": (0, 1),
    "augment.light_angle_deg": (0, 90),
    "optimizer.learning_rate": (0, 10),
    "optimizer.warmup": (0, 0.99),
    "optimizer.ema_decay": (0, 1),
    "tune.last_blocks": (0, 1000),
    "tune.lora_rank": (1, 1 << 14),
    "tune.lora_alpha": (0, 1 << 14),
    "tune.layer_decay": (0, 1),
    "pseudo.warmup": (0, 1),
    "pseudo.momentum": (0, 0.999999),
    "pseudo.temperature": (1e-3, 10),
    "pseudo.sinkhorn_steps": (0, 100),
    "train.micro_batches": (1, 1 << 20),
    "train.batch_size": (2, 1 << 20),
    "train.log_every": (1, 1 << 30),
    "train.checkpoint_every": (1, 1 << 30),
    "train.keep_checkpoints": (1, 1000),
}


def validate(config: ConfigDict, devices: int) -> None:
    """Checks a whole config before anything slow starts.

    A key that does not exist is refused earlier: `experiments.base` returns a locked
    config, which names the nearest key.

    Args:
      config: to run.
      devices: over all processes.

    Raises:
      ConfigError: every problem, each with the key, the value and what is allowed.
    """
    flat = flatten(config.to_dict(), sep=".")
    problems = []
    for key, choices in _CHOICES.items():
        if flat[key] not in choices:
            nearest = difflib.get_close_matches(str(flat[key]), choices, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            problems.append(f"{key}={flat[key]!r}: must be one of {choices}{hint}")
    for key, (low, high) in _RANGES.items():
        if not low <= flat[key] <= high:
            problems.append(f"{key}={flat[key]}: must be between {low} and {high}")
    problems += _joint_problems(config, devices)
    if flat["objective.name"] in OBJECTIVES and flat["text_source"] in SOURCES:
        problems += _objective_problems(config)
    if problems:
        raise ConfigError(_listed(problems))


def scanned_towers(config: ConfigDict) -> tuple[str, ...]:
    """Towers whose blocks the train step holds stacked."""
    return tuple(name for name in ("vision", "text") if config.model[name].scan)


def _joint_problems(c: ConfigDict, devices: int) -> list[str]:
    """What only several keys together can get wrong."""
    problems = []
    if (c.train.steps > 0) == (c.train.epochs > 0):
        problems.append(
            f"train.steps={c.train.steps} and train.epochs={c.train.epochs}: set "
            "exactly one of them and the other to 0"
        )
    if c.train.batch_size % devices:
        lower = c.train.batch_size // devices * devices or devices
        problems.append(
            f"train.batch_size={c.train.batch_size}: not divisible by the {devices} "
            f"devices; use {lower} or {lower + devices}"
        )
    elif c.train.batch_size // devices % c.train.micro_batches:
        problems.append(
            f"train.micro_batches={c.train.micro_batches}: does not divide the "
            f"{c.train.batch_size // devices} examples of a device"
        )
    if not c.data.dir:
        problems.append(
            "data.dir='': set it to a dataset, <data_dir>/<name>/<config>, built with "
            "`tfds build tfds_builders/<name>`"
        )
    if not 0 <= c.data.fold < c.data.folds:
        problems.append(f"data.fold={c.data.fold}: must be 0 to {c.data.folds - 1}")
    unknown = [name for name in c.data.inputs if name not in CHANNELS]
    if unknown or not c.data.inputs:
        problems.append(
            f"data.inputs={tuple(c.data.inputs)}: must name some of {tuple(CHANNELS)}"
        )
    problems += _text_problems(c)
    for tower in ("vision", "text"):
        t = c.model[tower]
        if t.width % t.heads:
            problems.append(
                f"model.{tower}.heads={t.heads}: does not divide width {t.width}"
            )
        if t.scan and c.tune[tower] == "last":
            problems.append(
                f"model.{tower}.scan=True and tune.{tower}='last': a loop treats all "
                f"blocks alike; set model.{tower}.scan=False"
            )
        if t.scan and c.tune.layer_decay != 1 and c.train.shard_moments:
            problems.append(
                f"model.{tower}.scan=True, train.shard_moments=True and "
                f"tune.layer_decay={c.tune.layer_decay}: pieces of stacked blocks have "
                f"one learning rate; set one of them to False, False, 1"
            )
        if t.attention == "cudnn" and not fits_cudnn(t):
            problems.append(
                f"model.{tower}.attention='cudnn': it knows bfloat16 and heads of 8, "
                f"16, ... 128, not {t.dtype} and {t.width // t.heads}; set 'auto'"
            )
    if len(set(c.data.classes)) < 2:
        problems.append(f"data.classes={tuple(c.data.classes)}: name at least 2")
    return problems


def _objective_problems(c: ConfigDict) -> list[str]:
    """What the method and its text source do not go together with."""
    source = source_class(c)
    objective = make_objective(c, num_prompts=len(c.data.classes))
    problems = objective.problems(source())
    if c.data.views < objective.min_views:
        problems.append(
            f"data.views={c.data.views}: objective.name={c.objective.name!r} needs 2 "
            "views, or loss.decorrelation=0"
        )
    known = c.model.start_from or c.model.pretrained
    if source.makes_targets and not known:
        problems.append(
            f"text_source={source.name!r}: the targets are the model's own zero-shot "
            "guesses, and this one knows nothing yet; set model.pretrained or "
            "model.start_from"
        )
    if source.makes_targets and c.model.pretrained_text:
        problems.append(
            f"model.pretrained_text={c.model.pretrained_text!r} and "
            f"text_source={source.name!r}: images do not know that tower's space yet, "
            "and guesses mean nothing; train with labels or captions, then set "
            "model.start_from"
        )
    if source.makes_targets and c.tune.text != "frozen":
        problems.append(
            f"text_source={source.name!r} and tune.text={c.tune.text!r}: guesses would "
            "chase prompts that move; use tune.text='frozen'"
        )
    if c.prompts.view_aware and (source.own_texts or c.loss.alignment_over == "pairs"):
        problems.append(
            "prompts.view_aware=True: captions and pairs have one text for all views"
        )
    return problems


def _text_problems(c: ConfigDict) -> list[str]:
    problems = []
    if c.model.start_from and (c.model.pretrained or c.model.pretrained_text):
        problems.append(
            "model.start_from and model.pretrained(_text) are both set: a run's towers "
            "come from one of them"
        )
    p = c.pseudo
    frequencies = tuple(p.frequencies)
    fits = len(frequencies) == len(c.data.classes) and min(frequencies, default=0) > 0
    if frequencies and not (fits and abs(sum(frequencies) - 1) < 1e-3):
        problems.append(
            f"pseudo.frequencies={frequencies}: must be positive, one for each of the "
            f"{len(c.data.classes)} data.classes, and sum to 1"
        )
    if p.sinkhorn_steps and not p.align:
        problems.append(
            f"pseudo.sinkhorn_steps={p.sinkhorn_steps} and pseudo.align=False: "
            "balancing needs frequencies to balance to"
        )
    return problems


def validate_against(config: ConfigDict, dataset: FaceDataset) -> None:
    """Checks what depends on the dataset.

    Raises:
      ConfigError: classes, channels or views that the dataset does not have.
    """
    problems = []
    for what, asked, there in (
        ("data.classes", config.data.classes, dataset.classes),
        ("data.inputs", config.data.inputs, dataset.channels),
    ):
        missing = [name for name in asked if name not in there]
        unlabelled = what == "data.classes" and not there
        if missing and not (unlabelled and not sees_labelled_only(config)):
            problems.append(
                f"{what}: {missing} are not in the dataset, which has {there}"
            )
    if config.data.views > len(dataset.yaws_deg):
        problems.append(
            f"data.views={config.data.views}: the dataset has {len(dataset.yaws_deg)}"
        )
    if config.data.clip not in dataset.clips:
        problems.append(
            f"data.clip={config.data.clip!r}: the dataset has {dataset.clips}; build "
            "it with frames > 0 for 'views', with dynamic=True for 'dynamic'"
        )
    for name in needs(config):
        if name not in (*DERIVED, *dataset.stored):
            problems.append(
                f"objective.name={config.objective.name!r}: needs {name!r}, which the "
                f"records of {dataset.path} lack; they have "
                f"{', '.join(sorted(dataset.stored))}"
            )
    if source_class(config).own_texts and dataset.captions is None:
        problems.append(
            f"text_source={config.text_source!r}: the dataset at {dataset.path} has no "
            "captions; build it with captions=True in its config"
        )
    if config.augment.relight and config.data.clip == "dynamic":
        problems.append(
            "augment.relight=True: rank-pooled normals are no surface; set "
            "augment.relight=False with data.clip='dynamic'"
        )
    if config.augment.relight and "texture" in config.data.inputs:
        needed = {"texture", "normals"} - set(dataset.channels)
        if needed:
            problems.append(
                f"augment.relight=True: needs the channels {sorted(needed)}, which the "
                f"dataset at {dataset.path} lacks; set augment.relight=False"
            )
    if problems:
        raise ConfigError(_listed(problems))


def step_config(
    config: ConfigDict,
    dataset: FaceDataset,
    start: Start,
    clip_shape: tuple[int, ...],
) -> StepConfig:
    """What the train step needs to know; `clip_shape` is (T, V, H, W, C)."""
    patches = start.model.vision.patches(*clip_shape[2:4])
    return StepConfig(
        augment=AugmentConfig(**config.augment.to_dict()),
        channels=dataset.channels,
        inputs=tuple(config.data.inputs),
        mean=start.mean,
        std=start.std,
        num_views=config.data.views,
        teacher_views=dataset.spread_views(config.data.views),
        train_text=tune_config(config).text != "frozen",
        ema_decay=config.optimizer.ema_decay,
        from_random=not (config.model.start_from or config.model.pretrained),
        clip_norm=config.optimizer.clip_norm,
        micro_batches=config.train.micro_batches,
        shard_moments=config.train.shard_moments,
        patches=patches,
        kept_patches=max(1, round((1 - config.augment.patch_dropout) * patches)),
    )


def by_field_name(kind: type, *values: Mapping[str, Any]) -> Any:
    """A dataclass whose fields are taken from mappings, the last one first."""
    given: dict[str, Any] = {}
    for mapping in values:
        given |= mapping
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in given.items() if name in names})


def make_objective(config: ConfigDict, *, num_prompts: int) -> Objective:
    """The method that a config names, for a bank of so many prompts."""
    return by_field_name(
        OBJECTIVES[config.objective.name],
        config.loss.to_dict(),
        {
            "redundancy_mode": config.model.redundancy,
            "projector_dim": config.model.projector_dim,
            "num_classes": len(config.data.classes),
            "num_prompts": num_prompts,
        },
    )


def source_class(config: ConfigDict) -> type[TextSource]:
    """The kind of text source that a config names."""
    return SOURCES[config.text_source]


def make_source(config: ConfigDict, steps: int) -> TextSource:
    """The text source that a config names, of a run of so many steps."""
    warmup = {"warmup_steps": round(config.pseudo.warmup * steps)}
    return by_field_name(source_class(config), config.pseudo.to_dict(), warmup)


def needs(config: ConfigDict) -> set[str]:
    """Fields of a batch that its method and text source ask for."""
    return {*OBJECTIVES[config.objective.name].needs, *source_class(config).needs()}


def uses_labels(config: ConfigDict) -> bool:
    """Whether a run learns from labels of training subjects."""
    method = OBJECTIVES[config.objective.name]
    return method.uses_labels or source_class(config).uses_labels


def sees_labelled_only(config: ConfigDict) -> bool:
    """Whether a run sees clips of `data.classes` alone: each needs its class."""
    method = OBJECTIVES[config.objective.name]
    return "label" in method.needs or source_class(config).uses_labels


def tune_config(config: ConfigDict) -> TuneConfig:
    """What trains. Without text the text tower has no gradient, so it is frozen."""
    tune = config.tune
    text = tune.text if source_class(config).has_text else "frozen"
    return TuneConfig(tune.vision, text, tune.last_blocks, tune.layer_decay)


def optimizer_config(config: ConfigDict) -> OptimizerConfig:
    """The update rule that a config describes."""
    fields = config.optimizer.to_dict()
    del fields["ema_decay"], fields["clip_norm"]
    return OptimizerConfig(**fields)


def _listed(problems: list[str]) -> str:
    return "the config has problems:\n  " + "\n  ".join(sorted(problems))
