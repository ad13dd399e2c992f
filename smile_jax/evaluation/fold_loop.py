"""The loop over folds, methods and evaluations."""

import contextlib
import itertools
import pathlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn import config_context
from threadpoolctl import threadpool_limits

from smile_jax.data.dataset import FaceDataset
from smile_jax.data.prompts import Prompts, make_prompts
from smile_jax.evaluation.base import Evaluation, Fold, Outcome
from smile_jax.evaluation.clip_set import ClipSet
from smile_jax.evaluation.compared_methods import Embedded, FoldClips, RunMethods
from smile_jax.evaluation.linear_probe import LinearProbe, probe_of
from smile_jax.evaluation.protocols import (
    EvaluationFold,
    all_clips,
    folds_of,
    other_dataset,
)
from smile_jax.evaluation.registry import applicable
from smile_jax.evaluation.results import FoldResult, results_of
from smile_jax.evaluation.trained_run import (
    RUN,
    ProtocolError,
    TrainedRun,
    load_runs,
)
from smile_jax.inference.reference_set import ReferenceSet

# Values, clips times features, up to which several threads do not pay.
_SMALL = 1 << 24


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
    """Runs a protocol.

    Args:
      workdir: of a run, or of the runs of all folds.
      protocol: one of `PROTOCOLS`.
      prompt_files: other words to be zero-shot with, beside those of the run.
      settings: see `load_run`.
      test_data: location of what "cross" tests on; what is fitted is fitted
        on the run's own training people.
      baselines: also evaluate what the run is compared with.
      only: names of the evaluations to take beside the linear probe; all if empty.

    Returns:
      What `results.json` holds (docs/evaluation.md); "embedding" and "predictions" of
      single clips; and "known", of the training clips of "holdout" where all is
      evaluated, and as `predict` sees it.

    Raises:
      ProtocolError: it would not be fair, or there is nothing to test.
    """
    started = time.perf_counter()
    if (protocol == "cross") != bool(test_data):
        raise ProtocolError("protocol cross and a dataset to test on go together")
    runs = load_runs(workdir, protocol, settings)
    first = runs[0]
    tested_on = other_dataset(first, test_data) if test_data else first.plan.dataset
    words = {
        file: make_prompts(first.config.data.classes, file=file)
        for file in prompt_files
    }
    evaluations = _chosen(first, tested_on, only)
    tested: list[FoldResult] = []
    embedded: Embedded = {}
    folds = folds_of(runs, protocol, tested_on)
    for _, own in itertools.groupby(folds, key=lambda fold: fold.run.workdir):
        results, embedded = _evaluate_run(
            list(own),
            words,
            evaluations,
            tested_on,
            embedded,
            baselines=baselines,
            keep_known=protocol == "holdout" and not only and first.as_predicted,
        )
        tested += results
    seconds = round(time.perf_counter() - started, 1)
    return results_of(runs, protocol, tested, evaluations, tested_on, seconds)


def _chosen(
    run: TrainedRun, tested_on: FaceDataset, only: Collection[str]
) -> list[Evaluation]:
    """Returns the evaluations that the datasets allow.

    If some are named, only these and the linear probe.

    Raises:
      ProtocolError: there is none of a name.
    """
    found = applicable(tested_on, applicable(run.plan.dataset))
    if tested_on is not run.plan.dataset:
        # Labels of the same name may stand for others there.
        found = [e for e in found if not e.every_clip]
    there = [e.name for e in found]
    if unknown := set(only) - set(there):
        raise ProtocolError(
            f"--only={', '.join(sorted(unknown))}: must be one of {', '.join(there)}"
        )
    if only:
        found = [e for e in found if e.name in {LinearProbe.name, *only}]
    return found


def _evaluate_run(
    folds: Sequence[EvaluationFold],
    words: Mapping[str, Prompts],
    evaluations: Sequence[Evaluation],
    tested_on: FaceDataset,
    before: Embedded,
    *,
    baselines: bool,
    keep_known: bool,
) -> tuple[list[FoldResult], Embedded]:
    """Evaluates all folds of one run, and returns its embeddings for the next one."""
    run = folds[0].run
    every_clip = any(e.every_clip for e in evaluations)
    # What evaluations see: clips of the run's classes (False), or all of them (True).
    sides = [
        {False: (fold.train, fold.test)}
        | ({True: all_clips(fold)} if every_clip else {})
        for fold in folds
    ]
    needed = [side for of_fold in sides for side in of_fold.values()]
    clips = ClipSet.of_run(run, needed, tested_on)
    methods = RunMethods(
        run, clips, words, evaluations, tested_on, baselines=baselines, before=before
    )
    found = [
        _evaluate_fold(fold, of_fold, clips, methods, evaluations, keep_known)
        for fold, of_fold in zip(folds, sides, strict=True)
    ]
    return found, methods.embedded


def _evaluate_fold(
    fold: EvaluationFold,
    sides: Mapping[bool, tuple[np.ndarray, np.ndarray]],
    clips: ClipSet,
    methods: RunMethods,
    evaluations: Sequence[Evaluation],
    keep_known: bool,
) -> FoldResult:
    """Returns every method's answers on one fold."""
    places = {
        every: FoldClips(clips.rows(*side), len(side[0]))
        for every, side in sides.items()
    }
    learners = places[False].rows[: places[False].split]
    result = FoldResult(
        fold.run.config.data.classes, {every: side[1] for every, side in sides.items()}
    )
    for method in methods.names:
        # One method's features are in memory at a time.
        for every, own in places.items():
            taken = [e for e in evaluations if e.every_clip == every]
            if not taken or not len(sides[every][1]):
                continue
            features = methods.fold(method, own, learners)
            result.add(method, outcomes_of(features, taken))
            if method == RUN and not every:
                result.keep_embedding(features)
                if keep_known:
                    result.known = _known(fold, features, methods.images(learners))
    return result


def outcomes_of(fold: Fold, evaluations: Sequence[Evaluation]) -> dict[str, Outcome]:
    """Returns the answers of each evaluation that a method of a fold can take."""
    small = fold.features.size < _SMALL
    with contextlib.ExitStack() as stack:
        if small:  # on regressions as small as these, threads wait for each other
            stack.enter_context(threadpool_limits(1))
        # There are thousands of small fits.
        stack.enter_context(config_context(skip_parameter_validation=True))
        return {e.name: e.run(fold) for e in evaluations if e.applies(fold)}


def _known(fold: EvaluationFold, features: Fold, images: np.ndarray) -> ReferenceSet:
    """Collects what a run keeps of its training clips, with the evaluation's probe."""
    run = fold.run
    dataset, train = run.plan.dataset, features.features[: features.split]
    probe, bias = probe_of(features).as_matrix(len(features.classes))
    grounds = features.words[""].grounds if features.words else None
    captions = grounds.captions if grounds else np.zeros((0, images.shape[1]))
    return ReferenceSet.of_clips(
        train,
        images,
        features.train_of("label"),
        dataset.sequences[fold.train],
        dataset.subjects[fold.train],
        classes=features.classes,
        captions=np.asarray(captions, np.float32),
        probe=probe,
        bias=bias,
        step=run.stored.step,
    )
