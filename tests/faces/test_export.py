"""`smile_jax.rehearse` says how far it is and what to do next."""

import collections
import re

import pytest

from smile_jax.faces import rehearsal
from smile_jax.faces.rehearsal import RehearsalOptions, record_all, recordings
from tests.conftest import run_module


def test_it_says_how_far_it_is_and_what_comes_next(tmp_path):
    done = run_module(
        "smile_jax.rehearse",
        "--format=bu4dfe",
        f"--out={tmp_path / 'tree'}",
        "--subjects=1",
        "--frames=2",
        "--points=2000",
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"of 6 recordings, .* minutes and [\d.]+ GB to go", done.stdout)
    # With a config: without, TFDS builds all of them.
    assert "smile-jax build bu4dfe --manual_dir=" in done.stdout
    assert "--config=frames_64" in done.stdout


def test_it_ends_before_the_disk_is_full(tmp_path, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(rehearsal.shutil, "disk_usage", lambda _: usage(10, 10, 0))
    options = RehearsalOptions(
        out=tmp_path, subjects=1, frames=2, points=2000, texture=16, raw=False, seed=0,
        heads="procedural",
    )  # fmt: skip
    plan = recordings("bu4dfe", options)
    with pytest.raises(OSError, match=r"0\.0 GB are free; take fewer --subjects"):
        record_all(plan, options)
