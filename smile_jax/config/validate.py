"""Checks a config: all problems in one message, before anything slow."""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from etils import epath

from smile_jax.config.default import Config, ConfigError, all_keys
from smile_jax.config.factories import (
    encoder_config,
    make_objective,
    make_source,
    needs,
    sampling,
    sees_labelled_only,
    source_class,
    uses_labels,
    views_compared,
)
from smile_jax.core.pytree import flatten
from smile_jax.data.channels import CHANNELS
from smile_jax.data.frames import FEWEST_MOMENTS
from smile_jax.models.encoder import VISION_TOWERS, EncoderConfig
from smile_jax.models.temporal import KINDS as TEMPORAL_KINDS
from smile_jax.models.temporal import TemporalConfig
from smile_jax.objectives import OBJECTIVES, SOURCES

if TYPE_CHECKING:  # it would import Grain and TFDS, which takes seconds
    from smile_jax.data.dataset import FaceDataset

_NARROWEST = 0.01  # of `data.local_mean`: below it weighs hardly any neighbour
_WITHOUT_ACTIONS = (
    "; build it with captions=True, or set objective.smile.pair_width=0 and leave "
    "objective.smile.redundancy_mode='actions'"
)

# Words that name something in a table: whoever adds to it writes it there alone.
_TABLES: dict[str, Iterable[str]] = {
    "objective.name": OBJECTIVES,
    "text_source": SOURCES,
    "model.vision.kind": VISION_TOWERS,
    "model.temporal": TEMPORAL_KINDS,
}


def validate(config: Config, devices: int, *, dataset: bool = False) -> None:
    """Checks a whole config before anything slow starts.

    Args:
      config: to run.
      devices: over all processes.
      dataset: it must be there too.

    Raises:
      ConfigError: every problem, each with the key, the value and what is allowed.
    """
    alone = [*_single_problems(config)]
    together = [
        *_duration_problems(config),
        *_batch_problems(config, devices),
        *_data_problems(config, must_exist=dataset),
        *_pretrained_problems(config),
        *_pseudo_problems(config),
    ]
    if not alone:  # or there would be nothing to make of them
        model = encoder_config(config, num_views=1)
        together += [*_tower_problems(config, model), *_objective_problems(config)]
    _raise_if_any([*alone, *together])


def _raise_if_any(problems: list[str]) -> None:
    if problems:
        listed = "\n  ".join(sorted(problems))
        raise ConfigError(f"the config has problems:\n  {listed}")


