"""Suites: what is run, what is done already, and tables from raw numbers alone."""

import csv
import dataclasses
import io
import json
import pathlib
import subprocess

import pytest

from smile_jax.config import ConfigError
from smile_jax.evaluation import suite_runs
from smile_jax.evaluation.suite_definition import Suite, SuiteError, Sweep, read_suite
from smile_jax.evaluation.suite_runs import (
    COLUMNS,
    current_rows,
    perform,
    rows_of,
    runs_of,
)
from smile_jax.evaluation.suite_trials import trials
from smile_jax.evaluation.tables import latex, markdown, means, scores, to_csv
from smile_jax.objectives import Objective
from smile_jax.objectives.smile import Smile
from smile_jax.objectives.text_sources import WeakLabels
from smile_jax.objectives.vicreg import VicReg
from tests.conftest import ROOT

CONFIG = "from smile_jax.experiments.demo import get_config\n"


@pytest.fixture
def suite(tmp_path):
    config = tmp_path / "x.py"
    config.write_text(CONFIG)
    return Suite(
        config=str(config),
        methods={"late": {"data.views": 2}, "early": {"train.steps": 3}},
        shown=(("linear_probe", "accuracy"), ("knn", "accuracy")),
        baselines={"pixels_pca": "early"},
        seeds=(0, 1),
        starts={"late": "early"},
    )


def finish(run, value):
    """As if it was trained and evaluated."""
    (run.workdir / "eval").mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "method": method, "text_source": None, "labels_used": "none",
            "transductive": False,
            "linear_probe": {"accuracy": score, "names": ["a"]}, "knn": None,
        }
        for method, score in (("smile", value), ("pixels_pca", 0.5))
    ]  # fmt: skip
    results = {"rows": rows, "images_seen": 12, "step": 3}
    (run.workdir / "eval/results.json").write_text(json.dumps(results))
    spent = {"hardware": "1 x cpu", "flops_per_step": 2e9, "peak_memory": 5}
    (run.workdir / "spent.json").write_text(json.dumps(spent))
    (run.workdir / "run.json").write_text(json.dumps({"versions": {}, "commit": "c"}))
    state = {
        "training": run.training_digest, "trained": True, "digest": run.digest,
        "seconds": 2.5, "finished": True,
    }  # fmt: skip
    (run.workdir / "benchmark.json").write_text(json.dumps(state))


def test_runs_come_after_those_that_they_start_from(suite, tmp_path):
    runs = runs_of("s", suite, tmp_path / "out", {"model.pretrained_text": "M"})
    assert [(r.method, r.seed) for r in runs] == [
        ("early", 0), ("late", 0), ("early", 1), ("late", 1),
    ]  # fmt: skip
    early, late = runs[:2]
    assert f"--config.model.start_from={early.workdir}" in late.flags
    assert "--config.model.pretrained_text=" in late.flags  # the other run has it
    assert "--config.model.pretrained_text=M" in early.flags
    assert "--config.train.steps=3" in early.flags
    assert len({r.digest for r in runs}) == 4


def test_folds_are_trained_apart_and_evaluated_together(suite, tmp_path, monkeypatch):
    """Those of a method and a seed are one run, whose rows are of the fold "all"."""
    pooled = dataclasses.replace(suite, protocol="kfold")
    out, machine = tmp_path / "out", {"data.folds": 3}
    runs = runs_of("s", pooled, out, machine)
    assert [r.place for r in runs[:2]] == [
        ("early", "0", "all"),
        ("late", "0", "all"),
    ]
    early, late = (r.parts for r in runs[:2])
    assert [p.workdir for p in early] == [out / f"early_0/fold_{i}" for i in range(3)]
    assert "--config.data.fold=2" in early[2].flags
    assert f"--config.model.start_from={early[2].workdir}" in late[2].flags
    alone = runs_of("s", suite, out, machine)
    assert not {r.digest for r in runs} & {r.digest for r in alone}

    asked = []

    def command(words, **_):
        asked.append([x for x in words if "workdir" in x or "protocol" in x])
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(subprocess, "run", command)
    perform(runs[0])
    folders = [[f"--workdir={out / f'early_0/fold_{i}'}"] for i in range(3)]
    assert asked == [*folders, [f"--workdir={out / 'early_0'}", "--protocol=kfold"]]
    finish(runs[0], 0.5)
    for name in ("run.json", "spent.json"):
        (out / "early_0" / name).rename(out / "early_0/fold_0" / name)
    assert {row["fold"] for row in rows_of(runs[0])} == {"all"}
    with pytest.raises(SuiteError, match="goes without folds and without a sweep"):
        dataclasses.replace(pooled, folds=(0, 1))


