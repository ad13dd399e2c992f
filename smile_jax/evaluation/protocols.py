"""Evaluation protocols: the folds of each, and the tests that would not be fair."""

import pathlib
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from smile_jax.data.dataset import FaceDataset, differences
from smile_jax.data.mixture import open_location
from smile_jax.data.splits import split_records
from smile_jax.evaluation.trained_run import ProtocolError, TrainedRun

PROTOCOLS = ("holdout", "kfold", "cross", "validation")
_FOLDERS = {"cross": "eval_cross", "validation": "validation"}  # others: "eval"


class EvaluationFold(NamedTuple):
    """Clips that a run is tested on, and those that its probes may learn from.

    Attributes:
      run: that is tested.
      number: of the fold.
      train: records of the run's own dataset.
      test: records of the dataset that is tested on.
    """

    run: TrainedRun
    number: int
    train: np.ndarray
    test: np.ndarray


def folds_of(
    runs: Sequence[TrainedRun], protocol: str, tested_on: FaceDataset
) -> list[EvaluationFold]:
    """Returns the folds of a protocol.

    | protocol | train | test |
    |---|---|---|
    | holdout | people that the run was trained on | its held-out fold |
    | kfold, a run for each fold | the same, for each run | every fold once |
    | kfold, a single run | everybody else | every fold once (transductive) |
    | validation | people that the run was trained on | its validation fold |
    | cross | people that the run was trained on | all people of `tested_on` |

    Labels of test people are never seen in training: a run that saw some is refused.

    Args:
      runs: that are tested; several with "kfold".
      protocol: one of `PROTOCOLS`.
      tested_on: the runs' own dataset, or another one with "cross".

    Raises:
      ProtocolError: it would not be fair, or there is nothing to test.
    """
    first = runs[0]
    if protocol == "cross":
        test = tested_on.records_of(first.config.data.classes)
        fold = first.config.data.fold
        return [EvaluationFold(first, fold, first.plan.train_records, test)]
    if protocol == "kfold" and len(runs) == 1:
        _refuse_no_clips(first, first.plan.test_records)
        return _all_folds(first)
    found = []
    for run in runs:
        plan, data = run.plan, run.config.data
        fold, test = data.fold, plan.test_records
        if protocol == "validation":
            fold, test = data.validation_fold, plan.validation_records
            if not len(test):
                raise ProtocolError(
                    f"{run.workdir}: it held out no fold of training people; train "
                    "with --config.data.validation_fold=<a fold>"
                )
        # Of many folds one may have none, as of a person who shows several at once.
        _refuse_no_clips(run, plan.test_records if len(runs) == 1 else None)
        _refuse_seen_labels(run, test)
        found.append(EvaluationFold(run, fold, plan.train_records, test))
    if not any(len(fold.test) for fold in found):
        raise ProtocolError(
            f"{first.workdir}: {tested_on.path} has no clips labelled as "
            f"{list(first.config.data.classes)}"
        )
    return found


def _all_folds(run: TrainedRun) -> list[EvaluationFold]:
    """Returns every fold of the people, for a run without labels.

    Its pretraining saw the test people unlabelled (transductive).
    """
    plan, data = run.plan, run.config.data
    if labelled := _labelled(run, plan.dataset, np.arange(len(plan.dataset.labels))):
        raise ProtocolError(
            f"{run.workdir}: it, or a run that it started from, saw the labels of "
            f"{len(labelled)} subjects. k-fold evaluation would test on them. Evaluate "
            "with --protocol=holdout, or train one run a fold, --config.data.fold=<i> "
            "--workdir=DIR/fold_<i>, and evaluate --workdir=DIR --protocol=kfold"
        )
    if data.train_people:
        raise ProtocolError(
            f"{run.workdir}: data.train_people={data.train_people}, and probes "
            "of k-fold evaluation learn from everybody; use --protocol=holdout"
        )
    subjects = plan.dataset.subjects
    return [
        EvaluationFold(run, i, *split_records(subjects, plan.labelled, plan.folds, i))
        for i in range(data.folds)
    ]