def _single_problems(config: Config) -> Iterator[str]:
    """Yields problems of single keys: their choices and ranges."""
    values = flatten(dataclasses.asdict(config), sep=".")
    for name, field in all_keys().items():
        value, about = values[name], field.metadata
        choices = tuple(about["choices"] or _TABLES.get(name, ()))
        if choices and value not in choices:
            nearest = difflib.get_close_matches(str(value), choices, n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            yield f"{name}={value!r}: must be one of {choices}{hint}"
        low, high, above = about["low"], about["high"], about["above"]
        if above is not None and not value > above:
            yield f"{name}={value}: must be above {above}"
        elif low is not None and not low <= value <= (value if high is None else high):
            end = f"between {low} and {high}" if high is not None else f"{low} or more"
            yield f"{name}={value}: must be {end}"


def _duration_problems(c: Config) -> Iterator[str]:
    if (c.train.steps > 0) == (c.train.epochs > 0):
        yield (
            f"train.steps={c.train.steps} and train.epochs={c.train.epochs}: set "
            "exactly one of them and the other to 0"
        )
    if c.train.profile and profiled_steps(c.train.profile) is None:
        yield (
            f"train.profile={c.train.profile!r}: write the first and the last step, as "
            "in '10:15'"
        )


def profiled_steps(text: str) -> tuple[int, int] | None:
    """Parses "10:15" as (10, 15); returns None for anything else."""
    match = re.fullmatch(r"(\d+):(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        return None
    return int(match[1]), int(match[2])


def _batch_problems(c: Config, devices: int) -> Iterator[str]:
    if c.train.batch_size % devices:
        lower = c.train.batch_size // devices * devices or devices
        yield (
            f"train.batch_size={c.train.batch_size}: not divisible by the {devices} "
            f"devices; use {lower} or {lower + devices}"
        )
    elif c.train.batch_size // devices % max(c.train.micro_batches, 1):
        yield (
            f"train.micro_batches={c.train.micro_batches}: does not divide the "
            f"{c.train.batch_size // devices} examples of a device"
        )


def _mixture_problems(mixture: Any) -> Iterator[str]:
    """Yields problems of what `data.mixture` looks like."""
    pairs = [pair for pair in mixture if isinstance(pair, tuple) and len(pair) == 2]
    if len(pairs) < len(mixture) or not all(
        isinstance(path, str) and path and isinstance(weight, (int, float))
        for path, weight in pairs
    ):
        yield (
            f"data.mixture={mixture!r}: must be pairs of a dataset and its weight, "
            "(('data/ict_faces/scans', 1.0), ('data/makehuman_faces/scans', 2.0))"
        )
        return
    if any(not 0 <= weight < float("inf") for _, weight in pairs):
        yield f"data.mixture={mixture!r}: weights must be 0 or positive numbers"
    elif pairs and not any(weight for _, weight in pairs):
        yield f"data.mixture={mixture!r}: all weights are 0; nothing is left"
    paths = [path.rstrip("/") for path, weight in pairs if weight]
    if len(set(paths)) < len(paths):
        yield f"data.mixture={mixture!r}: names a dataset twice; add its weights up"


def _data_problems(c: Config, *, must_exist: bool) -> Iterator[str]:
    wrong = list(_mixture_problems(c.data.mixture))
    yield from wrong
    if c.data.dir and c.data.mixture:
        yield (
            f"data.dir={c.data.dir!r}: data.mixture names datasets, too; set one of "
            "them to '' or ()"
        )
    elif not c.data.dir and not c.data.mixture:
        yield (
            "data.dir='': set it to a dataset, <data_dir>/<name>/<config>, built with "
            "`smile-jax build <name>`"
        )
    folders = {f"data.dir={c.data.dir!r}": c.data.dir} if c.data.dir else {}
    if not wrong:
        named = [path for path, weight in c.data.mixture if weight]
        folders |= {f"data.mixture: {path!r}": path for path in named}
    for said, folder in folders.items():
        if " + " in folder:
            yield f"{said}: ' + ' in a path stands between the datasets of a mixture"
        if must_exist and not epath.Path(folder).exists():
            yield (
                f"{said}: no dataset there (there is no such folder). Build it with "
                "`smile-jax build <name> --config=<config> --data_dir=<data_dir>`"
            )
    if 0 < c.data.local_mean < _NARROWEST:
        yield (
            f"data.local_mean={c.data.local_mean}: so narrow a mean is the pixel "
            f"itself; 0 for none, or {_NARROWEST} or more"
        )
    if c.data.fold >= c.data.folds:
        yield f"data.fold={c.data.fold}: must be 0 to {c.data.folds - 1}"
    if c.data.validation_fold >= c.data.folds:
        yield (
            f"data.validation_fold={c.data.validation_fold}: must be -1 to "
            f"{c.data.folds - 1}"
        )
    if c.data.validation_fold == c.data.fold:
        yield (
            f"data.validation_fold={c.data.validation_fold}: that fold is of the test "
            "people, who choose nothing; name another"
        )
    if c.train.evaluate_every and c.data.validation_fold < 0:
        yield (
            f"train.evaluate_every={c.train.evaluate_every}: on whom? Set "
            "data.validation_fold to a fold of training people to hold out"
        )
    unknown = [name for name in c.data.inputs if name not in CHANNELS]
    if unknown or not c.data.inputs:
        yield f"data.inputs={c.data.inputs}: must name some of {tuple(CHANNELS)}"
    if c.train.batch_size % c.data.person_block:
        yield (
            f"data.person_block={c.data.person_block}: must divide train.batch_size="
            f"{c.train.batch_size}"
        )
    smile = c.objective.name == "smile"
    if smile and c.objective.smile.center_people and c.data.person_block < 2:
        yield (
            "objective.smile.center_people=True: clips less their person's mean are "
            "nothing where a batch has one clip of each; set data.person_block to 4 or "
            "more"
        )
    if smile:
        yield from _problems_of_datasets(c)
    if len(set(c.data.classes)) < 2:
        yield f"data.classes={c.data.classes}: name at least 2"


def _problems_of_datasets(c: Config) -> Iterator[str]:
    """Yields settings of SMILE that tell datasets apart where that means nothing."""
    s = c.objective.smile
    for name in ("center_datasets", "negatives_within"):
        if getattr(s, name) and not c.data.mixture:
            yield f"objective.smile.{name}=True: data.mixture names no datasets"
    if s.negatives_within and s.alignment_over != "pairs":
        yield (
            "objective.smile.negatives_within=True: only objective.smile."
            "alignment_over='pairs' has clips as negatives"
        )


def _pretrained_problems(c: Config) -> Iterator[str]:
    if c.model.start_from and (c.model.pretrained or c.model.pretrained_text):
        yield (
            "model.start_from and model.pretrained(_text) are both set: a run's towers "
            "come from one of them"
        )


def _pseudo_problems(c: Config) -> Iterator[str]:
    p = c.pseudo
    fits = len(p.frequencies) == len(c.data.classes)
    fits = fits and min(p.frequencies, default=0) > 0
    if p.frequencies and not (fits and abs(sum(p.frequencies) - 1) < 1e-3):
        yield (
            f"pseudo.frequencies={p.frequencies}: must be positive, one for each of "
            f"the {len(c.data.classes)} data.classes, and sum to 1"
        )
    if p.sinkhorn_steps and not p.align:
        yield (
            f"pseudo.sinkhorn_steps={p.sinkhorn_steps} and pseudo.align=False: "
            "balancing needs frequencies to balance to"
        )


def validate_towers(config: Config, model: EncoderConfig) -> None:
    """Checks the towers that another run or published weights have brought.

    Raises:
      ConfigError: naming what these towers cannot.
    """
    _raise_if_any([*_tower_problems(config, model)])


def _tower_problems(c: Config, model: EncoderConfig) -> Iterator[str]:
    """Yields problems of each tower and of how it is trained."""
    regimes = {"vision": c.tune.vision, "text": c.tune.text}
    for name, regime in regimes.items():
        tower = getattr(model, name)
        keys = getattr(c.model, name)
        yield from (f"model.{name}.{problem}" for problem in tower.problems())
        if regime == "lora" and not tower.has("lora_rank"):
            yield f"tune.{name}='lora': this tower has no LoRA; use 'last' or 'full'"
        if keys.scan and not tower.has("scan"):
            yield f"model.{name}.scan=True: this tower has no blocks alike"
        if keys.scan and regime == "last":
            yield (
                f"model.{name}.scan=True and tune.{name}='last': a loop treats all "
                f"blocks alike; set model.{name}.scan=False"
            )
        if keys.scan and c.tune.layer_decay != 1 and c.train.shard_moments:
            yield (
                f"model.{name}.scan=True, train.shard_moments=True and "
                f"tune.layer_decay={c.tune.layer_decay}: pieces of stacked blocks have "
                "one learning rate; set one of them to False, False, 1"
            )
    width, heads = model.vision.width, model.temporal.heads
    if model.temporal.kind == "transformer" and width % heads:
        yield (
            f"model.temporal_heads={heads}: does not divide the {width} of the vision "
            "tower's features"
        )
    if c.augment.patch_dropout and not model.vision.patches(1 << 10, 1 << 10):
        yield (
            f"augment.patch_dropout={c.augment.patch_dropout}: this vision tower has "
            "no patches"
        )
    if OBJECTIVES[c.objective.name].hides_patches and not c.augment.patch_dropout:
        yield (
            f"augment.patch_dropout=0: {c.objective.name!r} guesses the patches that "
            "the tower does not see; set it to 0.75"
        )


def _objective_problems(c: Config) -> Iterator[str]:
    """Yields problems of the method with its text source and other keys."""
    if c.data.transductive and (uses_labels(c) or c.data.train_people):
        yield (
            "data.transductive=True: this run would learn from labels of the people "
            "that it is tested on; use a text source and a method without labels, and "
            "data.train_people=0"
        )
    source = source_class(c)
    objective = make_objective(c, num_prompts=len(c.data.classes))
    yield from objective.problems(make_source(c, steps=1))
    if c.data.crops > 1 and not sampling(c).random:
        yield (
            f"data.crops={c.data.crops}: windows would be alike; set augment.speed (of "
            "data.clip='views') above 0"
        )
    if c.data.moments and (c.data.crops, c.data.frames, c.data.clip) != (4, 1, "views"):
        yield (
            f"data.moments=True with data.crops={c.data.crops}, data.frames="
            f"{c.data.frames} and data.clip={c.data.clip!r}: moments are four windows "
            "of one frame; set them to 4, 1 and 'views'"
        )
    if c.data.moments and c.objective.name != "shu":
        yield (
            f"data.moments=True and objective.name={c.objective.name!r}: far moments "
            "would be positives; they are of 'shu' alone"
        )
    if c.model.cross_view and (
        not objective.views_may_attend or views_compared(c) > c.data.views
    ):
        yield (
            "model.cross_view=True: what is compared would see each other; use it with "
            "'facet', 'siglip' or 'supervised', without windows and copies"
        )
    if c.prompts.view_aware and c.objective.name != "smile":
        yield (
            f"prompts.view_aware=True and objective.name={c.objective.name!r}: prompts "
            "of single views are of 'smile' alone"
        )
    if views_compared(c) < objective.min_views:
        yield (
            f"data.views={c.data.views}: objective.name={c.objective.name!r} compares "
            f"{objective.min_views} views" + objective.without_views
        )
    if source.makes_targets and not (c.model.start_from or c.model.pretrained):
        yield (
            f"text_source={source.name!r}: the targets are the model's own zero-shot "
            "guesses, and this one knows nothing yet; set model.pretrained or "
            "model.start_from"
        )
    if source.makes_targets and c.model.pretrained_text:
        yield (
            f"model.pretrained_text={c.model.pretrained_text!r} and "
            f"text_source={source.name!r}: images do not know that tower's space yet, "
            "and guesses mean nothing; train with labels or captions, then set "
            "model.start_from"
        )
    if source.makes_targets and c.tune.text != "frozen":
        yield (
            f"text_source={source.name!r} and tune.text={c.tune.text!r}: guesses would "
            "chase prompts that move; use tune.text='frozen'"
        )
    if c.objective.name == "conclugen_captions" and c.tune.text != "frozen":
        yield (
            f"objective.name='conclugen_captions' and tune.text={c.tune.text!r}: what "
            "is reconstructed would move; use tune.text='frozen'"
        )
    if c.prompts.view_aware and (
        source.own_texts or c.objective.smile.alignment_over == "pairs"
    ):
        yield "prompts.view_aware=True: captions and pairs have one text for all views"


def validate_against(config: Config, dataset: "FaceDataset") -> None:
    """Checks what depends on the dataset.

    Raises:
      ConfigError: classes, channels or views that the dataset does not have.
    """
    _raise_if_any([*_absent(config, dataset), *_unneeded(config, dataset)])


def _absent(config: Config, dataset: "FaceDataset") -> Iterator[str]:
    """Yields what is asked for and the dataset lacks."""
    for what, asked, there in (
        ("data.classes", config.data.classes, dataset.classes),
        ("data.inputs", config.data.inputs, dataset.channels),
    ):
        missing = [name for name in asked if name not in there]
        unlabelled = what == "data.classes" and not there
        if missing and not (unlabelled and not sees_labelled_only(config)):
            yield f"{what}: {missing} are not in the dataset, which has {there}"
    views = {"data": config.data.views, "evaluation": config.evaluation.views}
    for section, count in views.items():
        if count > len(dataset.yaws_deg):
            yield f"{section}.views={count}: the dataset has {len(dataset.yaws_deg)}"
    if config.data.clip not in dataset.clips:
        yield (
            f"data.clip={config.data.clip!r}: the dataset has {dataset.clips}; build "
            "it with frames > 0 for 'views', with dynamic=True for 'dynamic'"
        )
    yield from _time_problems(config, dataset)
    named = config.data.folds_from
    if named and dataset.stored.get(named, ((1,), None))[0] != ():
        yield (
            f"data.folds_from={named!r}: no single number of that name is in the "
            f"records of {dataset.path}; they have {', '.join(sorted(dataset.stored))}"
        )
    for name in needs(config) - dataset.field_names:
        yield (
            f"objective.name={config.objective.name!r}: needs {name!r}, which the "
            f"records of {dataset.path} lack; they have "
            f"{', '.join(sorted(dataset.stored))}"
            + (_WITHOUT_ACTIONS if name == "actions" else "")
        )
    if needs(config) <= dataset.field_names:
        method = make_objective(config, num_prompts=len(config.data.classes))
        yield from method.misfits(
            {k: shape for k, (shape, _) in dataset.stored.items()}
        )
    if source_class(config).several and config.data.classes != dataset.classes:
        yield (
            f"data.classes={config.data.classes}: with text_source='several' they must "
            f"be all of the dataset's, in its order: {dataset.classes}"
        )
    if source_class(config).own_texts and dataset.captions is None:
        yield (
            f"text_source={config.text_source!r}: the dataset at {dataset.path} has no "
            "captions; build it with captions=True in its config"
        )


def _time_problems(config: Config, dataset: "FaceDataset") -> Iterator[str]:
    """Yields problems of clips of several frames: what must be known of their time."""
    if config.data.moments and dataset.frames < FEWEST_MOMENTS:
        yield (
            f"data.moments=True: records of {dataset.path} have {dataset.frames} "
            f"frames, and it takes {FEWEST_MOMENTS}"
        )
    if config.data.clip != "views" or dataset.frames == 1:
        if config.data.frames > 1:
            yield f"data.frames={config.data.frames}: the dataset has one a record"
        return
    if config.data.frames > dataset.frames:
        yield f"data.frames={config.data.frames}: records have {dataset.frames}"
    needed = TemporalConfig(kind=config.model.temporal).needs
    asking = {
        f"model.temporal={config.model.temporal!r}": "motion" in needed,
        f"data.sampling={config.data.sampling!r}": config.data.sampling == "apex",
    }
    for setting, asks in asking.items():
        if asks and "motion" not in dataset.stored:
            yield (
                f"{setting}: needs to know where a face has moved farthest, which the "
                f"records of {dataset.path} do not tell; build it with motion=True in "
                "its config"
            )
    if "rate_hz" in needed and not dataset.rates_known:
        yield (
            f"model.temporal={config.model.temporal!r}: needs seconds, and "
            f"{dataset.path} has clips whose frame rate is not known; build it with "
            "rate_hz in its config, or use a kind that needs none"
        )


def _unneeded(config: Config, dataset: "FaceDataset") -> Iterator[str]:
    """Yields problems of relighting where it makes no sense or has no normals."""
    if not config.augment.relight:
        return
    if config.data.clip == "dynamic":
        yield (
            "augment.relight=True: rank-pooled normals are no surface; set "
            "augment.relight=False with data.clip='dynamic'"
        )
    needed = {"texture", "normals"} - set(dataset.channels)
    if "texture" in config.data.inputs and needed:
        yield (
            f"augment.relight=True: needs the channels {sorted(needed)}, which the "
            f"dataset at {dataset.path} lacks; set augment.relight=False"
        )
