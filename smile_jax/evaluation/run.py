"""Evaluates trained runs by subject-independent protocols, beside baselines."""

import csv
import dataclasses
import functools
import itertools
import json
import pathlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from smile_jax.config import Config, ConfigError, changed
from smile_jax.config.build import knows_words
from smile_jax.config.default import all_keys
from smile_jax.data.fields import read_fields
from smile_jax.data.pipeline import FaceDataset, open_dataset
from smile_jax.data.prompts import Prompts, make_prompts
from smile_jax.data.records import RecordSource
from smile_jax.data.splits import split_records
from smile_jax.evaluation.base import Evaluation, Fold, Outcome, summarize
from smile_jax.evaluation.embed import EmbeddedSet, Embedder, Seen, view_subsets
from smile_jax.evaluation.evaluations import applicable, fields_of
from smile_jax.evaluation.linear_probe import LinearProbe, as_matrix
from smile_jax.evaluation.motion import motion_features
from smile_jax.evaluation.pixels import leading_counts, pca_features, pixels_of
from smile_jax.inference.known import Known
from smile_jax.inference.prompting import Grounds, ZeroShot
from smile_jax.models import Encoder
from smile_jax.objectives import OBJECTIVES, SOURCES
from smile_jax.objectives.supervised import Supervised
from smile_jax.training.announce import run_info
from smile_jax.training.build import spec_of_fresh_run
from smile_jax.training.checkpoints import CheckpointError
from smile_jax.training.init import random_params
from smile_jax.training.model_spec import StoredModel, read_model
from smile_jax.training.plan import (
    Plan,
    class_prompts,
    images_a_step,
    make_plan,
)
from smile_jax.training.run_info import other_data

PROTOCOLS = ("holdout", "kfold", "cross", "validation")
_FOLDERS = {"cross": "eval_cross", "validation": "validation"}  # others: "eval"


class ProtocolError(ValueError):
    """An evaluation that would not be a fair one; the message says why."""


def results_folder(
    workdir: pathlib.Path, protocol: str, only: Collection[str] = ()
) -> pathlib.Path:
    """Where a run's results are written, those of some evaluations alone in a folder of
    their own ("eval_knn")."""
    return workdir / "_".join([_FOLDERS.get(protocol, "eval"), *sorted(set(only))])


@dataclasses.dataclass(frozen=True)
class Trained:
    """A finished run and the dataset that it was trained on.

    Attributes:
      workdir: of the run.
      config: its own, but for `evaluation` and where the dataset is.
      plan: who is trained and tested on.
      stored: its model.
    """

    workdir: pathlib.Path
    config: Config
    plan: Plan
    stored: StoredModel

    @property
    def text_source(self) -> str:
        return self.config.text_source

    @functools.cached_property
    def model(self) -> Encoder:
        return Encoder(self.stored.spec.model)

    @property
    def params(self) -> Any:
        """Trained parameters or their average, as the config says."""
        averaged = self.config.evaluation.parameters == "ema"
        return self.stored.averaged if averaged else self.stored.last

    @functools.cached_property
    def random(self) -> Any:
        """Parameters of an untrained model."""
        return self._at_start({})

    def _at_start(self, given: Mapping[str, np.ndarray]) -> Any:
        shape, seed = self.plan.clip_shape, self.config.seed
        return random_params(self.model, shape, seed, given)

    @property
    def knew_words(self) -> bool:
        """Whether what it started from compares faces with prompts, as published towers
        and some runs do."""
        start = self.config.model.start_from
        return not start or knows_words(read_model(pathlib.Path(start)).info.config)

    def before_training(self) -> dict[str, Any]:
        """Parameters that it started from, where its vision tower was not random."""
        if not (self.config.model.start_from or self.config.model.pretrained):
            return {}
        try:
            spec = spec_of_fresh_run(self.config, self.plan)
        except (ValueError, CheckpointError) as error:
            print(f"no row `before_training`: what it started from is gone ({error})")
            return {}
        return {"before_training": self._at_start(spec.params)}