def _refuse_no_clips(run: TrainedRun, test: np.ndarray | None) -> None:
    """Refuses a run without clips of its classes in training or, if given, in test."""
    plan, data = run.plan, run.config.data
    if not len(plan.train_records) or (test is not None and not len(test)):
        raise ProtocolError(
            f"{run.workdir}: {plan.dataset.path} has no clips labelled as "
            f"{list(data.classes)} on both sides of fold {data.fold}, so "
            "there is nothing to score; set --config.data.classes to classes of "
            f"{plan.dataset.classes}"
        )


def _refuse_seen_labels(run: TrainedRun, test: np.ndarray) -> None:
    """Refuses a run that saw labels of people it is to be tested on."""
    if seen := _labelled(run, run.plan.dataset, test):
        raise ProtocolError(
            f"{run.workdir}: it started from a run that saw the labels of "
            f"{len(seen)} of its test subjects ({', '.join(sorted(seen)[:5])} "
            "...); start from a run with the same data.folds, data.fold and "
            "data.fold_seed, or on another dataset"
        )


def _labelled(run: TrainedRun, dataset: FaceDataset, records: np.ndarray) -> set[str]:
    """Subjects of some records whose labels the run, or one before it, has seen."""
    found = set()
    for people, own in dataset.groups.items():
        seen = set(run.stored.info.labels_seen.get(people, ()))
        names = set(dataset.subjects[np.intersect1d(own, records)].tolist())
        found |= {name for name in names if dataset.own_subject(name) in seen}
    return found


def all_clips(fold: EvaluationFold) -> tuple[np.ndarray, np.ndarray]:
    """Returns (train, test) records of all clips of a fold's people.

    For evaluations of several labels at once: clips count whatever they show.
    """
    run, plan, own = fold.run, fold.run.plan, fold.run.config.data
    subjects = plan.dataset.subjects
    train, test = split_records(subjects, plan.chosen, plan.folds, fold.number)
    held_out = {own.validation_fold}
    if fold.number == own.validation_fold:  # nor are those that are tested later
        held_out.add(own.fold)
    kept = np.array([plan.folds[str(x)] not in held_out for x in subjects[train]], bool)
    if own.train_people:  # nor do such probes see more people than the run did
        kept &= np.isin(subjects[train], subjects[run.plan.pretrain_records])
    return train[kept], test


def other_dataset(run: TrainedRun, location: str) -> FaceDataset:
    """Opens another dataset whose clips a run can see, to test on all of its people.

    Args:
      run: that is tested.
      location: of the dataset, or of several that are tested together.

    Raises:
      ProtocolError: its pictures are not like those that the run has learned from, its
        people are those of the run's own dataset, or it has no clip of the run's
        classes.
    """
    own, found = run.plan.dataset, open_location(location)
    wrong = []
    if same := own.groups.keys() & found.groups.keys():
        theirs = ", ".join(sorted(same))
        wrong.append(f"its people are the run's own ({theirs}); use holdout")
    names = ("yaws_deg", "clips", "framing", "still", "magnify", "band_hz")
    wrong += differences(own, found, names)
    if not wrong:
        size, seen_size = pixels_a_side(run, found), run.plan.clip_shape[2]
        if size != seen_size:
            wrong.append(f"its pictures are of {size} pixels, not {seen_size}")
    missing = [x for x in run.config.data.inputs if x not in found.channels]
    if missing:
        wrong.append(f"it has no {', '.join(missing)}")
    seen = _labelled(run, found, np.arange(len(found.labels)))
    if seen:
        wrong.append(f"the run saw labels of {len(seen)} of its people")
    if not len(found.records_of(run.config.data.classes)):
        wrong.append(
            f"its classes are {list(found.classes)}, of which the run has none"
        )
    if wrong:
        listed = "\n  ".join(wrong)
        raise ProtocolError(f"{found.path}: it cannot be tested on:\n  {listed}")
    return found


def pixels_a_side(run: TrainedRun, dataset: FaceDataset) -> int:
    """Returns the size of a dataset's pictures, of the kind that a run sees."""
    features = dataset.open_records().builder.info.features
    return features[run.config.data.clip].shape[2]


def results_folder(
    workdir: pathlib.Path, protocol: str, only: Collection[str] = ()
) -> pathlib.Path:
    """Returns the folder of a run's results.

    Results of some evaluations alone have a folder of their own ("eval_knn").
    """
    return workdir / "_".join([_FOLDERS.get(protocol, "eval"), *sorted(set(only))])