def test_a_changed_method_is_another_run(suite, tmp_path):
    (run, *_) = runs_of("s", suite, tmp_path / "out", {})
    finish(run, 0.5)
    assert run.done()
    other = dataclasses.replace(run, settings={**run.settings, "train.steps": 4})
    assert not other.done()
    with pytest.raises(SuiteError, match="a run of other settings"):
        perform(other)
    changed = "def get_config():\n    c = of_demo()\n    c.train.batch_size = 8\n"
    start = CONFIG.replace("get_config", "get_config as of_demo")
    (tmp_path / "x.py").write_text(f"{start}{changed}    return c\n")
    assert not run.done()  # whatever file it is changed in


def test_the_table_is_of_the_raw_numbers(suite, tmp_path):
    runs = runs_of("s", suite, tmp_path / "out", {})
    for value, run in zip((0.4, 0.7, 0.6, 0.7), runs, strict=True):
        finish(run, value)
    text = to_csv([row for run in runs for row in rows_of(run)], COLUMNS)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 8
    assert rows[0]["value"] == "0.4" and rows[0]["seconds"] == "2.5"
    lines = markdown(*scores(suite, rows)).splitlines()
    assert lines[0] == "| method | linear_probe: accuracy | runs |"  # there is no knn
    assert lines[2] == "| late | 0.700 ± 0.000 | 2 |"
    # Student's t of one degree of freedom: 12.706 * 0.1414 / sqrt(2).
    assert lines[3] == "| early | 0.500 ± 1.271 | 2 |"
    assert lines[4] == "| pixels_pca | 0.500 ± 0.000 | 2 |"
    early = {
        "method": "early", "evaluation": "linear_probe", "metric": "accuracy",
        "condition": "", "mean": "0.5000", "half_interval": "1.2706", "runs": 2,
    }  # fmt: skip
    assert means(suite, rows)[1] == early


def test_what_is_wrong_is_said(suite, tmp_path):
    with pytest.raises(SuiteError, match="there is no method 'nothing'"):
        dataclasses.replace(suite, starts={"late": "nothing"})
    with pytest.raises(SuiteError, match="there is no such file"):
        read_suite(tmp_path / "none.py")
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(SuiteError, match="no get_suite"):
        read_suite(tmp_path / "empty.py")
    (run, *_) = runs_of("s", suite, tmp_path / "out", {"data.vews": 1})
    with pytest.raises(ConfigError, match=r"did you mean data\.views"):
        perform(run)
    both = {"train.steps": 1, "train.epochs": 2.0}
    (run, *_) = runs_of("s", suite, tmp_path / "out", both)
    with pytest.raises(SuiteError, match=r"ended with 1: .*train\.steps"):
        perform(run)
    assert not run.done()
    state = json.loads((run.workdir / "benchmark.json").read_text())
    assert state["seconds"] > 0 and not state["finished"]


