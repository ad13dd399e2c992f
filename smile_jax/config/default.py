"""Every key: its default, meaning, unit and what it may be. Nowhere else is a default.

`get_config` gives them as the ConfigDict that experiments change and the command line
overrides; `typed` turns that into the frozen dataclasses below, which code reads.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict


class ConfigError(ValueError):
    """The config cannot be run; the message lists every problem."""


def key(
    default: Any,
    meaning: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A key of the config.

    Args:
      default: with it the key means what a reader would expect, or is switched off.
      meaning: with unit.
      low, high: smallest and largest value of a number.
      above: in place of `low`, where that value itself is not allowed.
      choices: all values of a word.
    """
    about = {"meaning": meaning, "low": low, "high": high, "above": above}
    metadata = about | {"choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


_ACTIVATIONS = ("gelu", "gelu_tanh", "quick_gelu", "relu")
_DTYPES = ("float32", "bfloat16")
_REMAT = ("none", "cheap", "full")
_REGIMES = ("frozen", "last", "lora", "full")


@dataclasses.dataclass(frozen=True)
class DataKeys:
    """Which clips a run sees."""

    dir: str = key("", "<data_dir>/<name>/<config> of a built dataset")
    clip: str = key(
        "views", "feature to train on: frames, or one dynamic image a clip",
        choices=("views", "dynamic"),
    )  # fmt: skip
    frames: int = key(
        0, "T, taken of those that each record holds; 0: all of them", low=0, high=64
    )
    sampling: str = key(
        "even", "over the clip, or with the frame of most motion in the middle",
        choices=("even", "apex"),
    )  # fmt: skip
    crops: int = key(
        1, "windows of each clip, that term 1 compares as it does views", low=1, high=4
    )
    moments: bool = key(
        False, "the windows are four frames: two near each other, two far from those"
    )
    dynamic_gain: float = key(
        16.0, "of dynamic images: how much what moves is amplified", low=1, high=1024
    )
    classes: tuple[str, ...] = key(
        ("anger", "disgust", "fear", "happy", "sad", "surprise"), "of the dataset"
    )
    inputs: tuple[str, ...] = key(
        ("texture", "depth", "normals"), "channel groups that the model sees"
    )
    person_block: int = key(
        1, "clips of one person in a row in each batch; 1: all shuffled", low=1
    )
    views: int = key(3, "V, views of a step, drawn from the dataset's", low=1, high=9)
    people: int = key(
        0, "of the dataset, drawn by fold_seed, as in protocols of 60 of 100; 0: all",
        low=0,
    )  # fmt: skip
    intensities: tuple[int, ...] = key((), "of the clips that are seen; (): all")
    complete_people: bool = key(
        False, "only people who show every one of data.classes, as Bosphorus' 65"
    )
    transductive: bool = key(
        False, "pretraining sees the people of data.fold too, without their labels"
    )
    train_people: int = key(
        0, "of those who may be trained on, drawn by seed, whose clips training and "
        "probes see; 0: all", low=0,
    )  # fmt: skip
    folds: int = key(
        5, "subject-independent test folds; as many as people: one is left out", low=2,
        high=1000,
    )  # fmt: skip
    folds_from: str = key(
        "", "number of the records that is each person's fold, as 4DME's 'fold'; '': "
        "people are shuffled"
    )  # fmt: skip
    fold: int = key(0, "the fold that is held out, 0 to folds - 1", low=0, high=999)
    fold_seed: int = key(0, "of the assignment of subjects to folds", low=0)
    validation_fold: int = key(
        -1, "a fold held out too, for train.evaluate_every; -1: none", low=-1, high=999
    )
    threads: int = key(2, "that read and decode in the training process", low=1)
    workers: int = key(0, "processes that read and decode, 0 for none", low=0)


@dataclasses.dataclass(frozen=True)
class AugmentKeys:
    """Changes of pixels in training (`smile_jax.data.augment`); 0 switches one off."""

    scale: float = key(
        0.1, "zoom in or out, natural logarithm of the largest factor", low=0, high=2
    )
    shift: float = key(0.06, "share of the image, each way", low=0, high=1)
    gain: float = key(0.2, "relative intensity of the texture", low=0, high=1)
    bias: float = key(0.1, "of the texture, pixels in [0, 1]", low=0, high=1)
    noise: float = key(0.03, "standard deviation, pixels in [0, 1]", low=0, high=1)
    erase: float = key(
        0.35, "largest side of the erased rectangle, share of the image", low=0, high=1
    )
    speed: float = key(
        0.0, "of frames, a window of exp(-speed) of a clip's seconds or more", low=0,
        high=4,
    )  # fmt: skip
    phase: float = key(
        0.0, "frames earlier or later, share of half the time between them", low=0,
        high=1,
    )  # fmt: skip
    copies: int = key(
        1, "of each view, augmented each on its own: methods compare them as views",
        low=1, high=8,
    )  # fmt: skip
    patch_dropout: float = key(
        0.0, "share of the patches that the tower does not see", low=0, high=0.95
    )
    relight: bool = key(True, "light the texture from the normals")
    light_angle_deg: float = key(
        60.0, "largest angle between light and camera, degrees", low=0, high=90
    )
    ambient: float = key(0.5, "largest ambient share", low=0, high=1)
    specular: float = key(0.3, "largest strength of the highlight", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class VisionKeys:
    """The vision tower; sizes are of one from scratch only."""

    kind: str = key("vit", "of tower: 'vit' or 'conv'")
    patch_size: int = key(16, "pixels", low=1, high=1024)
    width: int = key(384, "of a token, or of the last layer", low=1, high=1 << 16)
    depth: int = key(12, "blocks", low=1, high=1000)
    heads: int = key(6, "of attention", low=1, high=1024)
    mlp_width: int = key(1536, "hidden units", low=1, high=1 << 18)
    stem: str = key(
        "patch", "CLIP's, or convolutions, which learn faster on little data",
        choices=("patch", "conv"),
    )  # fmt: skip
    pool: str = key(
        "class", "tokens to a feature", choices=("class", "mean", "attention")
    )
    activation: str = key("gelu", "of MLPs", choices=_ACTIVATIONS)
    pre_norm: bool = key(True, "CLIP's norm before the first block")
    dtype: str = key("float32", "of activations", choices=_DTYPES)
    remat: str = key("none", "what the backward pass recomputes", choices=_REMAT)
    scan: bool = key(False, "all blocks but the last as one loop to the compiler")
    attention: str = key(
        "auto", "fused on NVIDIA ('cudnn'), or which fits",
        choices=("auto", "xla", "cudnn"),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TextKeys:
    """The text tower; sizes are of one from scratch only."""

    vocab_size: int = key(16384, "ids that words are hashed to", low=16, high=1 << 24)
    context_length: int = key(32, "tokens (words)", low=2, high=1 << 16)
    width: int = key(128, "of a token", low=1, high=1 << 16)
    depth: int = key(2, "blocks", low=1, high=1000)
    heads: int = key(4, "of attention", low=1, high=1024)
    mlp_width: int = key(512, "hidden units", low=1, high=1 << 18)
    activation: str = key("gelu", "of MLPs", choices=_ACTIVATIONS)
    dtype: str = key("float32", "of activations", choices=_DTYPES)
    remat: str = key("none", "what the backward pass recomputes", choices=_REMAT)
    scan: bool = key(False, "all blocks but the last as one loop to the compiler")
    attention: str = key(
        "auto", "its texts are masked, so never fused", choices=("auto", "xla")
    )


@dataclasses.dataclass(frozen=True)
class ModelKeys:
    """The model: its parts and where their parameters start from."""

    temporal: str = key(
        "attention", "how frames become one feature: a kind of models/temporal.py"
    )
    temporal_depth: int = key(2, "blocks of temporal='transformer'", low=1, high=1000)
    temporal_heads: int = key(4, "of its attention", low=1, high=1024)
    cross_view: bool = key(False, "views attend to each other before they are fused")
    projector_dim: int = key(1024, "D; keep it at most 8 batches", low=1, high=1 << 20)
    embed_dim: int = key(256, "E, joint space", low=1, high=1 << 16)
    logit_scale_init: float = key(
        1 / 0.07, "exp(logit_scale) at the start", low=1, high=100
    )
    redundancy: str = key(
        "whitened", "reading of term 3; of captions: 'actions'",
        choices=("whitened", "private", "literal", "actions"),
    )  # fmt: skip
    pretrained: str = key(
        "", "CLIP or SigLIP, hub name or folder: both towers, their sizes"
    )
    pretrained_text: str = key(
        "", "text tower alone, e.g. a MiniLM; embed_dim becomes its own"
    )
    start_from: str = key(
        "", "workdir of a run whose towers and parameters this one takes"
    )
    vision: VisionKeys = dataclasses.field(default_factory=VisionKeys)
    text: TextKeys = dataclasses.field(default_factory=TextKeys)


@dataclasses.dataclass(frozen=True)
class TuneKeys:
    """Which parameters of each tower train, and how fast."""

    vision: str = key("full", "which of its parameters", choices=_REGIMES)
    text: str = key("frozen", "one that starts random stays so", choices=_REGIMES)
    last_blocks: int = key(4, "of 'last': these and what follows", low=0, high=1000)
    lora_rank: int = key(8, "of 'lora'", low=1, high=1 << 14)
    lora_alpha: float = key(
        16.0, "of 'lora': the product counts alpha / rank times", low=0, high=1 << 14
    )
    layer_decay: float = key(
        1.0, "factor on the learning rate for each block further down", low=0, high=1
    )


@dataclasses.dataclass(frozen=True)
class PromptKeys:
    """In whose words."""

    file: str = key("", "YAML file of prompts, '' for smile_jax/data/prompts.yaml")
    style: str = key(
        "all", "plain words, what muscles do, or both; or in captions' own words",
        choices=("plain", "facs", "all", "actions"),
    )  # fmt: skip
    phrasings: int = key(
        1, "ways in which captions and 'actions' are said: the mean counts", low=1,
        high=100,
    )  # fmt: skip
    view_aware: bool = key(False, "also prompts that name the view, for single views")


@dataclasses.dataclass(frozen=True)
class PseudoKeys:
    """Targets of text source "pseudo"."""

    warmup: float = key(0.1, "share of all steps with term 1 alone", low=0, high=1)
    momentum: float = key(
        0.99, "of the moving average of predictions", low=0, high=0.999999
    )
    temperature: float = key(0.5, "below 1 sharpens targets", low=1e-3, high=10)
    align: bool = key(True, "pull predictions towards the frequencies below")
    frequencies: tuple[float, ...] = key(
        (), "of data.classes; () is uniform: for sets balanced by design"
    )
    min_confidence: float = key(
        0.5, "of a guess, or the scan is left out of terms 2 and 3", low=0, high=1
    )
    sinkhorn_steps: int = key(
        0, "balance every batch on its own; 0 uses the moving average", low=0, high=100
    )


@dataclasses.dataclass(frozen=True)
class ObjectiveKeys:
    """The method."""

    name: str = key("smile", "a method of `smile_jax.objectives`")


@dataclasses.dataclass(frozen=True)
class LossKeys:
    """Settings of methods; each takes the keys that it has fields for."""

    decorrelation: float = key(1.0, "weight of SMILE's term 1", low=0)
    alignment: float = key(1.0, "weight of SMILE's term 2", low=0)
    redundancy: float = key(0.1, "weight of SMILE's term 3", low=0)
    off_diagonal: float = key(0.0051, "lambda of term 1", low=0)
    redundancy_off_diagonal: float = key(0.0051, "lambda of term 3", low=0)
    alignment_over: str = key(
        "bank", "term 2: over the prompts, over pairs in the batch, or each prompt by "
        "itself ('each', for clips that show several)",
        choices=("bank", "pairs", "each"),
    )  # fmt: skip
    pair_width: float = key(
        0.0, "of pairs: alike if their actions are (of a bell); 0: equal texts", low=0
    )
    negative_focus: float = key(
        0.0, "of 'each': what is easily denied counts p^this; 0: all alike", low=0,
        high=10,
    )  # fmt: skip
    text_to_image: float = key(
        0.5, "weight of text-to-image inside term 2", low=0, high=1
    )
    center_people: bool = key(
        False, "term 1 sees each clip less its person's mean in the batch"
    )
    form: str = key(
        "auto", "of term 1: B x B matrices, D x D, or the cheaper",
        choices=("auto", "gram", "full"),
    )  # fmt: skip
    temperature: float = key(0.1, "of 'infonce', 'shu', 'conclugen'", low=1e-3, high=10)
    false_negatives: str = key(
        "attract", "of 'shu', clips that act alike: negatives all the same, none "
        "beyond a likeness, or the one most alike a positive",
        choices=("keep", "eliminate", "attract"),
    )  # fmt: skip
    alike: float = key(
        0.9, "of 'eliminate': cosine of what two clips do", low=-1, high=1
    )
    attraction: float = key(0.8, "weight, of 'attract'", low=0)
    sigmoid_bias: float = key(-2.71, "b of 'siglip' at the start", low=-100, high=100)
    pair_weight: float = key(1.0, "mu of 'multiview'", low=0)
    pair_scale: float = key(
        10.0, "of cosines of pairs in 'multiview' at the start", low=0, high=100
    )
    sure: float = key(
        0.6, "of 'multiview': guesses below it make no pairs", low=0, high=1
    )
    invariance: float = key(25.0, "weight, of 'vicreg'", low=0)
    variance: float = key(25.0, "weight, of 'vicreg'", low=0)
    covariance: float = key(1.0, "weight, of 'vicreg'", low=0)
    consistency: float = key(1.0, "weight of views alike, of 'facet'", low=0)
    margin: float = key(
        0.001, "delta of 'conclugen', off the cosine of what belongs together", low=0,
        high=2,
    )  # fmt: skip
    decoder_width: int = key(128, "of 'mae'", low=8, high=1 << 14)
    decoder_depth: int = key(4, "blocks, of 'mae'", low=1, high=1000)
    decoder_heads: int = key(4, "of 'mae'; divides its width", low=1, high=1 << 10)
    clusters: int = key(32, "of 'conclugen'", low=2, high=1 << 12)
    queue_batches: int = key(
        8, "batches that 'conclugen' clusters beside its own", low=1, high=1 << 10
    )
    clustering_from: int = key(
        0, "step of 'conclugen' from which clusters count, once its queue is full",
        low=0,
    )  # fmt: skip
    contrasting: float = key(1.0, "weight, of 'conclugen'", low=0)
    clustering: float = key(1.0, "weight, of 'conclugen'", low=0)
    reconstruction: float = key(1.0, "weight, of 'conclugen'", low=0)
    num_action_units: int = key(
        22, "of 'action_units': columns of the records' feature", low=1, high=1000
    )


@dataclasses.dataclass(frozen=True)
class OptimizerKeys:
    """AdamW."""

    learning_rate: float = key(5e-4, "peak", low=0, high=10)
    final_rate: float = key(0.01, "at the end, share of the peak", low=0, high=1)
    warmup: float = key(0.05, "share of all steps", low=0, high=0.99)
    weight_decay: float = key(0.05, "of matrices", low=0, high=10)
    beta1: float = key(0.9, "decay of the first moment", low=0, high=0.999999)
    beta2: float = key(0.95, "decay of the second moment", low=0, high=0.999999)
    clip_norm: float = key(1.0, "of the global gradient", above=0)
    ema_decay: float = key(0.99, "of the parameters' moving average", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class TrainKeys:
    """How long, in which parts, and what is written on the way."""

    batch_size: int = key(256, "B, over all devices", low=2, high=1 << 20)
    micro_batches: int = key(
        1, "parts of a device's batch that towers see in turn: memory", low=1
    )
    shard_moments: bool = key(
        False, "AdamW's moments in pieces, one a device (ZeRO-1): memory"
    )
    steps: int = key(0, "duration: this or epochs, the other 0", low=0)
    epochs: float = key(0.0, "duration: this or steps, the other 0", low=0)
    stop_after_steps: int = key(
        0, "stop early, schedule unchanged; 0 runs to the end", low=0
    )
    log_every: int = key(20, "steps", low=1)
    checkpoint_every: int = key(200, "steps", low=1)
    keep_checkpoints: int = key(2, "the newest ones", low=1, high=1000)
    evaluate_every: int = key(
        0, "steps; scores people of data.validation_fold; 0: never", low=0
    )
    check_replicas: bool = key(
        False, "compare all devices' states at log steps: debugging"
    )
    term_gradients: bool = key(
        False, "log the norm of each term's own gradient: debugging, a pass a term"
    )
    profile: str = key("", "'10:15' traces these steps into WORKDIR/profile")


@dataclasses.dataclass(frozen=True)
class EvaluationKeys:
    """`python -m smile_jax.evaluate`; may differ from run to evaluation."""

    batch_size: int = key(256, "over all local devices", low=1, high=1 << 20)
    parameters: str = key("ema", "averaged or last", choices=("ema", "params"))
    pca_components: int = key(
        1024, "most of the pixel baseline; people trained on choose how many", low=1,
        high=1 << 16,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Config:
    """A run."""

    seed: int = key(0, "root of all randomness of the run", low=0, high=2**32 - 1)
    text_source: str = key(
        "weak",
        "where an example's text is from: the prompts of its class ('weak', which uses "
        "labels of training subjects), those of all emotions that it shows ('several', "
        "likewise), the dataset's 'captions', an averaged model's "
        "zero-shot guess ('pseudo'), or 'none'",
    )
    data: DataKeys = dataclasses.field(default_factory=DataKeys)
    augment: AugmentKeys = dataclasses.field(default_factory=AugmentKeys)
    model: ModelKeys = dataclasses.field(default_factory=ModelKeys)
    tune: TuneKeys = dataclasses.field(default_factory=TuneKeys)
    prompts: PromptKeys = dataclasses.field(default_factory=PromptKeys)
    pseudo: PseudoKeys = dataclasses.field(default_factory=PseudoKeys)
    objective: ObjectiveKeys = dataclasses.field(default_factory=ObjectiveKeys)
    loss: LossKeys = dataclasses.field(default_factory=LossKeys)
    optimizer: OptimizerKeys = dataclasses.field(default_factory=OptimizerKeys)
    train: TrainKeys = dataclasses.field(default_factory=TrainKeys)
    evaluation: EvaluationKeys = dataclasses.field(default_factory=EvaluationKeys)


def get_config() -> ConfigDict:
    """The defaults, for an experiment to change. A misspelt key names the nearest."""
    return ConfigDict(dataclasses.asdict(Config())).lock()


def typed(config: Mapping[str, Any] | ConfigDict, *, complete: bool = False) -> Config:
    """The same as dataclasses; JSON's lists become tuples again.

    Args:
      config: nested.
      complete: every key must be there; by default others have their defaults.

    Raises:
      ConfigError: naming keys that there are not, or that are missing.
    """
    plain = config.to_dict() if isinstance(config, ConfigDict) else config
    return _typed(Config, plain, "", complete)


def all_keys(kind: type = Config, prefix: str = "") -> dict[str, dataclasses.Field]:
    """Every key by its dotted name."""
    found: dict[str, dataclasses.Field] = {}
    for field in dataclasses.fields(kind):
        name = prefix + field.name
        if dataclasses.is_dataclass(field.type):
            found |= all_keys(field.type, f"{name}.")  # type: ignore[arg-type]
        else:
            found[name] = field
    return found


def _typed(kind: type, values: Mapping[str, Any], prefix: str, complete: bool) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    missing = [f"config.{prefix}{name}" for name in fields if name not in values]
    if complete and missing:
        raise ConfigError(
            f"{', '.join(missing)}: missing, and no value is known for it"
        )
    given = {}
    for name, value in values.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            raise ConfigError(f"config.{prefix}{name}: there is no such key{hint}")
        inner = fields[name].type
        if dataclasses.is_dataclass(inner):
            section = f"{prefix}{name}."
            value = _typed(inner, value, section, complete)  # type: ignore[arg-type]
        given[name] = tuple(value) if isinstance(value, list) else value
    return kind(**given)


def changed(config: Config, values: Mapping[str, Any]) -> Config:
    """The same config with other values of some keys, by their dotted names.

    Raises:
      ConfigError: naming keys that there are not.
    """
    nested = dataclasses.asdict(config)
    for name, value in values.items():
        *sections, last = name.split(".")
        section = nested
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = value
    return typed(nested)
