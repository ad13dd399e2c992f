"""Validation of a config, and its translation to the pure code's dataclasses."""

import difflib
from typing import Any

from ml_collections import ConfigDict

from smile_jax.data.augment import AugmentConfig
from smile_jax.data.channels import CHANNELS
from smile_jax.data.pipeline import FaceDataset
from smile_jax.data.prompts import STYLES
from smile_jax.losses import LossWeights
from smile_jax.models.transformer import ACTIVATIONS, ATTENTION, REMAT, fits_cudnn
from smile_jax.training.optimizer import OptimizerConfig
from smile_jax.training.start import Start
from smile_jax.training.step import PseudoConfig, StepConfig
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
    "text_source": ("weak", "captions", "pseudo", "none"),
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
    flat = flatten(config.to_dict())
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
    if c.data.views < 2 and c.loss.decorrelation:
        problems.append("data.views=1: term 1 needs 2 views, or loss.decorrelation=0")
    if len(set(c.data.classes)) < 2:
        problems.append(f"data.classes={tuple(c.data.classes)}: name at least 2")
    if c.text_source == "none" and not c.loss.decorrelation:
        problems.append("text_source='none' and loss.decorrelation=0: nothing to learn")
    return problems


def _text_problems(c: ConfigDict) -> list[str]:
    problems = []
    if c.model.start_from and (c.model.pretrained or c.model.pretrained_text):
        problems.append(
            "model.start_from and model.pretrained(_text) are both set: a run's towers "
            "come from one of them"
        )
    known = c.model.start_from or c.model.pretrained
    if c.text_source == "pseudo" and not known:
        problems.append(
            "text_source='pseudo': the targets are the model's own zero-shot guesses, "
            "and this one knows nothing yet; set model.pretrained or model.start_from"
        )
    if c.text_source == "pseudo" and c.model.pretrained_text:
        problems.append(
            f"model.pretrained_text={c.model.pretrained_text!r} and "
            "text_source='pseudo': images do not know that tower's space yet, and "
            "guesses mean nothing; train with labels or captions, then set "
            "model.start_from"
        )
    if c.text_source == "pseudo" and c.tune.text != "frozen":
        problems.append(
            f"text_source='pseudo' and tune.text={c.tune.text!r}: guesses would chase "
            "prompts that move; use tune.text='frozen'"
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
    if c.prompts.view_aware and (
        c.text_source == "captions" or c.loss.alignment_over == "pairs"
    ):
        problems.append(
            "prompts.view_aware=True: captions and pairs have one text for all views"
        )
    if c.text_source == "pseudo" and c.loss.alignment_over == "pairs":
        problems.append(
            "loss.alignment_over='pairs' and text_source='pseudo': guesses are over "
            "the bank; use loss.alignment_over='bank'"
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
        if missing and not (unlabelled and config.text_source != "weak"):
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
    if config.text_source == "captions" and dataset.captions is None:
        problems.append(
            f"text_source='captions': the dataset at {dataset.path} has no captions; "
            "build it with captions=True in its config"
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
    steps: int,
) -> StepConfig:
    """What the train step needs to know; `clip_shape` is (T, V, H, W, C)."""
    loss, pseudo = config.loss.to_dict(), config.pseudo.to_dict()
    pairs = loss.pop("alignment_over") == "pairs"
    warmup_steps = round(pseudo.pop("warmup") * steps)
    patches = start.model.vision.patches(*clip_shape[2:4])
    return StepConfig(
        augment=AugmentConfig(**config.augment.to_dict()),
        loss=LossWeights(**loss, pairs=pairs, redundancy_mode=start.model.redundancy),
        pseudo=PseudoConfig(**pseudo, warmup_steps=warmup_steps),
        channels=dataset.channels,
        inputs=tuple(config.data.inputs),
        mean=start.mean,
        std=start.std,
        num_views=config.data.views,
        teacher_views=dataset.spread_views(config.data.views),
        text_source=config.text_source,
        train_text=tune_config(config).text != "frozen",
        ema_decay=config.optimizer.ema_decay,
        from_random=not (config.model.start_from or config.model.pretrained),
        clip_norm=config.optimizer.clip_norm,
        micro_batches=config.train.micro_batches,
        shard_moments=config.train.shard_moments,
        patches=patches,
        kept_patches=max(1, round((1 - config.augment.patch_dropout) * patches)),
    )


def tune_config(config: ConfigDict) -> TuneConfig:
    """What trains. Without text the text tower has no gradient, so it is frozen."""
    tune = config.tune
    text = "frozen" if config.text_source == "none" else tune.text
    return TuneConfig(tune.vision, text, tune.last_blocks, tune.layer_decay)


def optimizer_config(config: ConfigDict) -> OptimizerConfig:
    """The update rule that a config describes."""
    fields = config.optimizer.to_dict()
    del fields["ema_decay"], fields["clip_norm"]
    return OptimizerConfig(**fields)


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _listed(problems: list[str]) -> str:
    return "the config has problems:\n  " + "\n  ".join(sorted(problems))