def load_run(
    workdir: pathlib.Path, settings: Mapping[str, str] | None = None
) -> Trained:
    """Reads a run's newest checkpoint and opens its dataset.

    Args:
      workdir: of the run.
      settings: keys of `config.evaluation` that are to differ from the run's, as text.

    Raises:
      CheckpointError: there is none, or another version wrote it.
      ProtocolError: the dataset is not the one trained on.
      ConfigError: a setting that there is not.
    """
    stored = read_model(workdir)
    info, config = stored.info, stored.info.config
    keys = {f"evaluation.{k}": value for k, value in _parsed(settings or {}).items()}
    keys["data.dir"] = info.dataset  # absolute, wherever this is started
    config = changed(config, keys)
    plan = make_plan(config, info.prompts)
    if plan.folds != info.folds:
        raise ProtocolError(
            f"{plan.dataset.path}: its subjects are not those of the training run, so "
            "the stored folds do not apply; point data.dir at the dataset trained on"
        )
    other = other_data(info, run_info(config, plan, stored.spec))
    if other:
        listed = "\n  ".join(other)
        raise ProtocolError(
            f"{workdir}: the dataset there is not the one trained on:\n  {listed}\n"
            "Put that one back, or train again on this one"
        )
    return Trained(workdir, config, plan, stored)


def _parsed(settings: Mapping[str, str]) -> dict[str, Any]:
    """Settings of `config.evaluation`, checked and as numbers."""
    keys = {
        name.removeprefix("evaluation."): field
        for name, field in all_keys().items()
        if name.startswith("evaluation.")
    }
    found: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in keys:
            raise ConfigError(f"--set={name}: must be one of {', '.join(keys)}")
        choices = keys[name].metadata["choices"]
        if choices and text not in choices:
            raise ConfigError(f"--set={name}={text}: must be one of {choices}")
        if not choices and not (text.isdecimal() and int(text) > 0):
            raise ConfigError(f"--set={name}={text}: must be a number from 1 on")
        found[name] = text if choices else int(text)
    return found


def load_runs(
    workdir: pathlib.Path, protocol: str, settings: Mapping[str, str] | None = None
) -> list[Trained]:
    """The run itself; with "kfold" those of its `fold_<i>` folders if it has any.

    Raises:
      ProtocolError: the runs of the folds do not belong together, or some are missing.
    """
    folders = sorted(workdir.glob("fold_*"))
    if protocol in ("holdout", "validation") or not folders:
        return [load_run(workdir, settings)]
    runs = [load_run(folder, settings) for folder in folders]
    tested = sorted(run.config.data.fold for run in runs)
    if tested != list(range(runs[0].config.data.folds)):
        raise ProtocolError(
            f"{workdir}: its runs hold out the folds {tested}, expected each of 0 to "
            f"{runs[0].config.data.folds - 1} once; train the missing ones"
        )
    first, *others = (run.stored.info for run in runs)
    for other in others:
        for what, same in {
            "folds": other.folds == first.folds,
            "text_source": other.config.text_source == first.config.text_source,
            "objective": other.config.objective == first.config.objective,
            "dataset": other.dataset == first.dataset,
            "prompts": other.prompts.to_json() == first.prompts.to_json(),
        }.items():
            if not same:
                raise ProtocolError(
                    f"{workdir}: its runs differ in {what}; train them alike"
                )
    return runs


def other_dataset(run: Trained, folder: str) -> FaceDataset:
    """Opens another dataset whose clips a run can see, to test on all of its people.

    Raises:
      ProtocolError: its pictures are not like those that the run has learned from, its
        people are those of the run's own dataset, or it has no clip of the run's
        classes.
    """
    own, found = run.plan.dataset, open_dataset(folder)
    wrong = []
    if found.people == own.people:
        wrong.append(f"its people are the run's own ({own.people}); use holdout")
    for name in ("yaws_deg", "clips", "framing", "still", "magnify", "band_hz"):
        ours, theirs = getattr(own, name), getattr(found, name)
        if ours != theirs:
            wrong.append(f"its {name} are {theirs}, not {ours}")
    if not wrong:
        size, seen_size = pixels_a_side(run, found), run.plan.clip_shape[2]
        if size != seen_size:
            wrong.append(f"its pictures are of {size} pixels, not {seen_size}")
    missing = [x for x in run.config.data.inputs if x not in found.channels]
    if missing:
        wrong.append(f"it has no {', '.join(missing)}")
    seen = run.stored.info.labels_seen.get(found.people, ())
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


