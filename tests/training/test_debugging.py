"""A wrong gradient on eight devices is found as docs/debugging.md says."""

import re

import jax
import numpy as np
import pytest

from smile_jax.core import parallel
from smile_jax.training import global_gradient, update
from smile_jax.training.global_gradient import ReplicaError, check_replicas
from tests.conftest import ROOT, run_module
from tests.training.common import shrunk_config, shrunk_flags
from tests.training.test_step import one_step


def without_a_mean(global_gradient, axis_name, *, in_pieces):
    """All means but the fusion's: device 0 would train on its own examples."""
    del in_pieces
    mean = parallel.pmean(global_gradient, axis_name)
    return mean | {"fusion": global_gradient["fusion"]}


@pytest.mark.slow
def test_norms_say_where_and_replicas_say_that(tiny_dataset, monkeypatch):
    config = shrunk_config(tiny_dataset)
    right = one_step(config, devices=1)[1]
    state, metrics = one_step(config, devices=8)
    check_replicas(state, in_pieces=False)
    norms = {k for k in right if k.startswith("gradient_norm/")}
    assert {"gradient_norm/vision", "gradient_norm/fusion"} < norms
    for name in norms - {"gradient_norm/logit_scale"}:
        np.testing.assert_allclose(metrics[name], right[name], rtol=2e-3, atol=1e-6)

    monkeypatch.setattr(update, "mean_over_devices", without_a_mean)
    state, metrics = one_step(config, devices=8)
    np.testing.assert_allclose(metrics["loss"], right["loss"], rtol=2e-4)
    np.testing.assert_allclose(
        metrics["gradient_norm/vision"], right["gradient_norm/vision"], rtol=2e-3
    )
    wrong = metrics["gradient_norm/fusion"] / right["gradient_norm/fusion"]
    assert abs(wrong - 1) > 0.05
    with pytest.raises(ReplicaError, match=r"\['fusion'\].* between local devices 0"):
        check_replicas(state, in_pieces=False)


def test_the_page_shows_the_function_that_there_is():
    page = (ROOT / "docs" / "debugging.md").read_text()
    for name in re.findall(r"in (\w+)\n", page):
        assert hasattr(global_gradient, name)


@pytest.mark.slow
def test_terms_add_up_to_the_gradient(tiny_dataset):
    """With one term left its gradient is the whole gradient."""
    keys = {
        "train.term_gradients": True,
        "objective.smile.alignment": 0.0,
        "objective.smile.redundancy": 0.0,
    }
    _, metrics = one_step(shrunk_config(tiny_dataset, **keys), devices=2)
    alone = metrics["decorrelation/gradient_norm"]
    np.testing.assert_allclose(alone, metrics["gradient_norm"], rtol=1e-4)
    keys = {"train.term_gradients": True}
    _, metrics = one_step(shrunk_config(tiny_dataset, **keys), devices=2)
    found = [k for k in metrics if k.endswith("/gradient_norm")]
    assert len(found) == 3
    assert metrics["gradient_norm"] <= sum(metrics[k] for k in found) * (1 + 1e-4)


@pytest.mark.slow
def test_a_run_is_scored_traced_and_checked_on_its_way(tiny_dataset, tmp_path):
    keys = {
        "data.validation_fold": 1,
        "train.evaluate_every": 2,
        "train.check_replicas": True,
        "train.profile": "2:3",
        "train.steps": 4,
    }
    flags = shrunk_flags(tiny_dataset, tmp_path, **keys)
    done = run_module("smile_jax.train", *flags, devices=2)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 2
    assert all("validation/knn" in r and "validation/zero_shot" in r for r in rows)
    assert "wrote the trace of steps 2 to 3" in done.stdout
    assert list((tmp_path / "profile").rglob("perfetto_trace.json.gz"))
    assert jax.device_count() == 8  # and this process had its own
