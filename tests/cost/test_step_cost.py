"""`smile-jax aot`, as a user would call it."""

import json
import pathlib

import jax
import pytest

from smile_jax.cost.chips import CHIPS, Chip
from smile_jax.cost.step_cost import compile_step, plan_without_data
from tests.conftest import run_module
from tests.training.common import shrunk_config

DEMO = ("--config=experiments/demo.py", "--image_size=64")


@pytest.mark.slow
def test_demo_for_a_slice_that_is_not_here():
    pytest.importorskip("libtpu", reason='pip install "jax[tpu]"')
    done = run_module("smile_jax.aot", *DEMO, "--topology=v5e:4x4", "--json")
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout.splitlines()[-1])
    assert (cost["devices"], cost["device_kind"]) == (16, "TPU v5 lite")
    hbm = cost["hbm_bytes_per_device"]
    assert 0 < hbm["arguments"] < hbm["total"] < hbm["capacity"] == 16 << 30
    sent = cost["collective_bytes_per_device_step"]
    # The gradient's mean is nearly all of it: 1.1 M parameters of 4 bytes, twice round.
    assert sent["all-reduce"] == pytest.approx(1.1e6 * 4 * 2 * 15 / 16, rel=0.1)
    assert 0 < cost["estimated_utilisation"] < 1


@pytest.mark.slow
def test_local_devices_share_the_work():
    small = ("--config.model.vision.depth=1", "--config.model.text.depth=1")
    costs = []
    for devices in (1, 4):
        flags = (*DEMO, *small, f"--topology=local:{devices}")
        done = run_module("smile_jax.aot", *flags, "--json", devices=4)
        assert done.returncode == 0, done.stderr
        costs.append(json.loads(done.stdout))
    one, four = costs
    assert (one["devices"], four["devices"]) == (1, 4)
    assert one["collective_bytes_per_device_step"]["total"] == 0
    assert four["collective_bytes_per_device_step"]["total"] > 0
    share = one["flops_per_device_step"] / four["flops_per_device_step"]
    assert share == pytest.approx(4, rel=0.05)
    assert one["estimated_step_seconds"] is None  # a CPU's peaks are not known


@pytest.mark.slow
def test_no_estimate_of_what_xla_counts_once(monkeypatch):
    """It counts one round of a loop, and would find the step several times faster."""
    kind = jax.devices()[0].device_kind
    monkeypatch.setitem(CHIPS, kind, Chip(1e12, 1e12, 1e11, 1e10))
    for scan in (False, True):
        keys = {"model.vision.depth": 2, "model.vision.scan": scan}
        config = shrunk_config(pathlib.Path("none"), **keys)
        plan = plan_without_data(config, image_size=16)
        cost = compile_step(config, plan, "local:1")
        assert cost.estimated_step_seconds["compute"] > 0
        for number in (cost.estimated_step_seconds["step"], cost.estimated_utilisation):
            assert number is None if scan else number > 0


@pytest.mark.parametrize(
    "flags, said",
    [
        (("--topology=v9:4x4",), "Examples: v4:2x2x4"),
        (("--topology=local:99",), "there are 4 devices"),
        (("--config.train.batch_size=30",), "train.batch_size"),
    ],
)
def test_what_cannot_be_compiled_is_named(flags, said):
    done = run_module("smile_jax.aot", *DEMO, *flags, "--json", devices=4)
    assert done.returncode == 1 and said in done.stderr, done.stderr
