"""Runs on a mixture: on any number of devices, stopped and continued, evaluated."""

import json

import jax
import numpy as np
import pytest

from smile_jax.evaluation.fold_loop import evaluate
from smile_jax.evaluation.results import write_results
from smile_jax.evaluation.trained_run import load_run
from smile_jax.inference.model_folder import export
from smile_jax.inference.recognizer import Recognizer
from smile_jax.training.checkpoints import CheckpointError
from tests.conftest import built_once, tfds_build
from tests.training.common import shrunk_config, train_here
from tests.training.test_resume import assert_identical, final_state
from tests.training.test_step import run_steps


@pytest.fixture(scope="module")
def pairs(tiny_dataset, few_dataset):
    """The datasets of a mixture, and their weights."""
    return ((str(tiny_dataset), 1.0), (str(few_dataset), 3.0))


def keys(pairs, **overrides):
    return {
        "data.dir": "", "data.mixture": pairs, "data.folds": 2,
        "objective.smile.center_datasets": True, **overrides,
    }  # fmt: skip


@pytest.fixture(scope="module")
def whole(pairs, tiny_dataset, tmp_path_factory):
    """A run to its end; `stdout` in there is what it printed."""

    def make(folder):
        printed = train_here(tiny_dataset, folder, **keys(pairs))
        (folder / "stdout").write_text(printed)

    return built_once(tmp_path_factory, "mixed_run", make)


def test_same_training_on_one_and_on_eight_devices(pairs, tiny_dataset):
    config = shrunk_config(tiny_dataset, **keys(pairs))
    (state, metrics), (other, others) = (
        run_steps(config, steps=3, devices=n) for n in (1, 8)
    )
    np.testing.assert_allclose(metrics["loss"], others["loss"], rtol=2e-4)
    moments = [jax.tree.leaves(s.optimizer) for s in (state, other)]
    scale = max(np.abs(x).max() for x in moments[0] if x.dtype == np.float32)
    for ours, theirs in zip(*moments, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * scale)


def test_a_stopped_run_ends_bit_identical(pairs, tiny_dataset, tmp_path, whole):
    for stop in (3, 0):
        options = keys(pairs, **{"train.stop_after_steps": stop})
        train_here(tiny_dataset, tmp_path, **options)
    assert_identical(final_state(tmp_path), final_state(whole))


def test_the_log_says_what_share_each_gave(whole):
    printed = (whole / "stdout").read_text()
    assert "mixture    25.0% synthetic_faces/tiny, 52 clips" in printed or (
        "mixture    25.0% synthetic_faces/tiny, 48 clips" in printed
    )
    assert "mixture    75.0% synthetic_faces/few" in printed
    rows = [json.loads(x) for x in (whole / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        assert row["share/synthetic_faces/tiny"] == pytest.approx(0.25, abs=0.04)


def test_other_weights_are_another_run(pairs, tiny_dataset, whole):
    (first, _), second = pairs
    with pytest.raises(CheckpointError, match=r"config\.data\.mixture: .* became"):
        train_here(tiny_dataset, whole, **keys(((first, 2.0), second)))


def test_it_is_evaluated_and_exported(whole, tmp_path):
    results = evaluate(whole, "holdout")
    write_results(results, tmp_path)
    people = {name.partition(": ")[0] for name in results["test_subjects"]}
    assert people == {"synthetic_faces, seed 0", "synthetic_faces, seed 9"}
    (row,) = [r for r in results["rows"] if r["method"] == "smile"]
    assert row["labels_used"].count("people") == 2
    seen = load_run(whole).stored.info.labels_seen
    assert {k: len(v) for k, v in seen.items()} == {
        "synthetic_faces, seed 0": 4, "synthetic_faces, seed 9": 2,
    }  # fmt: skip
    export(Recognizer.of_run(whole), whole, tmp_path / "export")
    card = (tmp_path / "export" / "README.md").read_text()
    assert "| Trained on | synthetic_faces, fold 0 of 2 held out" in card
    config = json.loads((tmp_path / "export" / "smile.json").read_text())["config"]
    told = [path for path, _ in config["data"]["mixture"]]
    assert told == ["synthetic_faces/tiny/4.0.0", "synthetic_faces/few/4.0.0"]


def test_kfold_goes_through_people_of_each(pairs, tiny_dataset, tmp_path):
    options = keys(pairs, **{"train.steps": 2, "text_source": "none"})
    train_here(tiny_dataset, tmp_path, **options)
    results = evaluate(tmp_path, "kfold", baselines=False)
    assert results["tested_folds"] == 2
    assert len(results["test_subjects"]) == 8 + 4
    (row,) = results["rows"]
    assert row["transductive"]


def test_a_run_is_tested_on_several_others(plain_run, pairs, tmp_path):
    names = []
    for seed in (5, 6):
        config = {
            "name": f"of_{seed}", "subjects": 3, "intensities": [4], "neutral": False,
            "size": 32, "yaws_deg": [-30, 0, 30], "seed": seed,
        }  # fmt: skip
        flag = f"--config={json.dumps(config)}"
        tfds_build("synthetic_faces", flag, data_dir=tmp_path)
        names.append(str(tmp_path / "synthetic_faces" / f"of_{seed}"))
    results = evaluate(plain_run, "cross", test_data=" + ".join(names), baselines=False)
    (row,) = results["rows"]
    assert np.sum(row["linear_probe"]["confusion"]) == 36
    assert results["test_subjects"] == [
        f"synthetic_faces, seed {seed}: S000{i}" for seed in (5, 6) for i in range(3)
    ]
