"""`smile-jax benchmark`: runs, goes on, and says what failed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from smile_jax.evaluation.tables import from_csv
from tests.conftest import ROOT, run_module


@pytest.fixture
def suite(tiny_dataset, tmp_path):
    config = tmp_path / "config.py"
    keys = {"data.dir": str(tiny_dataset), "train.steps": 2, "train.epochs": 0.0}
    config.write_text(
        "from smile_jax.experiments import demo\n"
        "from tests.training.common import SHRUNK\n"
        "def get_config():\n"
        "    c = demo.get_config()\n"
        f"    c.update_from_flattened_dict(SHRUNK | {keys!r})\n"
        "    return c\n"
    )
    path = tmp_path / "small.py"
    path.write_text(
        "from smile_jax.evaluation.suite_definition import Suite, Sweep\n"
        "def get_suite():\n"
        "    return Suite(\n"
        f"        config={str(config)!r},\n"
        "        methods={'plain': {}, 'later': {'optimizer.learning_rate': 1e-4}},\n"
        "        shown=(('linear_probe', 'accuracy'),),\n"
        "        baselines={'pixels_pca': 'plain'},\n"
        "        seeds=(0,),\n"
        "        sweep=Sweep(\n"
        "            keys={'plain': {'optimizer.learning_rate': (1e-3, 1e-5)}},\n"
        "            settings={'train.steps': 1, 'data.folds': 3},\n"
        "        ),\n"
        "        starts={'later': 'plain'},\n"
        "    )\n"
    )
    return path


def where(suite, folder):
    """Flags of a benchmark that keeps all it makes in a folder."""
    return [
        f"--suite={suite}",
        f"--out={folder / 'runs'}",
        f"--results={folder / 'results'}",
    ]


@pytest.mark.slow
def test_a_suite_is_run_and_not_run_again(suite, tmp_path):
    flags = where(suite, tmp_path)
    first = run_module("smile_jax.benchmark", *flags, "--only=plain")
    assert first.returncode == 0, first.stderr
    assert "1 runs, 0 of them done" in first.stdout
    second = run_module("smile_jax.benchmark", *flags)
    assert second.returncode == 0, second.stderr
    assert "2 runs, 1 of them done" in second.stdout
    written = (tmp_path / "results/small.csv").read_text().splitlines()
    rows = list(csv.DictReader(written))
    assert {row["method"] for row in rows} == {"plain", "later"}
    assert {row["images_seen"] for row in rows} == {rows[0]["images_seen"]}
    lines = (tmp_path / "results/small.md").read_text().splitlines()
    names = [line.split("|")[1].strip() for line in lines[2:]]
    assert names == ["plain", "later", "pixels_pca"]
    third = run_module("smile_jax.benchmark", *flags)
    assert third.returncode == 0 and "2 runs, 2 of them done" in third.stdout

    wrong = run_module("smile_jax.benchmark", *flags, "--only=nothing")
    assert wrong.returncode == 1 and "methods are plain, later" in wrong.stderr
    failed = run_module("smile_jax.benchmark", *flags, "--set=train.steps=3")
    assert failed.returncode == 1 and "holds a run of other settings" in failed.stderr

    suite.write_text(suite.read_text().replace("'later'", "'other'"))
    fourth = run_module("smile_jax.benchmark", *flags, "--only=plain")
    assert fourth.returncode == 0 and "go to small_left_out.csv" in fourth.stdout
    left = from_csv(tmp_path / "results/small_left_out.csv")
    assert {row["method"] for row in left} == {"later"}
    kept = from_csv(tmp_path / "results/small.csv")
    assert {row["method"] for row in kept} == {"plain"}


@pytest.mark.slow
def test_a_suite_that_was_killed_goes_on(suite, tmp_path):
    flags = [*where(suite, tmp_path), "--only=plain"]
    words = [sys.executable, "-m", "smile_jax.benchmark", *flags]
    folder = tmp_path / "runs/small/plain_0_0"
    process = subprocess.Popen(words, cwd=ROOT, start_new_session=True)
    while not (folder / "run.json").exists():  # it trains
        assert process.poll() is None, "it ended before"
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not json.loads((folder / "benchmark.json").read_text())["finished"]
    assert not (tmp_path / "results/small.csv").exists()
    again = run_module("smile_jax.benchmark", *flags)
    assert again.returncode == 0, again.stderr
    assert "1 runs, 0 of them done" in again.stdout
    rows = from_csv(tmp_path / "results/small.csv")
    assert {row["method"] for row in rows} == {"plain"}


@pytest.mark.slow
def test_a_sweep_chooses_and_is_not_done_again(suite, tmp_path):
    flags = [f"--suite={suite}", f"--results={tmp_path}"]
    done = run_module("smile_jax.sweep", *flags, f"--out={tmp_path / 'runs'}")
    assert done.returncode == 0, done.stderr
    trials = from_csv(tmp_path / "small_trials.csv")
    assert [row["trial"] for row in trials] == ["0", "1"]
    best = max(trials, key=lambda row: float(row["value"]))
    chosen = json.loads((tmp_path / "small_chosen.json").read_text())
    assert chosen == {"plain": {"0": json.loads(best["settings"])}}
    table = (tmp_path / "small_trials.md").read_text()
    assert f"**{float(best['value']):.3f}**" in table and table.count("| plain |") == 2
    again = run_module("smile_jax.sweep", *flags, f"--out={tmp_path / 'elsewhere'}")
    assert again.returncode == 0 and not (tmp_path / "elsewhere").exists()
    # One more value, tried before what was tried: the rest is as it stands.
    suite.write_text(suite.read_text().replace("(1e-3, 1e-5)", "(1e-2, 1e-3, 1e-5)"))
    more = run_module("smile_jax.sweep", *flags, f"--out={tmp_path / 'more'}")
    assert more.returncode == 0, more.stderr
    assert len(list((tmp_path / "more/small_sweep").glob("plain_0_*"))) == 1
    assert len(from_csv(tmp_path / "small_trials.csv")) == 3
    wrong = run_module("smile_jax.sweep", *flags, "--only=nothing")
    assert wrong.returncode == 1 and "no method is left of plain" in wrong.stderr