@pytest.mark.parametrize(
    "name",
    [path.stem for path in sorted(ROOT.glob("experiments/suites/[a-z]*.py"))],
)
def test_suites_of_the_repository_name_what_there_is(name, tmp_path):
    suite = read_suite(pathlib.Path(f"experiments/suites/{name}.py"))
    suite = dataclasses.replace(suite, folds=suite.folds[:1])  # others are alike
    runs = runs_of(name, suite, tmp_path, {})
    assert len({run.digest for run in runs}) == len(runs)


def test_rows_of_another_machine_count_until_the_method_changes(suite, tmp_path):
    runs = runs_of("s", suite, tmp_path / "there", {"data.threads": 1})
    for run in runs:
        finish(run, 0.5)
    text = to_csv([row for run in runs for row in rows_of(run)], COLUMNS)
    stored = list(csv.DictReader(io.StringIO(text)))
    here = runs_of("s", suite, tmp_path / "here", {"data.threads": 7})
    assert current_rows(stored, here) == stored
    methods = {"late": {"data.views": 2}, "early": {"train.steps": 4}}
    changed = dataclasses.replace(suite, methods=methods)
    # `late` starts from `early`, so it is another one too.
    assert current_rows(stored, runs_of("s", changed, tmp_path, {})) == []
    methods = {"late": {"data.views": 1}, "early": {"train.steps": 3}}
    changed = dataclasses.replace(suite, methods=methods)
    left = current_rows(stored, runs_of("s", changed, tmp_path, {}))
    assert {row["method"] for row in left} == {"early"}
    other_place = {"data.dir": "/mnt/makehuman_faces/static_captions"}
    assert current_rows(stored, runs_of("s", suite, tmp_path, other_place)) == stored
    other_data = {"data.dir": "data/synthetic_faces/static"}
    assert current_rows(stored, runs_of("s", suite, tmp_path, other_data)) == []
    steps = {"train.steps": 9}  # unlike threads, that is what is computed
    assert current_rows(stored, runs_of("s", suite, tmp_path, steps)) == []
    with pytest.raises(SuiteError, match="seed: the suite's runs differ in it"):
        runs_of("s", suite, tmp_path, {"seed": 3})


def test_another_version_of_a_method_is_another_run(suite, tmp_path, monkeypatch):
    """Of its class, of one that it is a variant of, or of its text source."""
    (run, *_) = runs_of("s", suite, tmp_path, {})
    before = run.digest
    for method in (Smile, Objective, WeakLabels):
        monkeypatch.setattr(method, "version", method.version + 1)
        assert run.digest != before
        monkeypatch.undo()
    monkeypatch.setattr(VicReg, "version", 2)
    assert run.digest == before


def test_another_evaluation_is_done_again_without_training(
    suite, tmp_path, monkeypatch
):
    (run, *_) = runs_of("s", suite, tmp_path / "out", {})
    asked = []

    def command(words, **_):
        asked.append(words[2])
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(subprocess, "run", command)
    perform(run)
    finish(run, 0.5)
    perform(run)
    assert asked == ["smile_jax.train", "smile_jax.evaluate"] and run.done()
    monkeypatch.setattr(suite_runs, "VERSION", suite_runs.VERSION + 1)
    assert not run.done()
    perform(run)
    assert asked[2:] == ["smile_jax.evaluate"] and run.done()


def test_conditions_of_an_evaluation_are_rows(suite, tmp_path):
    (run, *_) = runs_of("s", suite, tmp_path / "out", {})
    finish(run, 0.5)
    path = run.evaluated / "results.json"
    results = json.loads(path.read_text())
    results["rows"][0]["views"] = {"0": {"accuracy": 0.25}, "1": {"accuracy": 0.75}}
    path.write_text(json.dumps(results))
    rows = list(rows_of(run))
    shown = ("views", "accuracy", "1")
    _, lines = scores(dataclasses.replace(suite, shown=(shown,), baselines={}), rows)
    assert lines[-1] == ["early", "0.750", "1"]


