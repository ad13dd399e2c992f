"""Two processes of two devices train like one process of four."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tests.conftest import ROOT, run_module
from tests.training.common import shrunk_flags
from tests.training.test_resume import assert_same_moments


@pytest.mark.slow
def test_two_processes_equal_one(tiny_dataset, tmp_path):
    one = tmp_path / "one"
    done = run_module("smile_jax.train", *shrunk_flags(tiny_dataset, one), devices=4)
    assert done.returncode == 0, done.stderr

    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    two = tmp_path / "two"
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "smile_jax.train"),
                *shrunk_flags(tiny_dataset, two),
                f"--coordinator=localhost:{port}",
                "--num_processes=2",
                f"--process_id={i}",
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert "4 x" in outputs[0]
    assert "2 process(es)" in outputs[0]
    assert_same_moments(one, two, tolerance=1e-5)
    rows = [(w / "metrics.jsonl").read_text().splitlines() for w in (one, two)]
    for a, b in zip(*([json.loads(r) for r in part] for part in rows), strict=True):
        assert a["step"] == b["step"]
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
