"""`smile-jax evaluate` on trained runs, and what it refuses."""

import csv
import json

import numpy as np
import pytest

from smile_jax import load
from smile_jax.config import ConfigError
from smile_jax.evaluation import report
from smile_jax.evaluation.clip_set import ClipSet
from smile_jax.evaluation.embed import ClipReader
from smile_jax.evaluation.fold_loop import evaluate
from smile_jax.evaluation.results import write_results
from smile_jax.evaluation.trained_run import ProtocolError, load_run
from smile_jax.training.assembly import step_config
from tests.conftest import run_module, tfds_build
from tests.training.common import train_here


def evaluated(workdir, protocol="holdout"):
    """Results, as written, of a run that is evaluated in this process."""
    write_results(evaluate(workdir, protocol), workdir / "eval")
    return json.loads((workdir / "eval" / "results.json").read_text())


@pytest.fixture(scope="module")
def said(plain_run):
    """What the command says of the run that it evaluates."""
    flags = (f"--workdir={plain_run}", "--set=pca_components=4")
    done = run_module("smile_jax.evaluate", *flags, devices=2)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_holdout_results_and_report(plain_run, said):
    results = json.loads((plain_run / "eval" / "results.json").read_text())
    assert {"dataset", "protocol", "folds", "classes", "seconds", "rows"} <= set(
        results
    )
    rows = {row["method"]: row for row in results["rows"]}
    assert list(rows) == ["smile", "random_init", "pixels_pca"]
    assert rows["smile"]["text_source"] == "weak"
    assert rows["smile"]["labels_used"].startswith("of 6 people (synthetic_faces")
    assert rows["pixels_pca"]["labels_used"] == "none"
    chosen = rows["smile"]["linear_probe_chosen"][0]
    assert {"C", "features", "validation"} == set(chosen)
    for method, row in rows.items():
        for probe in ("linear_probe", "knn"):
            assert {"accuracy", "uar", "uf1", "std"} <= set(row[probe])
            assert 0 <= row[probe]["accuracy"] <= 1
            assert len(row[probe]["per_class_f1"]) == 6
        assert (row["zero_shot"] is not None) == (method == "smile")
    assert len(rows["smile"]["zero_shot_views"]) == 2
    total = sum(map(sum, rows["smile"]["linear_probe"]["confusion"]))
    assert total == 12 * len(results["test_subjects"])
    report = (plain_run / "eval" / "report.html").read_text()
    assert 6 <= report.count("data:image/png;base64,") <= 18
    assert "http://" not in report and "https://" not in report
    assert "training subjects' expression labels" in report
    assert "linear_probe" in said


@pytest.mark.usefixtures("said")
def test_single_predictions_are_written(plain_run):
    with (plain_run / "eval" / "predictions.csv").open() as file:
        lines = list(csv.DictReader(file))
    results = json.loads((plain_run / "eval" / "results.json").read_text())
    assert {line["subject"] for line in lines} == set(results["test_subjects"])
    for method in ("smile", "random_init", "pixels_pca"):
        (row,) = (row for row in results["rows"] if row["method"] == method)
        hits = [line[f"{method}/knn"] == line["label"] for line in lines]
        assert np.mean(hits) == pytest.approx(row["knn"]["accuracy"])


def test_kfold_on_seen_labels_is_refused(plain_run):
    with pytest.raises(ProtocolError, match="saw the labels of 6 subjects") as error:
        evaluate(plain_run, "kfold")
    assert "--protocol=holdout" in str(error.value)


@pytest.mark.parametrize(
    "setting, said",
    [
        ({"pca": "4"}, "must be one of batch_size, views, parameters, pca_components"),
        ({"parameters": "emma"}, r"must be one of \('ema', 'params'\)"),
        ({"pca_components": "many"}, "must be a number from 1 on"),
    ],
)
def test_settings_that_there_are_not(plain_run, setting, said):
    with pytest.raises(ConfigError, match=said):
        load_run(plain_run, setting)