def pixels_a_side(run: Trained, dataset: FaceDataset) -> int:
    """Of a dataset's pictures, of the kind that a run sees."""
    features = RecordSource(dataset.path).builder.info.features
    return features[run.config.data.clip].shape[2]


def test_folds(
    run: Trained, protocol: str, *, one_of_many: bool
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Each fold that a run may be judged on: its number, (train, test) records.

    A run that was trained with labels, or started from one that was, is not judged on
    subjects whose labels it saw. k folds over all subjects are open to a run without
    labels, whose pretraining saw the test subjects unlabelled (transductive).

    Raises:
      ProtocolError: the labels of test subjects were seen in training, or there are
        none to test with.
    """
    plan, config = run.plan, run.config
    # Of many folds one may have none, as of a person who shows several at once only.
    if not len(plan.train_records) or not (one_of_many or len(plan.test_records)):
        raise ProtocolError(
            f"{run.workdir}: {plan.dataset.path} has no clips labelled as "
            f"{list(config.data.classes)} on both sides of fold {config.data.fold}, so "
            "there is nothing to score; set --config.data.classes to classes of "
            f"{plan.dataset.classes}"
        )
    labelled = set(run.stored.info.labels_seen.get(plan.dataset.people, ()))
    if protocol != "kfold" or one_of_many:
        fold, test = config.data.fold, plan.test_records
        if protocol == "validation":
            fold, test = config.data.validation_fold, plan.validation_records
            if not len(test):
                raise ProtocolError(
                    f"{run.workdir}: it held out no fold of training people; train "
                    "with --config.data.validation_fold=<a fold>"
                )
        seen = labelled & set(plan.dataset.subjects[test].tolist())
        if seen:
            raise ProtocolError(
                f"{run.workdir}: it started from a run that saw the labels of "
                f"{len(seen)} of its test subjects ({', '.join(sorted(seen)[:5])} "
                "...); start from a run with the same data.folds, data.fold and "
                "data.fold_seed, or on another dataset"
            )
        return [(fold, plan.train_records, test)]
    if labelled:
        raise ProtocolError(
            f"{run.workdir}: it, or a run that it started from, saw the labels of "
            f"{len(labelled)} subjects. k-fold evaluation would test on them. Evaluate "
            "with --protocol=holdout, or train one run a fold, --config.data.fold=<i> "
            "--workdir=DIR/fold_<i>, and evaluate --workdir=DIR --protocol=kfold"
        )
    if config.data.train_people:
        raise ProtocolError(
            f"{run.workdir}: data.train_people={config.data.train_people}, and probes "
            "of k-fold evaluation learn from everybody; use --protocol=holdout"
        )
    subjects = plan.dataset.subjects
    return [
        (i, *split_records(subjects, plan.labelled, plan.folds, i))
        for i in range(config.data.folds)
    ]


def evaluate(
    workdir: pathlib.Path,
    protocol: str,
    prompt_files: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    test_data: str = "",
    *,
    baselines: bool = True,
    only: Collection[str] = (),
) -> dict[str, Any]:
    """Runs a protocol; returns what `results.json` holds (docs/evaluation.md),
    "embedding" and "predictions" of single clips, and "known", of the training clips of
    "holdout" where all is evaluated.

    Args:
      workdir: of a run, or of the runs of all folds.
      protocol: one of `PROTOCOLS`.
      prompt_files: other words to be zero-shot with, beside those of the run.
      settings: see `load_run`.
      test_data: folder of the dataset that "cross" tests on; what is fitted is fitted
        on the run's own training people.
      baselines: also evaluate what the run is compared with.
      only: names of the evaluations to take beside the linear probe; all if empty.
    """
    started = time.perf_counter()
    if (protocol == "cross") != bool(test_data):
        raise ProtocolError("protocol cross and a dataset to test on go together")
    runs = load_runs(workdir, protocol, settings)
    first = runs[0]
    tested_on = other_dataset(first, test_data) if test_data else first.plan.dataset
    classes = first.config.data.classes
    words = {file: make_prompts(classes, file=file) for file in prompt_files}
    evaluations = applicable(tested_on, applicable(first.plan.dataset))
    if test_data:  # labels of the same name may stand for others there
        evaluations = [e for e in evaluations if not e.every_clip]
    if only:
        evaluations = _some(evaluations, only)
    if test_data:
        records = first.plan.train_records, tested_on.records_of(classes)
        asked = [(first, first.config.data.fold, *records)]
    else:
        many = len(runs) > 1
        asked = [
            (run, *side)
            for run in runs
            for side in test_folds(run, protocol, one_of_many=many)
        ]
    if not any(len(test) for *_, test in asked):
        raise ProtocolError(
            f"{workdir}: {tested_on.path} has no clips labelled as {list(classes)}"
        )
    tested = [
        evaluate_fold(*one, words, evaluations, tested_on, baselines=baselines)
        for one in asked
    ]
    rows = []
    whole = protocol == "kfold" and len(runs) == 1
    transductive = whole or first.config.data.transductive
    methods = (name for t in tested for name in t.clips[False].folds)
    for method in dict.fromkeys(methods):
        is_smile = method == "smile"
        row: dict[str, Any] = {
            "method": method,
            "text_source": first.text_source if is_smile else None,
            "labels_used": labels_used(first, method),
            "transductive": is_smile and transductive,
        }
        for e in evaluations:
            outcomes = [
                t.outcomes[method, e.name]
                for t in tested
                if (method, e.name) in t.outcomes
            ]
            row |= summarize(e, outcomes, tested[0].fold("smile", e))
        row["per_fold"] = [t.headlines(method, evaluations) for t in tested]
        rows.append(row)
    cautions = [
        f"{method}, {name}: {said}"
        for t in tested
        for (method, name), outcome in t.outcomes.items()
        for said in outcome.warnings
    ]
    subjects = {str(name) for t in tested for name in tested_on.subjects[t.records]}
    return {
        "dataset": str(tested_on.path),
        "trained_on": str(first.plan.dataset.path),
        "objective": first.config.objective.name,
        "labels_seen": {k: len(v) for k, v in first.stored.info.labels_seen.items()},
        "protocol": protocol,
        "folds": first.config.data.folds,
        "tested_folds": len(tested),
        "classes": list(classes),
        "test_subjects": sorted(subjects),
        "step": first.stored.step,
        "images_seen": images_seen(first),
        "seconds": round(time.perf_counter() - started, 1),
        "columns": {
            e.name: {"title": e.title, "shown": e.shown, "labels": e.labels}
            for e in evaluations
            if e.title
        },
        "rows": rows,
        "warnings": list(dict.fromkeys(cautions)),
        "embedding": max(tested, key=lambda t: len(t.records)).embedding(tested_on),
        "known": tested[0].known() if protocol == "holdout" and not only else None,
        "predictions": [
            row for t in tested for row in t.predictions(tested_on, evaluations)
        ],
    }


def _some(
    evaluations: Sequence[Evaluation], names: Collection[str]
) -> list[Evaluation]:
    """Those of some names, and the linear probe.

    Raises:
      ProtocolError: there is none of a name.
    """
    there = [e.name for e in evaluations]
    if unknown := set(names) - set(there):
        raise ProtocolError(
            f"--only={', '.join(sorted(unknown))}: must be one of {', '.join(there)}"
        )
    return [e for e in evaluations if e.name in {LinearProbe.name, *names}]


@dataclasses.dataclass(frozen=True)
class TestedFold:
    """The answers of one fold.

    Attributes:
      clips: what evaluations saw: those of the run's classes (False), or all (True, for
        evaluations of `every_clip`).
      outcomes: (method, evaluation) -> answers.
      known: gives what `predict` asks of the training clips.
    """

    clips: dict[bool, "Clips"]
    outcomes: dict[tuple[str, str], Outcome]
    known: Callable[[], Known]

    @property
    def records(self) -> np.ndarray:
        """Of the test clips of the run's classes."""
        return self.clips[False].records

    def headlines(
        self, method: str, evaluations: Sequence[Evaluation]
    ) -> dict[str, float]:
        """First metric of every variant of every evaluation on this fold."""
        found = {}
        for e in evaluations:
            if (method, e.name) not in self.outcomes:
                continue
            outcome, fold = self.outcomes[method, e.name], self.fold(method, e)
            if "" not in outcome.answers:
                continue  # a curve alone
            for variant, given in outcome.answers.items():
                score = e.score([(outcome.truth, given)], fold)
                name = f"{e.name}: {variant}" if variant else e.name
                found[name] = score[e.shown[0]]
        return found

    def fold(self, method: str, evaluation: Evaluation) -> Fold:
        """What an evaluation saw of a method."""
        return self.clips[evaluation.every_clip].folds[method]

    def embedding(self, dataset: FaceDataset) -> dict[str, Any]:
        """SMILE's features of the test clips and what was made of them, to plot."""
        fold = self.clips[False].folds["smile"]
        return {
            "features": fold.features[fold.split :],
            "labels": fold.test_of("label"),
            "subjects": fold.test_of("subject"),
            "records": self.records,
            "probabilities": self._probabilities(),
            "view_weights": fold.test.weights if fold.test else None,
            "frame_weights": fold.test.frame_weights if fold.test else None,
            "yaws_deg": [dataset.yaws_deg[c] for c in fold.cameras],
        }

    def _probabilities(self) -> np.ndarray | None:
        """Zero-shot, of each test clip and class; None without text."""
        fold = self.clips[False].folds["smile"]
        if not fold.words or fold.test is None:
            return None
        return fold.words[""].probabilities(fold.test.joint, fold.scale)

    def predictions(
        self, dataset: FaceDataset, evaluations: Sequence[Evaluation]
    ) -> list[dict[str, Any]]:
        """A line for each test clip: who, what it is, and each answer."""
        by_name = {e.name: e for e in evaluations}
        lines: dict[int, dict[str, Any]] = {}
        for clips in self.clips.values():
            fold = clips.folds["smile"]
            labels = fold.test_of("label")
            for record, label in zip(clips.records, labels, strict=True):
                lines.setdefault(
                    int(record),
                    {
                        "sequence": str(dataset.sequences[record]),
                        "subject": str(dataset.subjects[record]),
                        "label": fold.classes[label] if label >= 0 else "",
                    },
                )
        for (method, name), outcome in self.outcomes.items():
            e = by_name[name]
            fold = self.fold(method, e)
            records = self.clips[e.every_clip].records
            main = outcome.answers.get("", ())  # some are a curve alone
            for record, answer in zip(records[: len(main)], main, strict=True):
                lines[int(record)][f"{method}/{name}"] = e.in_words(answer, fold)
            sure = () if outcome.confidence is None else outcome.confidence
            for record, share in zip(records[: len(sure)], sure, strict=True):
                lines[int(record)][f"{method}/{name}/confidence"] = f"{share:.4f}"
        return [lines[record] for record in sorted(lines)]


