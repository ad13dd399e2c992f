"""`--protocol=validation`, by which a sweep chooses: test people stay unseen."""

import itertools

import numpy as np
import pytest

from smile_jax.data.records import RecordSource
from smile_jax.evaluation.fold_loop import evaluate
from smile_jax.evaluation.protocols import (
    EvaluationFold,
    all_clips,
    results_folder,
)
from smile_jax.evaluation.trained_run import ProtocolError, load_run
from tests.training.common import train_here


def test_a_trial_looks_at_no_test_person(tiny_dataset, tmp_path, monkeypatch):
    looked = set()
    get = RecordSource.__getitem__

    def watched(self, index):
        if self._pixels:
            looked.add(int(index))
        return get(self, index)

    monkeypatch.setattr(RecordSource, "__getitem__", watched)
    keys = {"data.folds": 4, "data.validation_fold": 1, "train.steps": 2}
    train_here(tiny_dataset, tmp_path, **keys)
    results = evaluate(tmp_path, "validation", baselines=False)
    run = load_run(tmp_path)
    plan = run.plan
    assert set(plan.train_records) | set(plan.validation_records) == looked
    assert not looked & set(plan.test_records)
    people = {str(name) for name in plan.dataset.subjects[plan.validation_records]}
    assert set(results["test_subjects"]) == people
    assert [row["method"] for row in results["rows"]] == ["smile"]
    # Nor do probes that see all clips of the people, whatever they show.
    subjects = plan.dataset.subjects
    held_out = EvaluationFold(
        run, keys["data.validation_fold"], plan.train_records, plan.validation_records
    )
    sides = [*all_clips(held_out), plan.test_records]
    for one, other in itertools.combinations(sides, 2):
        assert not np.intersect1d(subjects[one], subjects[other]).size


def test_there_must_be_validation_people(plain_run):
    with pytest.raises(ProtocolError, match=r"data\.validation_fold"):
        evaluate(plain_run, "validation")


def test_some_evaluations_have_a_folder_of_their_own(tmp_path):
    assert results_folder(tmp_path, "kfold") == tmp_path / "eval"
    assert results_folder(tmp_path, "holdout", ["knn"]) == tmp_path / "eval_knn"
    both = results_folder(tmp_path, "cross", ["zero_shot", "knn", "knn"])
    assert both == tmp_path / "eval_cross_knn_zero_shot"


def test_some_evaluations_are_taken_alone(plain_run):
    found = evaluate(plain_run, "holdout", baselines=False, only=["knn"])
    (row,) = found["rows"]
    taken = [name for name, scores in row.items() if isinstance(scores, dict)]
    assert taken == ["linear_probe", "knn"] == list(found["columns"])
    assert found["known"] is None  # for it needs words too
    with pytest.raises(ProtocolError, match="--only=kmm: must be one of linear_probe"):
        evaluate(plain_run, "holdout", only=["kmm"])
