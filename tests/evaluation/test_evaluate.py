"""`python -m smile_jax.evaluate` on trained runs, and what it refuses."""

import json

import pytest

from tests.conftest import run_module
from tests.training.common import shrunk_flags


@pytest.fixture(scope="module")
def weak_run(tiny_dataset, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("weak")
    done = run_module("smile_jax.train", *shrunk_flags(tiny_dataset, workdir))
    assert done.returncode == 0, done.stderr
    return workdir


def evaluate(workdir, *flags):
    return run_module("smile_jax.evaluate", f"--workdir={workdir}", *flags, devices=2)


def test_holdout_results_and_report(weak_run):
    done = evaluate(weak_run)
    assert done.returncode == 0, done.stderr
    results = json.loads((weak_run / "eval" / "results.json").read_text())
    assert {"dataset", "protocol", "folds", "classes", "seconds", "rows"} <= set(
        results
    )
    rows = {row["method"]: row for row in results["rows"]}
    assert list(rows) == ["smile", "random_init", "pixels_pca"]
    assert rows["smile"]["text_source"] == "weak"
    for method, row in rows.items():
        for probe in ("linear_probe", "knn"):
            assert {"accuracy", "uar", "uf1", "std"} <= set(row[probe])
            assert 0 <= row[probe]["accuracy"] <= 1
            assert len(row[probe]["per_class_f1"]) == 6
        assert (row["zero_shot"] is not None) == (method == "smile")
    assert len(rows["smile"]["zero_shot_views"]) == 2
    total = sum(map(sum, rows["smile"]["linear_probe"]["confusion"]))
    assert total == 12 * len(results["test_subjects"])
    report = (weak_run / "eval" / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 4
    assert "http://" not in report and "https://" not in report
    assert "training subjects' expression labels" in report
    assert "linear_probe" in done.stdout


def test_kfold_on_seen_labels_is_refused(weak_run):
    done = evaluate(weak_run, "--protocol=kfold")
    assert done.returncode == 1
    assert "saw the labels of 6 subjects" in done.stderr
    assert "--protocol=holdout" in done.stderr


@pytest.mark.slow
def test_kfold_without_labels_is_transductive(tiny_dataset, tmp_path):
    flags = shrunk_flags(
        tiny_dataset,
        tmp_path,
        text_source="none",
        **{"data.folds": 4, "train.steps": 2},
    )
    assert run_module("smile_jax.train", *flags).returncode == 0
    done = evaluate(tmp_path, "--protocol=kfold")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "eval" / "results.json").read_text())
    row = results["rows"][0]
    assert row["transductive"] and row["zero_shot"] is None
    assert len(row["per_fold"]) == 4
    assert row["linear_probe"]["std"] is not None
    assert sum(map(sum, row["linear_probe"]["confusion"])) == 96


@pytest.mark.slow
def test_one_run_a_fold_is_pooled(tiny_dataset, tmp_path):
    for fold in (0, 1):
        flags = shrunk_flags(
            tiny_dataset,
            tmp_path / f"fold_{fold}",
            **{"data.folds": 2, "data.fold": fold, "train.steps": 2},
        )
        assert run_module("smile_jax.train", *flags).returncode == 0
    done = evaluate(tmp_path, "--protocol=kfold")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert results["tested_folds"] == 2
    assert len(results["test_subjects"]) == 8
    assert not results["rows"][0]["transductive"]
    assert sum(map(sum, results["rows"][0]["zero_shot"]["confusion"])) == 96


def test_no_checkpoint_is_explained(tmp_path):
    done = evaluate(tmp_path)
    assert done.returncode == 1
    assert "train first" in done.stderr