def test_who_saw_the_test_people_is_marked(suite, tmp_path):
    (run, *_) = runs_of("s", suite, tmp_path / "out", {})
    finish(run, 0.5)
    rows = [row | {"transductive": "True"} for row in rows_of(run)]
    assert ["early (transductive)", "0.500", "1"] in scores(suite, rows)[1]


def test_the_same_table_for_a_paper():
    text = latex(["method", "knn: uf1"], [["pixels_pca", "0.5 ± 0.1"]])
    assert r"pixels\_pca & 0.5 $\pm$ 0.1 \\" in text
    assert text.startswith(r"\begin{tabular}{lr}")


@pytest.fixture
def swept(suite):
    keys = {
        "early": {"optimizer.learning_rate": (1e-3, 3e-3), "train.batch_size": (8, 4)},
        "plain": {"optimizer.learning_rate": (1e-3, 3e-3, 1e-4)},
    }
    return dataclasses.replace(
        suite,
        methods={**suite.methods, "plain": {}},
        sweep=Sweep(keys=keys, settings={"train.steps": 1}, seed=5),
        chosen_as={"late": "early"},
    )


def test_a_sweep_takes_one_key_after_another(swept, tmp_path):
    best = {"optimizer.learning_rate": 3e-3, "train.batch_size": 4}
    asked = []

    def row_of(run):
        asked.append(run)
        right = sum(run.settings[key] == value for key, value in best.items())
        return {"value": right, "digest": run.digest}

    found = list(trials("s", swept, "early", 2, tmp_path, {"data.threads": 1}, row_of))
    assert [settings["train.batch_size"] for settings, _ in found] == [8, 8, 4]
    assert found[-1][0] == best
    assert len({run.digest for run in asked}) == len(asked) == 3
    for run in asked:
        assert run.settings["data.fold"] == 2
        assert run.settings["data.validation_fold"] == 3
        assert run.protocol == "validation" and run.seed == 5
        assert "--config.train.steps=1" in run.flags
    with pytest.raises(SuiteError, match="starts from another run"):
        next(trials("s", swept, "late", 2, tmp_path, {}, row_of))
    with pytest.raises(SuiteError, match="as many trials"):
        Sweep(keys={"a": {"seed": (1, 2)}, "b": {"seed": (1,)}})


def test_runs_have_what_the_sweep_has_chosen(swept, tmp_path):
    chosen = {"early": {"0": {"optimizer.learning_rate": 3e-3}}}
    suite = dataclasses.replace(swept, choices=chosen, folds=(0, 1))
    flag = "--config.optimizer.learning_rate=0.003"
    told = {
        (run.method, run.fold): flag in run.flags
        for run in runs_of("s", suite, tmp_path, {})
    }
    assert told["early", 0] and told["late", 0]  # a variant of it
    assert not told["early", 1] and not told["plain", 0]
    # What makes a variant one is not chosen away.
    chosen = {"early": {"0": {"data.views": 3}}}
    suite = dataclasses.replace(swept, choices=chosen)
    assert suite.settings("late", 0)["data.views"] == 2
    assert suite.settings("early", 0)["data.views"] == 3
    # Nor where other data are tried with some of the methods.
    other = suite.only(["early", "late"]).over({"data.dir": "elsewhere"})
    assert other.sweep is None and list(other.methods) == ["early", "late"]
    assert other.settings("late", 0)["data.views"] == 2
    assert other.settings("late", 0)["data.dir"] == "elsewhere"
    assert not suite.only(["plain"]).baselines
    with pytest.raises(SuiteError, match="no method lat, but late, early, plain"):
        suite.only(["lat"])
    with pytest.raises(SuiteError, match="'late': there is no method 'early'"):
        suite.only(["late"])
    with pytest.raises(SuiteError, match="chosen nothing for it yet"):
        swept.only(["early", "late"])
    assert swept.unchosen() == ["early", "plain"] and suite.unchosen() == ["plain"]
