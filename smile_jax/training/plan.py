"""What a config and a dataset come to: records, steps, prompts, model and step."""

import dataclasses
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from smile_jax import config as config_lib
from smile_jax import parallel
from smile_jax.data.channels import num_channels
from smile_jax.data.pipeline import FaceDataset, RecordSource, open_dataset
from smile_jax.data.prompts import class_prompts
from smile_jax.evaluation.protocols import split_records, subject_folds
from smile_jax.models import HashTokenizer, Smile
from smile_jax.training.optimizer import make_optimizer
from smile_jax.training.state import TrainState
from smile_jax.training.step import init_state, make_train_step


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a config and a dataset come to."""

    dataset: FaceDataset
    folds: dict[str, int]  # subject -> test fold
    pretrain_records: np.ndarray  # what the train step sees
    train_records: np.ndarray  # those of them with a label among the classes
    test_records: np.ndarray
    steps: int
    tokens: np.ndarray  # (K, M, L)


def make_plan(config: ConfigDict) -> Plan:
    """Opens the dataset, splits the subjects and counts the steps.

    Raises:
      DataError, ConfigError: with what to do.
    """
    dataset = open_dataset(config.data.dir)
    config_lib.validate_against(config, dataset)
    subjects, fold = dataset.subjects, config.data.fold
    records = dataset.records_of(config.data.classes)
    # Without text no label is needed, so clips of other classes or of none count too.
    seen = records if config.text_source != "none" else np.arange(len(subjects))
    folds = subject_folds(subjects[seen], config.data.folds, config.data.fold_seed)
    pretrain, _ = split_records(subjects, seen, folds, fold)
    train, test = split_records(subjects, records, folds, fold)
    steps = config.train.steps
    if not steps:
        steps = max(
            1, round(config.train.epochs * len(pretrain) / config.train.batch_size)
        )
    text = config.model.text
    tokenizer = HashTokenizer(text.context_length, text.vocab_size)
    prompts = class_prompts(config.data.classes)
    tokens = tokenizer([text for texts in prompts for text in texts])
    tokens = tokens.reshape(len(prompts), -1, text.context_length)
    return Plan(dataset, folds, pretrain, train, test, steps, tokens)


def build(config: ConfigDict, plan: Plan) -> tuple[Smile, TrainState, Any]:
    """The model, its fresh state on the host, and the step, not yet compiled."""
    step_config = config_lib.step_config(config, plan.dataset)
    model = Smile(config_lib.model_config(config, plan.dataset), parallel.AXIS)
    optimizer = make_optimizer(
        config_lib.optimizer_config(config),
        plan.steps,
        train_text=step_config.train_text,
    )
    state = init_state(
        model, optimizer, plan.tokens, clip_shape(config, plan), config.seed
    )
    step = make_train_step(model, optimizer, plan.tokens, step_config)
    return model, state, step


def clip_shape(config: ConfigDict, plan: Plan) -> tuple[int, ...]:
    """(T, V, H, W, D) of one clip as the model sees it."""
    record = RecordSource(plan.dataset.path)[0]
    frames, _, height, width, _ = record[config.data.clip].shape
    channels = num_channels(config.data.inputs)
    return frames, config.data.views, height, width, channels
