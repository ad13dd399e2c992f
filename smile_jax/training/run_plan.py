"""The plan of a run: a config applied to a dataset's people, steps and prompts."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from smile_jax.config import Config, ConfigError
from smile_jax.config import factories as built
from smile_jax.config.validate import validate_against
from smile_jax.data.batch_fields import example_fields, read_fields
from smile_jax.data.channels import num_channels
from smile_jax.data.dataset import FaceDataset, Fields, open_dataset
from smile_jax.data.frames import cut
from smile_jax.data.mixture import open_mixture
from smile_jax.data.prompts import Prompts, caption_prompts, make_prompts
from smile_jax.data.splits import (
    drawn_people,
    released_folds,
    split_records,
    subject_folds,
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """A config applied to a dataset."""

    dataset: FaceDataset
    chosen: np.ndarray  # records of the people and intensities that are seen
    labelled: np.ndarray  # those of them with a label among the classes
    folds: dict[str, int]  # subject -> test fold
    pretrain_records: np.ndarray  # what the train step sees
    train_records: np.ndarray  # labelled, of the same people
    validation_records: np.ndarray  # labelled, of `data.validation_fold`
    test_records: np.ndarray  # labelled, of `data.fold`
    steps: int
    prompts: Prompts  # of the classes, by which evaluation is zero-shot
    train_prompts: Prompts  # what the train step aligns with: those, or captions
    fields: Fields  # what batches hold beside the pixels
    clip_shape: tuple[int, ...]  # (T, V, H, W, C) of a window as the model sees it


def make_plan(config: Config, prompts: Prompts | None = None) -> Plan:
    """Opens the dataset, splits the subjects and counts the steps.

    Args:
      config: of the run.
      prompts: of the classes, if they are not to be made of the config's file again.

    Raises:
      DataError, ConfigError, PromptError: with what to do.
    """
    data = config.data
    dataset = open_mixture(data.mixture) if data.mixture else open_dataset(data.dir)
    validate_against(config, dataset)
    subjects, fold = dataset.subjects, config.data.fold
    everything = _chosen(config, dataset)
    labelled = dataset.records_of(config.data.classes)
    records = labelled[np.isin(labelled, everything)]
    # Without labels, clips of other classes or of none count too.
    seen = records if built.sees_labelled_only(config) else everything
    # Over everybody, whatever of them is seen: runs that differ in text source or
    # classes test the same people, so that one may start from another.
    folds = _folds(config, dataset, everything)
    pretrain, _ = split_records(subjects, seen, folds, fold)
    if config.data.transductive:
        pretrain = seen
    train, test = split_records(subjects, records, folds, fold)
    held_out = config.data.validation_fold
    pretrain, _ = split_records(subjects, pretrain, folds, held_out)
    train, validation = split_records(subjects, train, folds, held_out)
    learned: list[str] = []
    learns = np.union1d(pretrain, train)
    for people, own in dataset.groups.items():
        may_learn = np.intersect1d(own, learns)
        with _naming(people, dataset):
            learned += list(_learned(config, subjects[may_learn]))
    pretrain, train = (x[np.isin(subjects[x], learned)] for x in (pretrain, train))
    if config.train.evaluate_every and not (len(train) and len(validation)):
        raise ConfigError(
            f"train.evaluate_every={config.train.evaluate_every}: {dataset.path} has "
            f"no clips labelled as {list(config.data.classes)} on both sides of "
            f"data.validation_fold={held_out}; set it to 0, or name other classes"
        )
    _refuse_idle_parts(dataset, pretrain)
    steps = config.train.steps
    if not steps:
        steps = max(
            1, round(config.train.epochs * len(pretrain) / config.train.batch_size)
        )
    prompts = prompts or class_prompts(config, dataset)
    train_prompts, rows = prompts, dataset.labels_over(config.data.classes)
    if built.source_class(config).own_texts:
        assert dataset.captions is not None  # validate_against has looked
        texts = np.unique(dataset.captions[pretrain])
        train_prompts = caption_prompts(texts.tolist(), config.prompts.phrasings)
        found = np.searchsorted(texts, dataset.captions).clip(max=len(texts) - 1)
        same = texts[found] == dataset.captions
        rows = np.where(same, found, -1).astype(np.int32)
    needed = built.needs(config)
    return Plan(
        dataset,
        everything,
        records,
        folds,
        pretrain,
        train,
        validation,
        test,
        steps,
        prompts,
        train_prompts,
        example_fields(needed, dataset, config.data.classes, rows),
        _clip_shape(
            config, dataset, int((pretrain if len(pretrain) else everything)[0])
        ),
    )


def images_a_step(config: Config, plan: Plan) -> int:
    """Pictures that a step looks at: of clips, windows, copies, frames and views."""
    frames = plan.clip_shape[0]
    return config.train.batch_size * built.views_compared(config) * frames


def _refuse_idle_parts(dataset: FaceDataset, pretrain: np.ndarray) -> None:
    """Refuses datasets of a mixture that would give no clip to train on.

    Raises:
      ConfigError: naming them.
    """
    names = list(dataset.part_weights)
    idle = set(range(len(names))) - set(dataset.part_numbers[pretrain].tolist())
    if idle:
        raise ConfigError(
            f"data.mixture: {', '.join(names[i] for i in sorted(idle))} gives no clip "
            "to train on, of the classes, people and intensities that are asked for; "
            "set its weight to 0, or ask for others"
        )


def _chosen(config: Config, dataset: FaceDataset) -> np.ndarray:
    """Records of `data.people` and `data.intensities`, rising.

    Raises:
      ConfigError: there are none, or not so many people.
    """
    d, subjects = config.data, dataset.subjects
    if d.complete_people:
        subjects = _complete(dataset, d.classes)
    people: set[str] = set()
    try:
        for name, own in dataset.groups.items():
            with _naming(name, dataset):
                candidates = np.intersect1d(dataset.subjects[own], subjects)
                people |= drawn_people(candidates, d.people, d.fold_seed)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    seen = np.array([str(name) in people for name in dataset.subjects], bool)
    if d.intensities:
        seen &= np.isin(dataset.intensities, d.intensities)
    if not seen.any():
        there = np.unique(dataset.intensities).tolist()
        raise ConfigError(f"data.intensities={d.intensities}: there are {there}")
    return np.flatnonzero(seen)


def _complete(dataset: FaceDataset, classes: Sequence[str]) -> np.ndarray:
    """Names of the people who show all of some classes.

    Raises:
      ConfigError: there is nobody.
    """
    labels = dataset.labels_over(classes)
    shown = {(s, k) for s, k in zip(dataset.subjects, labels, strict=True) if k >= 0}
    names, counts = np.unique([name for name, _ in shown], return_counts=True)
    found = names[counts == len(classes)]
    if not len(found):
        raise ConfigError(
            f"data.complete_people=True: nobody in {dataset.path} shows all of "
            f"{list(classes)}"
        )
    return found


def _learned(config: Config, subjects: np.ndarray) -> np.ndarray:
    """Names of `data.train_people` of those who may be trained on.

    Args:
      config: of the run.
      subjects: of those who may, of one dataset.

    Raises:
      ConfigError: there are not so many.
    """
    names, count = np.unique(subjects), config.data.train_people
    if count > len(names):
        raise ConfigError(
            f"data.train_people={count}: {len(names)} people may be trained on"
        )
    # Fewer are among more, whatever else differs: curves rise by people alone.
    order = np.random.default_rng([config.seed, 2]).permutation(len(names))
    return names[order[: count or len(names)]]


def _folds(config: Config, dataset: FaceDataset, records: np.ndarray) -> dict[str, int]:
    """Test fold of every subject of some records; each dataset has its own folds."""
    d = config.data
    found: dict[str, int] = {}
    for people, own in dataset.groups.items():
        chosen = np.intersect1d(own, records)
        if not len(chosen):
            continue  # of a mixture; it is said whose
        subjects = dataset.subjects[chosen]
        with _naming(people, dataset):
            if d.folds_from:
                fields = read_fields((d.folds_from,), dataset, d.classes, chosen)
                numbers = fields[d.folds_from]
                found |= released_folds(subjects, numbers, d.folds)
            else:
                found |= subject_folds(subjects, d.folds, d.fold_seed)
    return found


@contextlib.contextmanager
def _naming(people: str, dataset: FaceDataset) -> Iterator[None]:
    """Says of which dataset of a mixture an error is."""
    try:
        yield
    except ValueError as error:
        if len(dataset.groups) == 1:
            raise
        raise ConfigError(f"{people}: {error}") from error


def class_prompts(
    config: Config, dataset: FaceDataset, classes: Sequence[str] = ()
) -> Prompts:
    """Returns the prompts of the config's classes, or of others in the same way.

    If prompts name views, these are the dataset's.
    """
    p = config.prompts
    yaws = dataset.yaws_deg if p.view_aware else ()
    return make_prompts(
        classes or config.data.classes,
        file=p.file,
        style=p.style,
        yaws_deg=yaws,
        phrasings=p.phrasings,
    )


def _clip_shape(config: Config, dataset: FaceDataset, i: int) -> tuple[int, ...]:
    """Returns the shape of a clip, as one of the training records has it."""
    record = dataset.open_records()[i]
    how = built.sampling(config)
    frames, _, height, width, _ = cut(record, how)["views"].shape
    channels = num_channels(config.data.inputs)
    return frames, config.data.views, height, width, channels