@dataclasses.dataclass(frozen=True)
class Clips:
    """Test clips, and of each method what evaluations saw.

    Attributes:
      records: of the test clips.
      folds: by method.
    """

    records: np.ndarray
    folds: dict[str, Fold] = dataclasses.field(default_factory=dict)


def evaluate_fold(
    run: Trained,
    number: int,
    train: np.ndarray,
    test: np.ndarray,
    words: Mapping[str, Prompts],
    evaluations: Sequence[Evaluation],
    tested_on: FaceDataset,
    *,
    baselines: bool,
) -> TestedFold:
    """Every method's answers on one fold, by every evaluation that it can take.

    Args:
      run: that is tested.
      number: of the fold.
      train: records of its dataset, that probes learn from.
      test: records of `tested_on`, its own dataset or another one.
      words: other prompts.
      evaluations: to take.
      tested_on: whose people are tested.
      baselines: beside the run itself.
    """
    config, plan = run.config, run.plan
    sides = {False: (train, test)}
    if any(e.every_clip for e in evaluations):
        sides[True] = _all_clips(run, number)
        if config.data.train_people:  # nor do such probes see more people
            subjects, (every, tested) = plan.dataset.subjects, sides[True]
            learned = np.isin(subjects[every], subjects[plan.pretrain_records])
            sides[True] = every[learned], tested
    looked = Looked.at(run, list(sides.values()), tested_on)
    names = fields_of(evaluations) | {"label", "subject"}
    fields = looked.fields(names, config.data.classes)
    clips = {every: Clips(side[1]) for every, side in sides.items()}

    def add(method: str, features: np.ndarray, **more: Any) -> None:
        for every, side in sides.items():
            rows = looked.rows(*side)
            split = len(side[0])
            given = dict(more)
            if "test" in given:
                given["test"] = given["test"].rows(rows[split:])
            for name in ("partial", "logits"):
                if given.get(name) is not None:
                    given[name] = given[name][rows]
            clips[every].folds[method] = Fold(
                features[rows],
                split,
                {name: values[rows] for name, values in fields.items()},
                config.data.classes,
                **given,
            )

    learners = looked.rows(train, test)[: len(train)]
    images: dict[str, np.ndarray] = {}
    models = {"smile": run.params}
    if baselines:
        models |= {**run.before_training(), "random_init": run.random}
    subsets = view_subsets(config.data.views)
    asks = any(e.needs_text for e in evaluations)
    for method, params in models.items():
        embedded = looked.embedded(run.model, params, subsets)
        images[method] = embedded.joint[learners]
        add(
            method,
            embedded.fused,
            test=embedded,
            subsets=subsets,
            partial=embedded.partial_fused,
            cameras=tested_on.spread_views(config.data.views),
            scale=float(np.exp(params["logit_scale"])),
            logits=_logits(run, method, embedded.fused),
            **(_words_of(run, method, params, words, images[method]) if asks else {}),
        )
    if baselines:
        count = config.evaluation.pca_components
        pixels = pca_features(looked.pixels(), learners, count)
        add("pixels_pca", pixels, leading=leading_counts(pixels.shape[1]))
    if baselines and all("motion" in seen.dataset.stored for seen, _ in looked.parts):
        found = looked.fields(("motion", "frame_index"), config.data.classes)
        add("motion", motion_features(found["motion"], found["frame_index"]))
    if baselines and all("actions" in seen.dataset.stored for seen, _ in looked.parts):
        add("actions", np.log1p(looked.fields(["actions"], ())["actions"]))
    with threadpool_limits(1):  # on regressions as small as these, threads wait
        outcomes = {
            (method, e.name): e.run(fold)
            for e in evaluations
            for method, fold in clips[e.every_clip].folds.items()
            if len(clips[e.every_clip].records) and e.applies(fold)
        }
    order = {method: i for i, method in enumerate(clips[False].folds)}
    ordered = sorted(outcomes.items(), key=lambda item: order[item[0][0]])

    def known() -> Known:
        strength = outcomes["smile", LinearProbe.name].chosen["C"]
        return _known(
            run, train, clips[False].folds["smile"], images["smile"], strength
        )

    return TestedFold(clips, dict(ordered), known)


