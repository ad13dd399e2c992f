"""Runs on sequences: every temporal model on any number of devices, and to scores."""

import csv
import json
import pathlib

import jax
import numpy as np
import pytest

from smile_jax.config import ConfigError
from smile_jax.config.validate import validate
from smile_jax.data.dataset import open_dataset
from smile_jax.data.records import RecordSource
from smile_jax.evaluation.fold_loop import _evaluate_run, evaluate
from smile_jax.evaluation.protocols import EvaluationFold
from smile_jax.evaluation.registry import applicable
from smile_jax.evaluation.results import _predictions, table
from smile_jax.evaluation.trained_run import ProtocolError, load_run
from smile_jax.faces.class_spellings import FOUR_DME
from smile_jax.training.run_plan import make_plan
from tests.conftest import built_once, run_module, tfds_build
from tests.training.common import shrunk_config, train_here
from tests.training.test_step import assert_same_run, run_steps

SMALL = {
    "subjects": 8, "size": 32, "yaws_deg": [-20, 20], "motion": True,
    "channels": ["depth", "normals"],
}  # fmt: skip
MICRO = SMALL | {
    "name": "m", "task": "micro", "sequence_frames": 16, "seconds": 0.5, "frames": 6,
}  # fmt: skip
RECORDED = SMALL | {
    "name": "r", "task": "recordings", "sequence_frames": 121, "seconds": 6.0,
    "frames": 121, "recordings": 1,
}  # fmt: skip
KEYS = {
    "data.inputs": ("depth", "normals"),
    "data.classes": FOUR_DME,
    "data.frames": 4,
    "data.sampling": "apex",
    "data.folds": 4,
    "augment.relight": False,
    "model.temporal_depth": 1,
    "model.temporal_heads": 2,
    "prompts.style": "facs",
}
SEVERAL = {
    "text_source": "several",
    "objective.smile.alignment_over": "each",
    "objective.smile.redundancy": 0.0,
}


def built(factory, form) -> pathlib.Path:
    def make(folder: pathlib.Path) -> None:
        tfds_build("synthetic_faces", f"--config={json.dumps(form)}", data_dir=folder)

    folder = built_once(factory, f"sequences_{form['name']}", make)
    return folder / "synthetic_faces" / form["name"]


@pytest.fixture(scope="module")
def micro(tmp_path_factory):
    return built(tmp_path_factory, MICRO)


def test_records_of_micro_expressions(micro):
    dataset = open_dataset(micro)
    assert dataset.classes == FOUR_DME and len(dataset.labels) == 8 * 14
    assert dataset.frames == 6 and dataset.rates_known
    assert (dataset.labels == -1).sum() == 8 * 3  # two at once
    record = RecordSource(dataset.path)[0]
    assert record["rate_hz"] == 30 and record["motion"].shape == (6, 64)
    assert record["frame_index"].tolist() == [0, 3, 6, 9, 12, 15]
    assert 0 < record["onset"] < record["apex"] < record["offset"] < 15
    assert record["emotions"].sum() >= 1 and record["action_units"].sum() >= 1
    assert record["true_weights"].shape[0] == 6


@pytest.mark.parametrize(
    "kind",
    [
        "mean",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in (
                "transformer",
                "attention",
                "differences",
                "two_phase",
                "dynamic",
            )
        ),
    ],
)
def test_one_device_or_eight(micro, kind):
    """With windows drawn by chance, two of each clip, and several labels at once."""
    keys = KEYS | SEVERAL | {"model.temporal": kind, "augment.speed": 0.5}
    config = shrunk_config(micro, **keys, **{"data.crops": 2})
    one, eight = (run_steps(config, steps=2, devices=n) for n in (1, 8))
    np.testing.assert_allclose(one[1]["loss"], eight[1]["loss"], rtol=2e-4)
    np.testing.assert_allclose(
        one[1]["gradient_norm"], eight[1]["gradient_norm"], rtol=2e-3
    )
    assert one[1]["decorrelation/loss"] > 0


