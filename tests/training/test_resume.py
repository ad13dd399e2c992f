"""Runs that are killed, stopped, moved or damaged: `smile-jax train`."""

import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from etils import epath

from smile_jax.config import with_values
from smile_jax.data.record_index import read_index, write_index
from smile_jax.data.records import RecordSource
from smile_jax.evaluation.trained_run import load_run
from smile_jax.inference.recognizer import Recognizer
from smile_jax.training import workdir_lock
from smile_jax.training.assembly import build
from smile_jax.training.checkpoints import CheckpointError, Checkpoints
from smile_jax.training.run_info import check_same_run
from smile_jax.training.run_migration import upgrade
from smile_jax.training.run_plan import make_plan
from tests.conftest import ROOT, run_module
from tests.training.common import shrunk_config, shrunk_flags, train_here

STEPS = 8


def final_state(workdir: pathlib.Path, step: int = STEPS) -> dict:
    """Everything in a checkpoint, read by Orbax alone."""
    return ocp.PyTreeCheckpointer().restore(
        workdir / "checkpoints" / str(step) / "state"
    )


def assert_identical(a, b):
    a, b = (dict(jax.tree_util.tree_leaves_with_path(x)) for x in (a, b))
    assert a.keys() == b.keys()
    for path in a:
        np.testing.assert_array_equal(a[path], b[path], err_msg=str(path))


def assert_same_moments(
    a: pathlib.Path, b: pathlib.Path, tolerance: float, step: int = STEPS
) -> None:
    """Averages of the gradients agree, relative to the largest.

    Adam's updates themselves magnify rounding where a gradient is zero in exact
    arithmetic, as for the biases of the keys.
    """
    moments = [jax.tree.leaves(final_state(w, step)["optimizer"]) for w in (a, b)]
    scale = max(np.abs(x).max() for x in moments[0] if x.dtype == np.float32)
    for ours, theirs in zip(*moments, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=tolerance * scale)


def start(dataset, workdir, **overrides) -> subprocess.Popen:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "smile_jax.train",
            *shrunk_flags(dataset, workdir, **overrides),
        ],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_plan_progress_and_files_of_a_run(plain_run):
    printed = (plain_run / "stdout").read_text()
    for words in (
        "clips of",
        "M parameters",
        "compiling",
        "compiled in",
        "images/s",
        "left",
    ):
        assert words in printed
    assert {
        "config.json",
        "run.json",
        "metrics.jsonl",
        "checkpoints",
        "tensorboard",
    } <= {path.name for path in plain_run.iterdir()}


@pytest.mark.parametrize(
    "marker", [pytest.param("compiled in", marks=pytest.mark.slow), "step 4/8"]
)
def test_killed_run_ends_bit_identical(tiny_dataset, tmp_path, plain_run, marker):
    process = start(tiny_dataset, tmp_path)
    for line in process.stdout:
        if marker in line:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    done = run_module("smile_jax.train", *shrunk_flags(tiny_dataset, tmp_path))
    assert done.returncode == 0, done.stderr
    assert_identical(final_state(tmp_path), final_state(plain_run))
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [2, 4, 6, 8]


@pytest.mark.slow
def test_sigterm_saves_and_exits_cleanly(tiny_dataset, tmp_path, plain_run):
    process = start(tiny_dataset, tmp_path, **{"train.checkpoint_every": 1000})
    for line in process.stdout:
        if "step 2/8" in line:
            asked = time.monotonic()
            process.send_signal(signal.SIGTERM)
            break
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 0, output
    assert time.monotonic() - asked < 30
    assert "start again to continue" in output
    done = run_module("smile_jax.train", *shrunk_flags(tiny_dataset, tmp_path))
    assert done.returncode == 0, done.stderr
    assert_identical(final_state(tmp_path), final_state(plain_run))


@pytest.mark.slow
def test_continues_on_another_number_of_devices(tiny_dataset, tmp_path, plain_run):
    flags = shrunk_flags(tiny_dataset, tmp_path, **{"train.stop_after_steps": 4})
    assert run_module("smile_jax.train", *flags, devices=4).returncode == 0
    flags = shrunk_flags(tiny_dataset, tmp_path)
    done = run_module("smile_jax.train", *flags, devices=2)
    assert done.returncode == 0, done.stderr
    assert "steps      4 of 8 done" in done.stdout
    assert_same_moments(tmp_path, plain_run, tolerance=1e-3)