def _known(
    run: Trained,
    train: np.ndarray,
    fold: Fold,
    images: np.ndarray,
    strength: float,
) -> Known:
    """What a run keeps of its training clips; the probe is that of the evaluation."""
    dataset, features = run.plan.dataset, fold.features[: fold.split]
    probe, bias = as_matrix(
        features, fold.train_of("label"), strength, len(fold.classes)
    )
    grounds = fold.words[""].grounds if fold.words else None
    return Known.of_clips(
        features,
        images,
        fold.train_of("label"),
        dataset.sequences[train],
        dataset.subjects[train],
        classes=fold.classes,
        captions=np.asarray(
            grounds.captions if grounds else np.zeros((0, images.shape[1])), np.float32
        ),
        probe=probe,
        bias=bias,
        step=run.stored.step,
    )


@dataclasses.dataclass(frozen=True)
class Looked:
    """The clips of a fold, each looked at once, whatever sets it is in.

    Attributes:
      parts: a dataset as the run sees it, and records of it, rising; one part where
        training and test clips are of one dataset, else that of the training clips and
        that of the test clips.
    """

    parts: list[tuple[Seen, np.ndarray]]

    @classmethod
    def at(
        cls,
        run: Trained,
        sides: Sequence[tuple[np.ndarray, np.ndarray]],
        tested_on: FaceDataset,
    ) -> "Looked":
        """The (train, test) records of some sets."""
        own = run.plan.dataset
        train, test = (np.concatenate(x) for x in zip(*sides, strict=True))
        wanted = [(own, train), (tested_on, test)]
        if tested_on is own:
            wanted = [(own, np.concatenate([train, test]))]
        return cls(
            [
                (Seen.by_run(run.config, run.stored.spec, dataset), np.unique(records))
                for dataset, records in wanted
            ]
        )

    def rows(self, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Of training and test records, in all that is looked at."""
        first, last = self.parts[0][1], self.parts[-1][1]
        before = len(first) if len(self.parts) > 1 else 0
        found = np.searchsorted(first, train), before + np.searchsorted(last, test)
        return np.concatenate(found)

    def fields(
        self, names: Collection[str], classes: tuple[str, ...]
    ) -> dict[str, np.ndarray]:
        """Values of fields; people of two datasets have numbers of their own."""
        found: list[dict[str, np.ndarray]] = []
        for seen, records in self.parts:
            new = read_fields(names, seen.dataset, classes, records)
            for name in {"subject", "sequence"} & new.keys() if found else ():
                new[name] = new[name] + found[0][name].max() + 1
            found.append(new)
        return {name: np.concatenate([part[name] for part in found]) for name in names}

    def embedded(
        self, model: Encoder, params: Any, subsets: Sequence[tuple[int, ...]]
    ) -> EmbeddedSet:
        """What a model makes of them, and of some of their views."""
        parts = [
            Embedder(model, seen, subsets)(params, rows) for seen, rows in self.parts
        ]
        return EmbeddedSet.joined(parts)

    def pixels(self) -> np.ndarray:
        """What the model sees, averaged down."""
        return np.concatenate([pixels_of(seen, rows) for seen, rows in self.parts])


def _all_clips(run: Trained, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """(train, test) records of all clips of the people of a fold."""
    plan, own = run.plan, run.config.data
    subjects = plan.dataset.subjects
    train, test = split_records(subjects, plan.chosen, plan.folds, fold)
    held_out = {own.validation_fold}
    if fold == own.validation_fold:  # nor are those that are tested later
        held_out.add(own.fold)
    kept = [plan.folds[str(name)] not in held_out for name in subjects[train]]
    return train[np.array(kept, bool)], test


def _words_of(
    run: Trained,
    method: str,
    params: Any,
    words: Mapping[str, Prompts],
    images: np.ndarray,
) -> dict[str, Any]:
    """Banks by which a method is zero-shot: nothing where it knows no text.

    Args:
      images: joint embeddings of the training clips.
    """
    source, config, plan = SOURCES[run.text_source], run.config, run.plan
    trained = method == "smile"
    before = method == "before_training"
    if not ((trained and knows_words(config)) or (before and run.knew_words)):
        return {}
    in_words = functools.partial(ZeroShot, run.model, params, run.stored.spec.tokenizer)
    grounds = None
    if trained and source.own_texts:
        grounds = Grounds(in_words(plan.train_prompts).bank[0], images)
    banks = {
        file: in_words(prompts, grounds=grounds)
        for file, prompts in {"": plan.prompts, **words}.items()
    }
    if "emotions" not in plan.dataset.stored:
        return {"words": banks}
    names = plan.dataset.classes
    sets = [*((n,) for n in names), *itertools.combinations(names, 2)]
    prompts = class_prompts(config, plan.dataset, ["+".join(s) for s in sets])
    members = np.array([[name in s for name in names] for s in sets], np.uint8)
    return {"words": banks, "joined": (members, in_words(prompts).bank[0])}


def _logits(run: Trained, method: str, fused: np.ndarray) -> np.ndarray | None:
    """Of the classes, by the classifier that a run was trained with."""
    objective = OBJECTIVES[run.config.objective.name]
    if method != "smile" or not issubclass(objective, Supervised):
        return None
    head = run.params["classifier"]
    return fused @ np.asarray(head["kernel"]) + np.asarray(head["bias"])


def images_seen(run: Trained) -> int:
    """Pictures that training looked at."""
    return run.stored.step * images_a_step(run.config, run.plan)


def labels_used(run: Trained, method: str) -> str:
    """Whose expression labels went into a method before it is scored, in words."""
    if method == "before_training":
        return "of what it started from"
    if method != "smile":
        return "none"
    seen = run.stored.info.labels_seen
    return ", ".join(f"of {len(v)} people ({k})" for k, v in seen.items()) or "none"


def write_results(results: dict[str, Any], folder: pathlib.Path) -> None:
    """Writes `results.json` and `predictions.csv`; the embedding is the report's."""
    folder.mkdir(parents=True, exist_ok=True)
    single = ("embedding", "predictions", "known")
    kept = {k: v for k, v in results.items() if k not in single}
    (folder / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
    lines = results["predictions"]
    with (folder / "predictions.csv").open("w", newline="") as file:
        # A method may be missing in a fold: what it started from is gone.
        columns = dict.fromkeys(name for line in lines for name in line)
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(lines)


def table(results: dict[str, Any]) -> str:
    """The rows as text."""
    columns = results["columns"]
    short = {"accuracy": "acc", "uar": "UAR", "uf1": "UF1"}
    heads = ["    ".join(short.get(m, m) for m in c["shown"]) for c in columns.values()]
    lines = [f"{'method':14}" + "".join(f"{name:>26}" for name in columns)]
    lines.append(f"{'':14}" + "".join(f"{head:>26}" for head in heads))
    probing = "".join(f"{c['labels']:>26}" for c in columns.values())
    lines.append(f"{'labels used':14}{probing}")
    for row in results["rows"]:
        cells = ""
        for name, column in columns.items():
            s = row[name]
            text = "  ".join(f"{s[m]:.3f}" for m in column["shown"]) if s else "-"
            cells += f"{text:>26}"
        lines.append(f"{row['method']:14}{cells}")
        lines.append(f"{'':14}labels used in pretraining: {row['labels_used']}")
        if own := row.get("classifier"):
            lines.append(f"{'':14}its own classifier: {own['accuracy']:.3f}")
        spread = row.get("sensitivity", {}).get("templates")
        if spread:
            lines.append(
                f"{'':14}zero-shot by one template of {len(spread['accuracy'])}: mean "
                f"{spread['mean']:.3f}, deviation {spread['std']:.3f}"
            )
        lines += [
            f"{'':14}zero-shot by {file}: {score['accuracy']:.3f}"
            for file, score in row.get("other_prompts", {}).items()
        ]
        lines += [
            f"{'':14}zero-shot by {name} prompts, by way of captions: "
            f"{score['accuracy']:.3f}"
            for name, score in row.get("zero_shot_grounded", {}).items()
        ]
    lines += [f"warning: {text}" for text in results["warnings"]]
    return "\n".join(lines)
