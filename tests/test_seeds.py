"""Runs of several seeds as one table."""

import json

import pytest

from smile_jax.experiments.seeds import table
from tests.conftest import run_module


def write_run(folder, seed, lr, **scores):
    (folder / "eval").mkdir(parents=True)
    config = {"seed": seed, "optimizer": {"learning_rate": lr}}
    (folder / "config.json").write_text(json.dumps(config))
    rows = [
        {"method": "smile", "per_fold": [scores, scores]},
        {"method": "pixels_pca", "per_fold": [{"knn": 0.5}]},
    ]
    (folder / "eval/results.json").write_text(json.dumps({"rows": rows}))
    return folder


def test_mean_and_interval(tmp_path):
    values = (0.90, 0.92, 0.97)
    runs = [
        write_run(tmp_path / str(i), i, 1.0, knn=v, zero_shot=1 - v)
        for i, v in enumerate(values)
    ]
    # By hand: mean 0.93, deviation 0.036056, 4.302653 * 0.036056 / sqrt(3) = 0.089566.
    head, _, smile, pixels = table(runs).splitlines()
    assert head == "| method | knn | zero_shot |"
    assert smile == "| smile | 0.930 ± 0.090 | 0.070 ± 0.090 |"
    assert pixels == "| pixels_pca | 0.500 ± 0.000 |  |"
    assert table(runs, ["zero_shot"]).splitlines()[2] == "| smile | 0.070 ± 0.090 |"


def test_what_is_no_set_of_seeds_is_refused(tmp_path):
    first = write_run(tmp_path / "first", 0, 1.0, knn=0.5)
    with pytest.raises(ValueError, match=r"differ in optimizer\.learning_rate"):
        table([first, write_run(tmp_path / "other", 1, 2.0, knn=0.5)])
    with pytest.raises(ValueError, match="two runs of one seed"):
        table([first, write_run(tmp_path / "again", 0, 1.0, knn=0.5)])
    fresh = write_run(tmp_path / "fresh", 1, 1.0, knn=0.5)
    (fresh / "eval/results.json").unlink()
    done = run_module("experiments.seeds", str(first), str(fresh))
    assert done.returncode == 1 and "smile-jax evaluate --workdir=" in done.stderr
    assert "Traceback" not in done.stderr
