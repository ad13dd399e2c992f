"""What a config and a dataset come to: records, steps, prompts, model and step."""

import dataclasses
from typing import Any

import jax
import numpy as np
from flax.core import FrozenDict
from ml_collections import ConfigDict

from smile_jax import config as config_lib
from smile_jax import parallel
from smile_jax.data.channels import num_channels
from smile_jax.data.fields import example_fields
from smile_jax.data.pipeline import FaceDataset, Fields, open_dataset
from smile_jax.data.prompts import Prompts, make_prompts, plain_prompts
from smile_jax.data.records import RecordSource
from smile_jax.data.splits import split_records, subject_folds
from smile_jax.models import Encoder
from smile_jax.pytree import select
from smile_jax.training.bank import text_inputs
from smile_jax.training.init import init_state
from smile_jax.training.optimizer import make_optimizer
from smile_jax.training.sharding import StateLayout, stack_factors
from smile_jax.training.start import Start, make_start
from smile_jax.training.state import TrainState
from smile_jax.training.step import make_train_step
from smile_jax.training.tuning import learning_rates


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a config and a dataset come to."""

    dataset: FaceDataset
    folds: dict[str, int]  # subject -> test fold
    pretrain_records: np.ndarray  # what the train step sees
    train_records: np.ndarray  # those of them with a label among the classes
    test_records: np.ndarray
    steps: int
    prompts: Prompts  # of the classes, by which evaluation is zero-shot
    train_prompts: Prompts  # what the train step aligns with: those, or captions
    fields: Fields  # what batches hold beside the pixels
    clip_shape: tuple[int, ...]  # (T, V, H, W, C) of one clip as the model sees it


def make_plan(config: ConfigDict, prompts: Prompts | None = None) -> Plan:
    """Opens the dataset, splits the subjects and counts the steps.

    Args:
      config: of the run.
      prompts: of the classes, if they are not to be made of the config's file again.

    Raises:
      DataError, ConfigError, PromptError: with what to do.
    """
    dataset = open_dataset(config.data.dir)
    config_lib.validate_against(config, dataset)
    subjects, fold = dataset.subjects, config.data.fold
    records = dataset.records_of(config.data.classes)
    # Without labels, clips of other classes or of none count too.
    everything = np.arange(len(subjects))
    seen = records if config_lib.sees_labelled_only(config) else everything
    folds = subject_folds(subjects[seen], config.data.folds, config.data.fold_seed)
    pretrain, _ = split_records(subjects, seen, folds, fold)
    train, test = split_records(subjects, records, folds, fold)
    steps = config.train.steps
    if not steps:
        steps = max(
            1, round(config.train.epochs * len(pretrain) / config.train.batch_size)
        )
    prompts = prompts or class_prompts(config, dataset)
    train_prompts, rows = prompts, dataset.labels_over(config.data.classes)
    if config_lib.source_class(config).own_texts:
        assert dataset.captions is not None  # validate_against has looked
        texts = np.unique(dataset.captions[pretrain])
        train_prompts = plain_prompts(texts.tolist())
        found = np.searchsorted(texts, dataset.captions).clip(max=len(texts) - 1)
        same = texts[found] == dataset.captions
        rows = np.where(same, found, -1).astype(np.int32)
    needed = config_lib.needs(config)
    return Plan(
        dataset,
        folds,
        pretrain,
        train,
        test,
        steps,
        prompts,
        train_prompts,
        example_fields(needed, dataset, config.data.classes, rows),
        _clip_shape(config, dataset),
    )


def class_prompts(config: ConfigDict, dataset: FaceDataset) -> Prompts:
    """The prompts of the config's classes; if they name views, the dataset's."""
    p = config.prompts
    yaws = dataset.yaws_deg if p.view_aware else ()
    return make_prompts(config.data.classes, file=p.file, style=p.style, yaws_deg=yaws)


def fresh_start(config: ConfigDict, plan: Plan) -> Start:
    """What the config says that the model is made of."""
    return make_start(
        config,
        num_views=len(plan.dataset.yaws_deg),
        image_size=plan.clip_shape[2],
    )


def build(
    config: ConfigDict, plan: Plan, start: Start | None = None
) -> tuple[Encoder, TrainState, Any]:
    """The model, its first state on the host, and the step, not yet compiled."""
    start = start or fresh_start(config, plan)
    objective = config_lib.make_objective(
        config, num_prompts=len(plan.train_prompts.classes)
    )
    model = Encoder(start.model, FrozenDict(objective.heads()), parallel.AXIS)
    tune = config_lib.tune_config(config)
    depths = {"vision": start.model.vision.depth, "text": start.model.text.depth}
    text = text_inputs(plan.train_prompts, start.tokenizer)

    def optimizer_for(trained: Any, params: Any) -> Any:
        factors = select(learning_rates(params, tune, depths), trained)
        factors = stack_factors(factors, trained, config_lib.scanned_towers(config))
        return make_optimizer(config_lib.optimizer_config(config), plan.steps, factors)

    state, optimizer = init_state(
        model,
        optimizer_for,
        text,
        start.params,
        tune,
        plan.clip_shape,
        config.seed,
        objective.start(),
    )
    step = make_train_step(
        model,
        objective,
        config_lib.make_source(config, plan.steps),
        optimizer,
        text,
        config_lib.step_config(config, plan.dataset, start, plan.clip_shape),
    )
    return model, state, step


def make_layout(config: ConfigDict, state: TrainState) -> StateLayout:
    """How states like this one, which is on the host, lie on the devices."""
    return StateLayout(
        state,
        in_pieces=config.train.shard_moments,
        stacked=config_lib.scanned_towers(config),
    )


def memory_of(state: TrainState, pieces: int) -> dict[str, int]:
    """Bytes of each part of a state on a device, the moments being in pieces."""
    parts = {"parameters": state.params, "average": state.ema}
    parts["moments"] = state.optimizer
    size = {
        name: sum(np.asarray(x).nbytes for x in jax.tree.leaves(part))
        for name, part in parts.items()
    }
    return size | {"moments": size["moments"] // pieces}


def _clip_shape(config: ConfigDict, dataset: FaceDataset) -> tuple[int, ...]:
    record = RecordSource(dataset.path)[0]
    frames, _, height, width, _ = record[config.data.clip].shape
    channels = num_channels(config.data.inputs)
    return frames, config.data.views, height, width, channels
