"""Several processes train like one, and end together where one of them dies."""

import json
import re
import signal
import time

import pytest

from smile_jax.training.checkpoints import Checkpoints
from tests.conftest import run_module
from tests.training.common import outputs_of, processes, shrunk_flags
from tests.training.test_resume import assert_same_moments


@pytest.mark.slow
def test_two_processes_equal_one(tiny_dataset, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    done = run_module("smile_jax.train", *shrunk_flags(tiny_dataset, one), devices=4)
    assert done.returncode == 0, done.stderr
    with processes(2, shrunk_flags(tiny_dataset, two)) as started:
        outputs = outputs_of(started, 300)
    assert [process.returncode for process in started] == [0, 0], outputs
    assert "4 x" in outputs[0]
    assert "2 process(es)" in outputs[0]
    assert_same_moments(one, two, tolerance=1e-5)
    rows = [(w / "metrics.jsonl").read_text().splitlines() for w in (one, two)]
    for a, b in zip(*([json.loads(r) for r in part] for part in rows), strict=True):
        assert a["step"] == b["step"]
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)


@pytest.mark.slow
def test_one_of_four_dies_and_two_go_on(tiny_dataset, tmp_path):
    """All end within a bounded time; half as many continue, their moments in pieces of
    another size, and end where an undisturbed run ends."""
    undisturbed, workdir = tmp_path / "undisturbed", tmp_path / "run"
    long = {"train.steps": 12, "train.shard_moments": True}
    done = run_module(
        "smile_jax.train", *shrunk_flags(tiny_dataset, undisturbed, **long), devices=4
    )
    assert done.returncode == 0, done.stderr

    flags = shrunk_flags(tiny_dataset, workdir, **long)
    with processes(4, flags, "--heartbeat_seconds=10") as started:
        for line in started[0].stdout:
            if "step 4/" in line:
                break
        started[2].send_signal(signal.SIGKILL)
        killed = time.monotonic()
        outputs = outputs_of(started, 90)
        assert time.monotonic() - killed < 60
    assert all(process.returncode for process in started), outputs
    assert "another task died" in "".join(outputs)
    assert "step 12/12" not in outputs[0]

    with processes(2, flags) as started:
        outputs = outputs_of(started, 300)
    assert [process.returncode for process in started] == [0, 0], outputs
    assert "steps      0 of" not in outputs[0]
    assert_same_moments(undisturbed, workdir, tolerance=1e-3, step=12)


@pytest.mark.slow
def test_sigterm_to_one_of_two_stops_both_at_the_same_step(tiny_dataset, tmp_path):
    long = {"train.steps": 4000, "train.checkpoint_every": 4000}
    with processes(2, shrunk_flags(tiny_dataset, tmp_path, **long)) as started:
        for line in started[0].stdout:
            if "step 2/" in line:
                break
        started[1].send_signal(signal.SIGTERM)
        outputs = outputs_of(started, 60)
    assert [process.returncode for process in started] == [0, 0], outputs
    stopped = re.search(r"stopped at step (\d+)", outputs[0])
    assert stopped and 2 < int(stopped[1]) < 4000
    assert Checkpoints(tmp_path).latest == int(stopped[1])