@pytest.mark.slow
def test_micro_batches_of_sequences(micro):
    keys = KEYS | SEVERAL | {"model.temporal": "two_phase", "augment.phase": 0.5}
    whole = run_steps(shrunk_config(micro, **keys), steps=2, devices=2)
    parts = shrunk_config(micro, **keys, **{"train.micro_batches": 4})
    assert_same_run(run_steps(parts, steps=2, devices=2), whole)


def test_what_time_needs_is_named(micro, tiny_dataset, tmp_path):
    for keys, said in (
        ({"data.frames": 9}, "data.frames=9: records have 6"),
        ({"data.crops": 2}, "data.crops=2: windows would be alike"),
        (SEVERAL | {"data.classes": FOUR_DME[:2]}, "must be all of the dataset's"),
        ({"text_source": "several"}, "'several' and 'each' belong together"),
        ({"model.temporal": "transfromer"}, "did you mean 'transformer'"),
    ):
        with pytest.raises(ConfigError, match=said):
            config = shrunk_config(micro, **KEYS | keys)
            validate(config, jax.device_count())
            make_plan(config)
    with pytest.raises(ConfigError, match=r"data\.frames=4: the dataset has one"):
        make_plan(shrunk_config(tiny_dataset, **{"data.frames": 4}))


@pytest.mark.slow
def test_from_sequences_to_scores_and_intervals(micro, tmp_path_factory, tmp_path):
    """Trained in two parts bit for bit as in one; evaluated; recordings spotted."""
    keys = KEYS | SEVERAL | {
        "model.temporal": "transformer", "augment.speed": 0.5, "train.steps": 4,
    }  # fmt: skip
    train_here(micro, tmp_path / "whole", **keys)
    train_here(micro, tmp_path / "run", **keys, **{"train.stop_after_steps": 2})
    train_here(micro, tmp_path / "run", **keys)
    last = [
        json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[-1])
        for name in ("whole", "run")
    ]
    assert last[0]["step"] == last[1]["step"] == 4
    assert last[0]["loss"] == last[1]["loss"]

    results = evaluate(tmp_path / "run", "holdout")
    rows = {row["method"]: row for row in results["rows"]}
    assert set(rows) == {"smile", "random_init", "pixels_pca", "motion"}
    for method in rows:
        assert 0 <= rows[method]["emotions"]["macro_f1"] <= 1
        assert 0 <= rows[method]["action_units"]["mean_ap"] <= 1
    assert rows["smile"]["emotions_zero_shot"] and not rows["motion"]["zero_shot"]
    assert "emotions, zero-shot" in str(results["columns"])
    assert "macro F1" in table(results) or "macro_f1" in table(results)
    subjects = results["predictions"]["subject"]
    people = set(subjects)
    assert len(subjects) == 14 * len(people)  # two at once, too

    # Somebody who is left out may show several emotions at once only.
    run = load_run(tmp_path / "run")
    plan, evaluations = run.plan, applicable(run.plan.dataset)
    fold, nobody = run.config.data.fold, plan.test_records[:0]
    alone = EvaluationFold(run, fold, plan.train_records, nobody)
    (tested,), _ = _evaluate_run(
        [alone], {}, evaluations, plan.dataset, {}, baselines=False, keep_known=False
    )
    answered = {"emotions", "emotions_zero_shot", "action_units"}
    assert {name for _, name in tested.outcomes} == answered
    columns = _predictions([tested], evaluations, plan.dataset)
    assert len(columns["sequence"]) == 14 * len(people)

    recordings = built(tmp_path_factory, RECORDED)
    flags = (f"--workdir={tmp_path / 'run'}", f"--data={recordings}", "--window_s=0.5")
    done = run_module("smile_jax.spot", *flags)
    assert done.returncode == 0, done.stderr
    assert "false a minute" in done.stdout
    spotted = json.loads((tmp_path / "run/eval/spotting.json").read_text())
    assert set(spotted) == {"smile", "motion", "chance"}
    with (tmp_path / "run/eval/spotting.csv").open() as file:
        for row in csv.DictReader(file):
            assert int(row["onset"]) <= int(row["apex"]) <= int(row["offset"])
    wrong = run_module("smile_jax.spot", flags[0], f"--data={micro}")
    assert wrong.returncode == 1 and "in which something is to be found" in wrong.stderr
    assert ProtocolError.__name__ not in wrong.stderr