@pytest.mark.slow
def test_a_run_keeps_its_words(tiny_dataset, tmp_path):
    """Its prompt file may change or go: evaluation has them, a run wants no others."""
    words = tmp_path / "words.yaml"
    names = ("anger", "disgust", "fear", "happy", "sad", "surprise")
    words.write_text("classes:\n" + "".join(f"  {n}: [a {n} face]\n" for n in names))
    keys = {"prompts.file": str(words), "train.steps": 2}
    train_here(tiny_dataset, tmp_path / "run", **keys)
    words.write_text(words.read_text().replace("a happy face", "a grin"))
    with pytest.raises(CheckpointError, match=f"the words of {words} changed"):
        train_here(tiny_dataset, tmp_path / "run", **keys)
    words.unlink()
    assert "a happy face" in load_run(tmp_path / "run").plan.prompts.texts


def test_runs_of_other_versions_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"another version \(format 1, this one"):
        upgrade({"model": {}}, tmp_path)


def test_another_run_is_not_continued(tiny_dataset, plain_run):
    """A changed fold would test on subjects whose labels were seen."""
    with pytest.raises(CheckpointError) as error:
        train_here(tiny_dataset, plain_run, text_source="none", **{"data.fold": 1})
    assert "config.data.fold: 0 became 1" in str(error.value)
    assert "config.text_source: 'weak' became 'none'" in str(error.value)
    assert "Use another --workdir" in str(error.value)


def test_settings_of_other_methods_are_no_other_run(plain_run):
    """Runs of before had one temperature for three methods."""
    info = Recognizer.of_run(plain_run).info

    def with_key(key, value):
        return dataclasses.replace(info, config=with_values(info.config, {key: value}))

    other = with_key("objective.shu.temperature", 0.3)
    check_same_run(other, info, plain_run)
    with pytest.raises(CheckpointError, match=r"smile\.alignment: 0\.5 became 1"):
        check_same_run(with_key("objective.smile.alignment", 0.5), info, plain_run)


def test_other_data_in_the_same_place_are_another_run(
    tiny_dataset, plain_run, tmp_path
):
    """Another seed, other cameras, other labels: by their metadata and index."""
    copied = tmp_path / "synthetic_faces" / "tiny"
    shutil.copytree(tiny_dataset, copied)
    metadata = next(copied.rglob("metadata.json"))
    kept = metadata.read_text()
    for name, value in (("people", "others"), ("yaws_deg", [-31.0, 0.0, 30.0])):
        metadata.write_text(json.dumps(json.loads(kept) | {name: value}))
        with pytest.raises(CheckpointError, match=f"the dataset's {name}"):
            train_here(copied, plain_run)
    metadata.write_text(kept)
    folder = epath.Path(metadata.parent)
    shards = RecordSource(folder).shards()
    index = read_index(folder, shards)
    write_index(folder, index | {"expression": np.roll(index["expression"], 1)}, shards)
    with pytest.raises(CheckpointError, match=r"the records of .* are not those of"):
        train_here(copied, plain_run)


@pytest.fixture
def two_checkpoints(tiny_dataset, tmp_path):
    """Checkpoints at steps 2 and 4, and a fresh state like them."""
    config = shrunk_config(tiny_dataset)
    _, state, _ = build(config, make_plan(config))
    checkpoints = Checkpoints(tmp_path)
    for step in (2, 4):
        checkpoints.save(state.replace(step=np.int32(step)), {"text_source": "weak"})
    checkpoints.close()
    return tmp_path, state