def test_views_and_local_mean_are_the_same_everywhere(tiny_dataset, tmp_path):
    """Of a run that is evaluated on more views than it trains on."""
    keys = {"train.steps": 1, "evaluation.views": 3, "data.local_mean": 0.1}
    train_here(tiny_dataset, tmp_path, **keys)
    run = load_run(tmp_path)
    spec, dataset = run.stored.spec, run.plan.dataset
    step = step_config(run.config, run.plan, spec)
    assert step.local_mean == step.plain_view.keywords["local_mean"] == 0.1
    assert len(step.plain_view.keywords["view_ids"]) == step.num_views == 2
    seen = ClipReader.of_run(run.config, spec, dataset).view.keywords
    assert seen["local_mean"] == 0.1 and len(seen["view_ids"]) == 3
    assert load(tmp_path).reader.cameras == seen["view_ids"]
    results = evaluate(tmp_path, "holdout")
    assert results["views"] == len(results["embedding"]["cameras"]) == 3
    # `predict` compares with features as its own.
    assert results["known"]
    for other in ({"views": "2"}, {"parameters": "params"}):
        assert evaluate(tmp_path, "holdout", settings=other)["known"] is None
    other = {"model.start_from": str(tmp_path), "train.steps": 1}
    with pytest.raises(ValueError, match=r"with data.local_mean=0.1, this run has 0.0"):
        train_here(tiny_dataset, tmp_path / "next", **other)


def test_rows_of_two_datasets_do_not_mix():
    first, other = np.array([1, 3, 5]), np.array([0, 3])
    one = ClipSet([(None, first)])  # type: ignore[list-item]
    assert one.rows(np.array([5, 1]), np.array([3])).tolist() == [2, 0, 1]
    two = ClipSet([(None, first), (None, other)])  # type: ignore[list-item]
    assert two.rows(np.array([5, 3]), np.array([0, 3])).tolist() == [2, 1, 3, 4]


def test_a_run_is_tested_on_another_dataset(plain_run, tiny_dataset, tmp_path):
    config = {
        "name": "other", "subjects": 3, "intensities": [4], "neutral": False,
        "size": 32, "yaws_deg": [-30, 0, 30], "seed": 1,
    }  # fmt: skip
    tfds_build("synthetic_faces", f"--config={json.dumps(config)}", data_dir=tmp_path)
    other = str(tmp_path / "synthetic_faces/other")
    results = evaluate(plain_run, "cross", test_data=other)
    assert results["test_subjects"] == ["S0000", "S0001", "S0002"]
    assert results["dataset"].startswith(other)
    assert results["trained_on"].startswith(str(tiny_dataset))
    rows = {row["method"]: row for row in results["rows"]}
    for method in ("smile", "random_init", "pixels_pca"):
        for name in ("linear_probe", "knn"):
            assert np.sum(rows[method][name]["confusion"]) == 18
    assert rows["smile"]["zero_shot"] and rows["smile"]["who"]
    answers = results["predictions"]["smile/linear_probe"]
    assert len(answers) == 18 and all(answers)

    for protocol, data, said in (
        ("cross", str(tiny_dataset), "its people are the run's own"),
        ("cross", "", "go together"),
        ("holdout", other, "go together"),
    ):
        with pytest.raises(ProtocolError, match=said):
            evaluate(plain_run, protocol, test_data=data)


@pytest.mark.slow
def test_kfold_without_labels_is_transductive(tiny_dataset, tmp_path):
    keys = {"data.folds": 4, "train.steps": 2}
    train_here(tiny_dataset, tmp_path, text_source="none", **keys)
    results = evaluated(tmp_path, "kfold")
    row = results["rows"][0]
    assert row["transductive"] and row["zero_shot"] is None
    assert len(row["per_fold"]) == 4
    assert row["linear_probe"]["std"] is not None
    assert sum(map(sum, row["linear_probe"]["confusion"])) == 96


@pytest.mark.slow
def test_one_run_a_fold_is_pooled(tiny_dataset, tmp_path):
    for fold in (0, 1):
        keys = {"data.folds": 2, "data.fold": fold, "train.steps": 2}
        train_here(tiny_dataset, tmp_path / f"fold_{fold}", **keys)
    results = evaluated(tmp_path, "kfold")
    assert results["tested_folds"] == 2
    assert len(results["test_subjects"]) == 8
    assert not results["rows"][0]["transductive"]
    assert sum(map(sum, results["rows"][0]["zero_shot"]["confusion"])) == 96


def test_labels_of_a_supervised_run_are_told():
    """It has no text, which is not to say that it has no labels."""
    results = {
        "labels_seen": {"some faces": 6},
        "objective": "supervised",
        "rows": [{"text_source": "none"}],
    }
    note = report._text_note(results)
    assert "Expression labels seen" in note and "6 subjects of some faces" in note
    assert "No expression label" in report._text_note(results | {"labels_seen": {}})


def test_no_checkpoint_is_explained(tmp_path):
    done = run_module("smile_jax.evaluate", f"--workdir={tmp_path}")
    assert done.returncode == 1
    assert "train first" in done.stderr
