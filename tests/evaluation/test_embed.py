"""One pass over the clips, whatever folds and models there are."""

import collections
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from smile_jax.data.records import RecordSource
from smile_jax.evaluation import embed
from smile_jax.evaluation.fold_loop import evaluate
from smile_jax.evaluation.row_store import RowStore
from tests.conftest import ROOT
from tests.training.common import free_port, train_here


def test_arrays_are_filled_part_by_part(tmp_path):
    for folder in (None, tmp_path):
        store = RowStore(5, folder)
        store.write("x", 0, np.arange(6.0).reshape(3, 2))
        store.write("x", 3, np.arange(6.0, 10.0).reshape(2, 2))
        np.testing.assert_array_equal(store["x"], np.arange(10.0).reshape(5, 2))
        assert store.get("y") is None
        store.write("frames", 0, np.zeros((3, 4)))
        store.write("frames", 3, np.zeros((2, 5)))  # of another dataset
        assert store.get("frames") is None
    assert not list(tmp_path.iterdir())  # files have no name: a kill leaves nothing


def test_all_folds_and_models_take_one_pass(tiny_dataset, tmp_path, monkeypatch):
    """k folds of a run without labels: each record's pictures are read once, and each
    forward pass is compiled once."""
    read: collections.Counter = collections.Counter()
    get = RecordSource.__getitem__

    def watched(self, index):
        if self._pixels:
            read[int(index)] += 1
        return get(self, index)

    keys = {"data.folds": 4, "train.steps": 2}
    train_here(tiny_dataset, tmp_path, text_source="none", **keys)
    embed._compiled.cache_clear()
    compiled = []

    def counted(function):
        compiled.append(function)
        return pmap_eval(function)

    pmap_eval = embed.parallel.pmap_eval
    monkeypatch.setattr(RecordSource, "__getitem__", watched)
    monkeypatch.setattr(embed.parallel, "pmap_eval", counted)
    results = evaluate(tmp_path, "kfold")
    assert results["tested_folds"] == 4
    assert [row["method"] for row in results["rows"]] == [
        "smile", "random_init", "pixels_pca",
    ]  # fmt: skip
    assert (
        len(read) == 96 and read.total() <= 97
    )  # the plan looks at one, for its shape
    assert len(compiled) == 2  # of the towers, and of pixels


_SCORES = """
import json, pathlib, sys
import jax

dataset, address, count, number = sys.argv[1:]
if count != "1":
    jax.distributed.initialize(address, int(count), int(number))
from smile_jax.data.records import RecordSource
from smile_jax.evaluation.validation import make_scorer
from smile_jax.models import Encoder
from smile_jax.training.assembly import spec_of_fresh_run
from smile_jax.training.initial_state import random_params
from smile_jax.training.run_plan import make_plan
from tests.training.common import shrunk_config

keys = {"data.folds": 4, "data.validation_fold": 1}
config = shrunk_config(pathlib.Path(dataset), **keys)
plan = make_plan(config)
spec = spec_of_fresh_run(config, plan)
params = random_params(Encoder(spec.model), plan.clip_shape, 0, {})
read, get = set(), RecordSource.__getitem__

def watched(self, index):
    if self._pixels:
        read.add(int(index))
    return get(self, index)

RecordSource.__getitem__ = watched
scores = make_scorer(config, plan, spec)(params)
print(json.dumps({"scores": scores, "read": list(read)}))
"""


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_validation_is_shared_by_processes(tiny_dataset, count):
    """One process of four devices, and several that have four together: the same
    scores, and each record is read by one of them, but for those that fill up."""
    (alone,) = scored(tiny_dataset, 1)
    shared = scored(tiny_dataset, count)
    assert alone["scores"]["validation/knn"] > 0
    assert all(one["scores"] == alone["scores"] for one in shared)
    read = [len(one["read"]) for one in shared]
    assert set().union(*(one["read"] for one in shared)) == set(alone["read"])
    assert len(alone["read"]) <= sum(read) < len(alone["read"]) + count


def scored(dataset, count):
    """What each of some processes says, which have four devices together."""
    flags = f"--xla_force_host_platform_device_count={4 // count}"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _SCORES, dataset, address, str(count), str(i)],
            cwd=ROOT, env=os.environ | {"XLA_FLAGS": flags}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for address in [f"localhost:{free_port()}"]
        for i in range(count)
    ]  # fmt: skip
    ended = [(process.communicate(timeout=300), process) for process in started]
    for (_, said), process in ended:
        assert process.returncode == 0, said
    return [json.loads(out.strip().splitlines()[-1]) for (out, _), _ in ended]
