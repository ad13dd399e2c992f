"""Every config key with its default, meaning, unit and allowed values.

No default is written anywhere else. `get_config` returns the keys as the ConfigDict
that experiments change and the command line overrides; `to_config` turns it into the
frozen dataclasses below, which the code reads.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict


class ConfigError(ValueError):
    """A config that cannot be run; the message lists every problem."""


def key(
    default: Any,
    meaning: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declares a key of the config.

    Args:
      default: what a reader would expect, or what switches the key off.
      meaning: one phrase, with the unit.
      low: smallest value of a number.
      high: largest value of a number.
      above: in place of `low`, if that value itself is not allowed.
      choices: all values that a word may have.
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
    """Keys that select the clips of a run."""

    dir: str = key("", "built dataset, <data_dir>/<name>/<config>")
    mixture: tuple[tuple[str, float], ...] = key(
        (), "in place of dir: several datasets and their weights, ((dir, weight), "
        "...); 0 skips one; folds, people and train_people are of each"
    )  # fmt: skip
    clip: str = key(
        "views", "feature to train on: frames, or one dynamic image per clip",
        choices=("views", "dynamic"),
    )  # fmt: skip
    frames: int = key(
        0, "T, frames taken from each record; 0: all of them", low=0, high=64
    )
    sampling: str = key(
        "even", "frames spread over the clip, or centred on the frame of most motion",
        choices=("even", "apex"),
    )  # fmt: skip
    crops: int = key(
        1, "windows per clip; term 1 compares windows as it compares views", low=1,
        high=4,
    )  # fmt: skip
    moments: bool = key(
        False,
        "windows are four single frames: a close pair, and another close pair far "
        "from it",
    )
    dynamic_gain: float = key(
        16.0, "factor by which dynamic images amplify motion", low=1, high=1024
    )
    classes: tuple[str, ...] = key(
        ("anger", "disgust", "fear", "happy", "sad", "surprise"),
        "classes of the dataset to use",
    )
    inputs: tuple[str, ...] = key(
        ("texture", "depth", "normals"), "channel groups that the model sees"
    )
    local_mean: float = key(
        0.0,
        "standard deviation of the Gaussian whose local mean is subtracted from "
        "pictures, share of their side: 0.06 leaves the relief and little of a head's "
        "shape; 0: pictures as they are",
        low=0,
        high=1,
    )
    person_block: int = key(
        1, "consecutive clips of one person in each batch; 1: fully shuffled", low=1
    )
    views: int = key(3, "V, views per step, drawn from the dataset's", low=1, high=9)
    people: int = key(
        0, "people of the dataset to use, drawn by fold_seed, for protocols such as 60 "
        "of 100; 0: all", low=0,
    )  # fmt: skip
    intensities: tuple[int, ...] = key((), "intensities to use; (): all")
    complete_people: bool = key(
        False, "use only people who show all of data.classes, such as 65 in Bosphorus"
    )
    transductive: bool = key(
        False, "pretraining also sees the people of data.fold, without their labels"
    )
    train_people: int = key(
        0,
        "number of training people for training and probes, drawn by seed; 0: all",
        low=0,
    )
    folds: int = key(
        5, "subject-independent test folds; as many as people: leave one out", low=2,
        high=1000,
    )  # fmt: skip
    folds_from: str = key(
        "", "field of the records that holds each person's fold, such as 4DME's "
        "'fold'; '': people are shuffled"
    )  # fmt: skip
    fold: int = key(0, "fold that is held out, 0 to folds - 1", low=0, high=999)
    fold_seed: int = key(0, "seed of the assignment of subjects to folds", low=0)
    validation_fold: int = key(
        -1, "a second fold to hold out, for train.evaluate_every; -1: none", low=-1,
        high=999,
    )  # fmt: skip
    threads: int = key(2, "threads of the training process that read and decode", low=1)
    workers: int = key(0, "processes that read and decode; 0: none", low=0)


@dataclasses.dataclass(frozen=True)
class AugmentKeys:
    """Changes of pixels in training (`smile_jax.data.augment`); 0 switches one off."""

    scale: float = key(
        0.1, "natural logarithm of the largest zoom factor", low=0, high=2
    )
    shift: float = key(
        0.06, "largest shift each way, fraction of the image", low=0, high=1
    )
    gain: float = key(0.2, "largest relative change of the texture", low=0, high=1)
    bias: float = key(
        0.1, "largest offset of the texture, pixels in [0, 1]", low=0, high=1
    )
    noise: float = key(0.03, "standard deviation, pixels in [0, 1]", low=0, high=1)
    erase: float = key(
        0.35, "longest side of the erased rectangle, fraction of the image", low=0,
        high=1,
    )  # fmt: skip
    speed: float = key(
        0.0, "training sees a window of at least exp(-speed) of a clip's seconds",
        low=0, high=4,
    )  # fmt: skip
    phase: float = key(
        0.0, "frames are taken earlier or later by up to this fraction of half their "
        "spacing", low=0, high=1,
    )  # fmt: skip
    copies: int = key(
        1, "augmented copies of each view; methods compare copies as views", low=1,
        high=8,
    )  # fmt: skip
    patch_dropout: float = key(
        0.0, "fraction of the patches that is hidden from the tower", low=0, high=0.95
    )
    relight: bool = key(True, "light the texture by the stored normals")
    light_angle_deg: float = key(
        60.0, "largest angle between light and camera, degrees", low=0, high=90
    )
    ambient: float = key(0.5, "largest ambient fraction of the light", low=0, high=1)
    specular: float = key(0.3, "largest strength of the highlight", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class VisionKeys:
    """The vision tower; sizes apply to one trained from scratch."""

    kind: str = key("vit", "kind of tower: 'vit' or 'conv'")
    patch_size: int = key(16, "side of a patch, pixels", low=1, high=1024)
    width: int = key(
        384,
        "width of each token ('vit'), or of the last layer ('conv')",
        low=1,
        high=1 << 16,
    )
    depth: int = key(12, "number of blocks", low=1, high=1000)
    heads: int = key(6, "attention heads", low=1, high=1024)
    mlp_width: int = key(1536, "hidden units of each MLP", low=1, high=1 << 18)
    stem: str = key(
        "patch",
        "first layer: 'patch', linear (as CLIP's; kind 'conv': of 4 x 4 pixels), or "
        "'conv', strided convolutions, with which a 'vit' learns faster on little data",
        choices=("patch", "conv"),
    )
    pool: str = key(
        "class",
        "how tokens become one feature; 'mean' or 'flatten' of places ('conv')",
        choices=("class", "mean", "attention", "flatten"),
    )
    activation: str = key("gelu", "activation of the MLPs", choices=_ACTIVATIONS)
    pre_norm: bool = key(True, "CLIP's LayerNorm before the first block")
    dtype: str = key("float32", "dtype of the activations", choices=_DTYPES)
    remat: str = key(
        "none",
        "recomputed in the backward pass: nothing, all but weight products ('cheap'), "
        "or whole blocks ('full')",
        choices=_REMAT,
    )
    scan: bool = key(
        False, "compile all blocks but the last as one loop, for short compile times"
    )
    attention: str = key(
        "auto",
        "attention kernel; 'auto' takes cuDNN's fused one on NVIDIA where it fits",
        choices=("auto", "xla", "cudnn"),
    )


@dataclasses.dataclass(frozen=True)
class TextKeys:
    """The text tower; sizes apply to one trained from scratch."""

    vocab_size: int = key(
        16384, "number of ids that words are hashed to", low=16, high=1 << 24
    )
    context_length: int = key(32, "most tokens (words) of a text", low=2, high=1 << 16)
    width: int = key(128, "width of each token", low=1, high=1 << 16)
    depth: int = key(2, "number of blocks", low=1, high=1000)
    heads: int = key(4, "attention heads", low=1, high=1024)
    mlp_width: int = key(512, "hidden units of each MLP", low=1, high=1 << 18)
    activation: str = key("gelu", "activation of the MLPs", choices=_ACTIVATIONS)
    dtype: str = key("float32", "dtype of the activations", choices=_DTYPES)
    remat: str = key(
        "none",
        "recomputed in the backward pass, as for the vision tower",
        choices=_REMAT,
    )
    scan: bool = key(
        False, "compile all blocks but the last as one loop, for short compile times"
    )
    attention: str = key(
        "auto",
        "attention kernel; always XLA's, as texts are masked",
        choices=("auto", "xla"),
    )


@dataclasses.dataclass(frozen=True)
class ModelKeys:
    """The model: its parts and where their parameters start from."""

    temporal: str = key(
        "attention",
        "how frames become one feature: mean, attention, differences, two_phase, "
        "transformer or dynamic",
    )
    temporal_depth: int = key(2, "blocks of temporal='transformer'", low=1, high=1000)
    temporal_heads: int = key(
        4, "attention heads of temporal='transformer'", low=1, high=1024
    )
    cross_view: bool = key(False, "views attend to each other before they are fused")
    projector_dim: int = key(
        1024, "D, width of the projector; above 8 batches it warns", low=1, high=1 << 20
    )
    embed_dim: int = key(
        256, "E, width of the joint space of images and texts", low=1, high=1 << 16
    )
    logit_scale_init: float = key(1 / 0.07, "initial exp(logit_scale)", low=1, high=100)
    pretrained: str = key(
        "", "CLIP or SigLIP, by hub name or folder; sets both towers and their sizes"
    )
    pretrained_text: str = key(
        "", "text tower alone, such as MiniLM, by hub name or folder; sets embed_dim"
    )
    start_from: str = key(
        "", "workdir of a run whose towers and parameters this run starts from"
    )
    vision: VisionKeys = dataclasses.field(default_factory=VisionKeys)
    text: TextKeys = dataclasses.field(default_factory=TextKeys)


@dataclasses.dataclass(frozen=True)
class TuneKeys:
    """Keys for which parameters train, and how fast."""

    vision: str = key(
        "full", "which parameters of the vision tower train", choices=_REGIMES
    )
    text: str = key(
        "frozen",
        "which parameters of the text tower train; a frozen random one stays random",
        choices=_REGIMES,
    )
    last_blocks: int = key(
        4,
        "number of last blocks that regime 'last' trains, with everything after them",
        low=0,
        high=1000,
    )
    lora_rank: int = key(8, "rank of regime 'lora'", low=1, high=1 << 14)
    lora_alpha: float = key(
        16.0, "regime 'lora' multiplies the product by alpha / rank", low=0,
        high=1 << 14,
    )  # fmt: skip
    layer_decay: float = key(
        1.0,
        "factor on the learning rate for each block further from the output",
        low=0,
        high=1,
    )


@dataclasses.dataclass(frozen=True)
class PromptKeys:
    """The words of the prompts."""

    file: str = key("", "YAML file of prompts; '': smile_jax/data/prompts.yaml")
    style: str = key(
        "all",
        "'plain' words, 'facs' muscle actions, 'all' (both), or 'actions', the words "
        "of captions",
        choices=("plain", "facs", "all", "actions"),
    )
    phrasings: int = key(
        1,
        "phrasings of each caption and 'actions' prompt; their embeddings are averaged",
        low=1,
        high=100,
    )
    view_aware: bool = key(False, "add prompts that name the view, for single views")


@dataclasses.dataclass(frozen=True)
class PseudoKeys:
    """Targets of text source "pseudo"."""

    warmup: float = key(
        0.1, "fraction of all steps that train with term 1 alone", low=0, high=1
    )
    momentum: float = key(
        0.99, "decay of the moving average of predictions", low=0, high=0.999999
    )
    temperature: float = key(
        0.5, "temperature of the targets; below 1 sharpens them", low=1e-3, high=10
    )
    align: bool = key(True, "pull predictions towards pseudo.frequencies")
    frequencies: tuple[float, ...] = key(
        (), "frequencies of data.classes; (): uniform, for sets balanced by design"
    )
    min_confidence: float = key(
        0.5, "a clip whose guess is less confident is left out of terms 2 and 3",
        low=0, high=1,
    )  # fmt: skip
    sinkhorn_steps: int = key(
        0,
        "Sinkhorn steps that balance each batch; 0: balance by the moving average",
        low=0,
        high=100,
    )


_TEMPERATURE = "temperature of the softmax"


@dataclasses.dataclass(frozen=True)
class SmileKeys:
    """SMILE: its three terms."""

    decorrelation: float = key(1.0, "weight of term 1, multiview decorrelation", low=0)
    alignment: float = key(1.0, "weight of term 2, vision-language alignment", low=0)
    redundancy: float = key(0.1, "weight of term 3, cross-modal redundancy", low=0)
    off_diagonal: float = key(
        0.0051, "weight of off-diagonal correlations in term 1", low=0
    )
    redundancy_off_diagonal: float = key(
        0.0051, "weight of off-diagonal correlations in term 3", low=0
    )
    redundancy_mode: str = key(
        "whitened",
        "form of term 3 (losses/modality_redundancy.py); 'actions' is for captions",
        choices=("whitened", "private", "literal", "actions"),
    )
    alignment_over: str = key(
        "bank",
        "what term 2 contrasts: all prompts, pairs in the batch, or each prompt alone "
        "('each', for clips that show several things)",
        choices=("bank", "pairs", "each"),
    )
    pair_width: float = key(
        0.0,
        "'pairs': width of the bell by which clips of similar actions are positives; "
        "0: only equal texts are",
        low=0,
    )
    negative_focus: float = key(
        0.0,
        "'each': exponent that weighs down prompts already ruled out; 0: equal weights",
        low=0,
        high=10,
    )
    text_to_image: float = key(
        0.5, "weight of text-to-image within term 2", low=0, high=1
    )
    center_people: bool = key(
        False, "subtract each person's mean in the batch before term 1"
    )
    center_datasets: bool = key(
        False, "of a mixture: subtract each dataset's mean in the batch before term 1"
    )
    negatives_within: bool = key(
        False, "of a mixture, 'pairs': clips of other datasets are no negatives"
    )
    form: str = key(
        "auto", "term 1 by B x B matrices, by D x D, or by the cheaper of them",
        choices=("auto", "gram", "full"),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class InfoNceKeys:
    """SimCLR over views."""

    temperature: float = key(0.1, _TEMPERATURE, low=1e-3, high=10)


@dataclasses.dataclass(frozen=True)
class ShuKeys:
    """Shu et al.: contrast over moments of clips."""

    temperature: float = key(0.1, _TEMPERATURE, low=1e-3, high=10)
    false_negatives: str = key(
        "attract", "clips that act alike: keep them as negatives, eliminate the most "
        "similar, or attract the most similar one as a positive",
        choices=("keep", "eliminate", "attract"),
    )  # fmt: skip
    alike: float = key(
        0.9,
        "'eliminate': cosine of two clips' actions above which they are alike",
        low=-1,
        high=1,
    )
    attraction: float = key(0.8, "attract: weight of the second term", low=0)


@dataclasses.dataclass(frozen=True)
class SigLipKeys:
    """Sigmoid alignment with prompts."""

    sigmoid_bias: float = key(
        -2.71, "initial bias b of the sigmoid", low=-100, high=100
    )


@dataclasses.dataclass(frozen=True)
class MultiviewKeys:
    """Our reading of MultiviewVLM."""

    pair_weight: float = key(1.0, "mu, weight of the pairs", low=0)
    pair_scale: float = key(
        10.0, "initial scale of the pairs' cosines", low=0, high=100
    )
    sure: float = key(
        0.6, "confidence that a guess must exceed to form pairs", low=0, high=1
    )


@dataclasses.dataclass(frozen=True)
class VicRegKeys:
    """VICReg over views."""

    invariance: float = key(25.0, "weight of the invariance", low=0)
    variance: float = key(25.0, "weight of the variance", low=0)
    covariance: float = key(1.0, "weight of the covariance", low=0)


@dataclasses.dataclass(frozen=True)
class FacetKeys:
    """Our reading of FACET-VLM."""

    consistency: float = key(1.0, "lambda, weight of the views' consistency", low=0)


@dataclasses.dataclass(frozen=True)
class ConCluGenKeys:
    """Our reading of ConCluGen, with or without captions."""

    temperature: float = key(0.1, _TEMPERATURE, low=1e-3, high=10)
    margin: float = key(
        0.001, "delta, subtracted from the cosine of each positive pair", low=0, high=2
    )
    clusters: int = key(32, "number of clusters", low=2, high=1 << 12)
    queue_batches: int = key(
        8, "earlier batches that are clustered together with the current one", low=1,
        high=1 << 10,
    )  # fmt: skip
    clustering_from: int = key(
        0, "first step with the clustering term, if the queue is full by then", low=0
    )
    contrasting: float = key(1.0, "weight of the contrast", low=0)
    clustering: float = key(1.0, "weight of the clustering", low=0)
    reconstruction: float = key(1.0, "weight of the reconstruction", low=0)


@dataclasses.dataclass(frozen=True)
class MaeKeys:
    """Masked autoencoder."""

    decoder_width: int = key(128, "width of the decoder", low=8, high=1 << 14)
    decoder_depth: int = key(4, "blocks of the decoder", low=1, high=1000)
    decoder_heads: int = key(
        4, "attention heads of the decoder; must divide its width", low=1, high=1 << 10
    )


@dataclasses.dataclass(frozen=True)
class ActionUnitKeys:
    """Supervised training on action units."""

    num_action_units: int = key(
        22, "columns of the records' action_units", low=1, high=1000
    )


@dataclasses.dataclass(frozen=True)
class ObjectiveKeys:
    """The method, and the settings that each method owns."""

    name: str = key(
        "smile", "training method, a key of `smile_jax.objectives.OBJECTIVES`"
    )
    smile: SmileKeys = dataclasses.field(default_factory=SmileKeys)
    infonce: InfoNceKeys = dataclasses.field(default_factory=InfoNceKeys)
    shu: ShuKeys = dataclasses.field(default_factory=ShuKeys)
    siglip: SigLipKeys = dataclasses.field(default_factory=SigLipKeys)
    multiview: MultiviewKeys = dataclasses.field(default_factory=MultiviewKeys)
    vicreg: VicRegKeys = dataclasses.field(default_factory=VicRegKeys)
    facet: FacetKeys = dataclasses.field(default_factory=FacetKeys)
    conclugen: ConCluGenKeys = dataclasses.field(default_factory=ConCluGenKeys)
    mae: MaeKeys = dataclasses.field(default_factory=MaeKeys)
    action_units: ActionUnitKeys = dataclasses.field(default_factory=ActionUnitKeys)


@dataclasses.dataclass(frozen=True)
class OptimizerKeys:
    """AdamW."""

    learning_rate: float = key(5e-4, "peak learning rate", low=0, high=10)
    final_rate: float = key(
        0.01, "learning rate at the end, fraction of the peak", low=0, high=1
    )
    warmup: float = key(0.05, "length of the warm-up, fraction of all steps", low=0,
        high=0.99,
    )  # fmt: skip
    weight_decay: float = key(0.05, "decay of weight matrices", low=0, high=10)
    beta1: float = key(0.9, "decay of the first moment", low=0, high=0.999999)
    beta2: float = key(0.95, "decay of the second moment", low=0, high=0.999999)
    clip_norm: float = key(1.0, "largest norm of the global gradient", above=0)
    ema_decay: float = key(
        0.99, "decay of the parameters' moving average", low=0, high=1
    )


@dataclasses.dataclass(frozen=True)
class TrainKeys:
    """Length of a run, its batches, and what it writes on the way."""

    batch_size: int = key(256, "B, over all devices", low=2, high=1 << 20)
    micro_batches: int = key(
        1, "parts of a device's batch that towers see in turn, to save memory", low=1
    )
    shard_moments: bool = key(
        False, "split AdamW's moments over the devices (ZeRO-1), to save memory"
    )
    steps: int = key(
        0,
        "length of the run in steps; set this or train.epochs, and leave the other at "
        "0",
        low=0,
    )
    epochs: float = key(
        0.0,
        "length of the run in epochs; set this or train.steps, and leave the other at "
        "0",
        low=0,
    )
    stop_after_steps: int = key(
        0, "stop early with the schedule unchanged; 0: run to the end", low=0
    )
    log_every: int = key(20, "steps between two log lines", low=1)
    checkpoint_every: int = key(200, "steps between two checkpoints", low=1)
    keep_checkpoints: int = key(2, "newest checkpoints to keep", low=1, high=1000)
    evaluate_every: int = key(
        0, "steps between two scores of data.validation_fold's people; 0: never", low=0
    )
    check_replicas: bool = key(
        False, "compare all devices' states at log steps, for debugging"
    )
    term_gradients: bool = key(
        False, "log the norm of each term's gradient, for debugging: one pass per term"
    )
    profile: str = key(
        "",
        "steps to trace into WORKDIR/profile, 'first:last', such as '10:15'; '': none",
    )


@dataclasses.dataclass(frozen=True)
class EvaluationKeys:
    """`smile-jax evaluate`; an evaluation may change them."""

    batch_size: int = key(256, "clips over all local devices", low=1, high=1 << 20)
    views: int = key(
        0,
        "views that are looked at, spread over the dataset's; 0: data.views",
        low=0,
        high=9,
    )
    parameters: str = key(
        "ema",
        "which parameters to evaluate: averaged ('ema') or last ('params')",
        choices=("ema", "params"),
    )
    pca_components: int = key(
        1024,
        "most components of the pixel baseline; the number is chosen on training "
        "people",
        low=1,
        high=1 << 16,
    )


@dataclasses.dataclass(frozen=True)
class Config:
    """The whole config of a run."""

    seed: int = key(0, "root of all randomness of the run", low=0, high=2**32 - 1)
    text_source: str = key(
        "weak",
        "where each clip's text comes from: the prompts of its class ('weak', which "
        "uses labels of training subjects), those of all emotions it shows ('several', "
        "likewise), the dataset's 'captions', an averaged model's zero-shot guess "
        "('pseudo'), or 'none'",
    )
    data: DataKeys = dataclasses.field(default_factory=DataKeys)
    augment: AugmentKeys = dataclasses.field(default_factory=AugmentKeys)
    model: ModelKeys = dataclasses.field(default_factory=ModelKeys)
    tune: TuneKeys = dataclasses.field(default_factory=TuneKeys)
    prompts: PromptKeys = dataclasses.field(default_factory=PromptKeys)
    pseudo: PseudoKeys = dataclasses.field(default_factory=PseudoKeys)
    objective: ObjectiveKeys = dataclasses.field(default_factory=ObjectiveKeys)
    optimizer: OptimizerKeys = dataclasses.field(default_factory=OptimizerKeys)
    train: TrainKeys = dataclasses.field(default_factory=TrainKeys)
    evaluation: EvaluationKeys = dataclasses.field(default_factory=EvaluationKeys)


def get_config() -> ConfigDict:
    """Returns the defaults for an experiment to change.

    Setting a misspelt key raises an error that names the nearest one.
    """
    return ConfigDict(dataclasses.asdict(Config())).lock()


def to_config(
    config: Mapping[str, Any] | ConfigDict, *, complete: bool = False
) -> Config:
    """Converts a nested config to dataclasses; JSON's lists become tuples.

    Args:
      config: nested values.
      complete: require every key; by default missing keys get their defaults.

    Raises:
      ConfigError: a key does not exist, or is missing.
    """
    plain = config.to_dict() if isinstance(config, ConfigDict) else config
    return _typed(Config, plain, "", complete)


def all_keys(kind: type = Config, prefix: str = "") -> dict[str, dataclasses.Field]:
    """Returns every key by its dotted name."""
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
        given[name] = _as_tuples(value)
    return kind(**given)


def _as_tuples(value: Any) -> Any:
    """JSON's lists as tuples, those inside them too."""
    if isinstance(value, (list, tuple)):
        return tuple(_as_tuples(x) for x in value)
    return value


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    """Returns a copy of a config with other values of some keys, by dotted names.

    Raises:
      ConfigError: a key does not exist.
    """
    nested = dataclasses.asdict(config)
    for name, value in values.items():
        *sections, last = name.split(".")
        section = nested
        for part in sections:
            section = section.setdefault(part, {})
        section[last] = value
    return to_config(nested)