def damage(folder: pathlib.Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size > 2000:
            content = bytearray(path.read_bytes())
            content[100:1500] = b"\x13" * 1400
            path.write_bytes(content)


def test_damaged_newest_checkpoint_is_named_and_the_one_before_used(
    two_checkpoints, caplog
):
    workdir, state = two_checkpoints
    damage(workdir / "checkpoints" / "4" / "state")
    checkpoints = Checkpoints(workdir)
    restored, _ = checkpoints.restore(state, set_aside=True)
    assert int(restored.step) == 2
    assert str(workdir / "checkpoints" / "4") in caplog.text
    assert (workdir / "damaged_checkpoints" / "4").is_dir()
    checkpoints.save(state.replace(step=np.int32(4)), {})
    checkpoints.close()
    assert Checkpoints(workdir).latest == 4


def test_predict_and_export_use_the_one_before_too(two_checkpoints):
    workdir, _ = two_checkpoints
    damage(workdir / "checkpoints" / "4" / "state")
    state, run = Checkpoints(workdir).restore_raw()
    assert int(state["step"]) == 2 and run == {"text_source": "weak"}
    damage(workdir / "checkpoints" / "2" / "state")
    with pytest.raises(CheckpointError, match="no checkpoint of this run can be read"):
        Checkpoints(workdir).restore_raw()
    with pytest.raises(CheckpointError, match="no checkpoint in it; train first"):
        Checkpoints(workdir / "other").restore_raw()


def test_a_checkpoint_cut_short_is_not_seen(two_checkpoints):
    workdir, _ = two_checkpoints
    half = workdir / "checkpoints" / "6.orbax-checkpoint-tmp"
    half.mkdir()
    (half / "state").mkdir()
    assert Checkpoints(workdir).latest == 4


def test_no_readable_checkpoint_is_an_error(two_checkpoints):
    workdir, state = two_checkpoints
    for step in (2, 4):
        damage(workdir / "checkpoints" / str(step) / "state")
    with pytest.raises(CheckpointError, match="no checkpoint of this run can be read"):
        Checkpoints(workdir).restore(state)


def test_checkpoint_of_another_model_is_refused(two_checkpoints, tiny_dataset):
    workdir, _ = two_checkpoints
    config = shrunk_config(tiny_dataset, **{"model.embed_dim": 24})
    _, other, _ = build(config, make_plan(config))
    with pytest.raises(CheckpointError, match="another workdir"):
        Checkpoints(workdir).restore(other)


def test_a_write_that_fails_is_explained_and_the_one_before_kept(tmp_path):
    """A file-size limit stops the asynchronous write half-way, as a full disk does."""
    code = """
import pathlib, resource, sys
import numpy as np
from smile_jax.training.checkpoints import CheckpointError, Checkpoints
from smile_jax.training.state import TrainState

workdir = pathlib.Path(sys.argv[1])
weights = np.random.default_rng(0).normal(size=1 << 19)
state = lambda step: TrainState(np.int32(step), *[weights] * 6)
checkpoints = Checkpoints(workdir)
checkpoints.save(state(1), {})
checkpoints.wait()
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    checkpoints.save(state(2), {})
    checkpoints.wait()
except CheckpointError as error:
    print(error)
print("newest:", Checkpoints(workdir).latest)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "could not write a checkpoint" in done.stdout
    assert "GiB free; free some" in done.stdout
    assert "the run continues from step 1" in done.stdout
    assert "newest: 1" in done.stdout


def test_a_flipped_bit_is_never_restored(two_checkpoints, rng):
    """In any file of the newest checkpoint: it is refused by name, or it changes
    nothing that is read."""
    workdir, _ = two_checkpoints
    expected = Checkpoints(workdir).restore_raw()
    files = [p for p in (workdir / "checkpoints" / "4").rglob("*") if p.is_file()]
    sizes = np.array([p.stat().st_size for p in files], float)
    refused = 0
    for path in rng.choice(files, 6, p=sizes / sizes.sum()):
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        found, run = Checkpoints(workdir).restore_raw()
        path.write_bytes(whole)
        if int(found["step"]) == 4:
            assert_identical(found, expected[0])
            assert run == expected[1]
        else:
            refused += 1
    assert refused > 0


def test_what_is_not_as_written_is_named(two_checkpoints, caplog):
    """Though it can be read: the newest checkpoint has parameters of another."""
    workdir, state = two_checkpoints
    checkpoints = Checkpoints(workdir, keep=3)
    other = jax.tree.map(lambda x: x + 1, state.params)
    checkpoints.save(state.replace(step=np.int32(6), params=other), {})
    checkpoints.close()
    written = workdir / "checkpoints"
    shutil.rmtree(written / "4" / "state")
    shutil.move(written / "6" / "state", written / "4" / "state")
    shutil.rmtree(written / "6")
    restored, _ = Checkpoints(workdir).restore(state)
    assert int(restored.step) == 2 and "is not what was written" in caplog.text


def test_one_process_trains_in_a_folder(tiny_dataset, tmp_path):
    code = (
        "import pathlib, sys, time; from smile_jax.training import workdir_lock\n"
        "with workdir_lock.lock_workdir(pathlib.Path(sys.argv[1])):"
        " print('held', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(CheckpointError, match=f"trains there .pid {other.pid} on"):
            train_here(tiny_dataset, tmp_path)
        other.kill()
    with workdir_lock.lock_workdir(tmp_path):  # a killed process holds nothing
        assert str(os.getpid()) in (tmp_path / workdir_lock.FILE).read_text()


@pytest.mark.parametrize("name", ["r[1]", "r*", "r?/run"])
def test_folders_of_which_orbax_loses_what_it_writes(name, tmp_path):
    """It globs the path of a checkpoint, and merges nothing."""
    (tmp_path / name / "checkpoints").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"takes .* in a path for a pattern"):
        Checkpoints.open(tmp_path / name)
    (tmp_path / "a run" / "checkpoints").mkdir(parents=True)
    assert Checkpoints.open(tmp_path / "a run").latest is None
