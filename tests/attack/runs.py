"""Runs that are killed, and bits that flip in what was written."""

import json
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from smile_jax.data.dataset import open_dataset
from smile_jax.data.records import RecordSource
from smile_jax.inference.recognizer import Recognizer
from smile_jax.training.checkpoints import Checkpoints
from tests.conftest import ROOT
from tests.training.common import outputs_of, processes, shrunk_flags


def kill_again_and_again(
    dataset: pathlib.Path, folder: pathlib.Path, kills: int, rng: random.Random
) -> int:
    """A run that is killed at random moments, from its start to the writing of its
    checkpoints, and one that is not; returns how many kills there were.

    Raises:
      AssertionError: they do not end alike.
    """
    keys = {"train.steps": 6 * kills, "train.checkpoint_every": 2}
    whole, killed = folder / "whole", folder / "killed"
    command = [sys.executable, "-m", "smile_jax.train"]
    flags = shrunk_flags(dataset, whole, **keys)
    subprocess.run([*command, *flags], cwd=ROOT, check=True, capture_output=True)
    flags = shrunk_flags(dataset, killed, **keys)
    done = 0
    while done < kills:
        process = subprocess.Popen(
            [*command, *flags], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        _wait_for_a_moment(process, rng)
        if process.poll() is not None:
            assert process.returncode == 0, "it failed and was not killed"
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        done += 1
    subprocess.run([*command, *flags], cwd=ROOT, check=True, capture_output=True)
    _ended_alike(whole, killed)
    return done


def kill_one_of_four(
    dataset: pathlib.Path, folder: pathlib.Path, kills: int, rng: random.Random
) -> int:
    """The same of four processes that train together, of which one is killed; the
    others must end by themselves.

    Raises:
      AssertionError: they do not, or the runs do not end alike.
    """
    keys = {"train.steps": 4 * kills, "train.checkpoint_every": 2}
    whole, killed = folder / "whole_of_four", folder / "killed_of_four"
    with processes(4, shrunk_flags(dataset, whole, **keys)) as started:
        said = outputs_of(started, 3600)
        assert not any(process.returncode for process in started), said
    flags = shrunk_flags(dataset, killed, **keys)
    done = 0
    while done < kills:
        with processes(4, flags, "--heartbeat_seconds=30") as started:
            _wait_for_a_moment(started[0], rng)
            if started[0].poll() is not None:
                assert started[0].returncode == 0, outputs_of(started, 400)
                break
            rng.choice(started).send_signal(signal.SIGKILL)
            # Those that wait for one that never came do so for five minutes.
            outputs_of(started, 400)
            assert all(p.returncode for p in started), "they went on without one"
            done += 1
    with processes(4, flags) as started:
        said = outputs_of(started, 3600)
        assert not any(process.returncode for process in started), said
    _ended_alike(whole, killed)
    return done


def _wait_for_a_moment(process: subprocess.Popen, rng: random.Random) -> None:
    """A third while it starts; the others while it trains and writes."""
    wait = rng.uniform(0, 20)
    if rng.random() < 2 / 3:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("compiled in"):
                wait = rng.uniform(0, 2)
                break
    time.sleep(wait)


def _ended_alike(whole: pathlib.Path, killed: pathlib.Path) -> None:
    states = [Checkpoints.open(w).restore_raw()[0] for w in (whole, killed)]
    jax.tree.map(np.testing.assert_array_equal, *states)
    rows = [(w / "metrics.jsonl").read_text().splitlines() for w in (whole, killed)]
    steps = [[json.loads(row)["step"] for row in run] for run in rows]
    assert steps[0] == steps[1], "rows are lost or doubled"


def flip_bits(
    files: Iterable[pathlib.Path],
    read: Callable[[], Any],
    flips: int,
    rng: random.Random,
) -> dict[str, int]:
    """Flips one bit at a time in one of the files, by their sizes.

    Args:
      read: returns what the files hold, for comparison, or raises.

    Returns:
      How many were "refused", "harmless" (nothing that is read changed) and "silent".
    """
    listed = [p for p in files if p.is_file() and p.stat().st_size]
    sizes = [p.stat().st_size for p in listed]
    expected = read()
    counts = {"refused": 0, "harmless": 0, "silent": 0}
    for _ in range(flips):
        (path,) = rng.choices(listed, sizes)
        whole = path.read_bytes()
        broken = bytearray(whole)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        path.write_bytes(broken)
        try:
            same = _same(read(), expected)
            counts["harmless" if same else "silent"] += 1
        except Exception:
            counts["refused"] += 1
        finally:
            path.write_bytes(whole)
    return counts


def _same(a: Any, b: Any) -> bool:
    leaves, others = jax.tree.leaves(a), jax.tree.leaves(b)
    return len(leaves) == len(others) and all(
        np.array_equal(x, y) for x, y in zip(leaves, others, strict=True)
    )


def newest_checkpoint(workdir: pathlib.Path) -> tuple[list[pathlib.Path], Callable]:
    """Files of a run's newest checkpoint; reading it, which fails where the one before
    it is used instead."""
    checkpoints = Checkpoints.open(workdir)
    step = checkpoints.latest

    def read() -> Any:
        state, run = Checkpoints.open(workdir).restore_raw()
        if int(state["step"]) != step:
            raise ValueError("the one before is used")
        return state, json.dumps(run, sort_keys=True)

    return list((workdir / "checkpoints" / str(step)).rglob("*")), read


def shards(dataset: pathlib.Path) -> tuple[list[pathlib.Path], Callable]:
    """Shards of a dataset; reading all of their records."""
    folder = open_dataset(dataset).path
    files = [p for p in pathlib.Path(folder).iterdir() if "array_record" in p.name]

    def read() -> Any:
        source = RecordSource(open_dataset(dataset).path)
        return [source[i] for i in range(len(source))]

    return files, read


def exported(folder: pathlib.Path) -> tuple[list[pathlib.Path], Callable]:
    """Files of an export but its model card; reading it."""
    files = [p for p in folder.rglob("*") if p.name != "README.md"]
    return files, lambda: Recognizer.load(folder).params
