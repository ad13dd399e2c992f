"""What a command is given by mistake is answered in a line, not by a traceback."""

import contextlib
import json
import os
import re
import subprocess
import sys
import textwrap

import pytest

from smile_jax.core.files import name_file_in_errors
from tests.conftest import ROOT, run_module
from tests.training.common import shrunk_flags

MESH = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1 2 4\nf 2 3 4\n"
TRAIN = ("smile_jax.train", "--workdir={tmp}/run")
DEMO = (*TRAIN, "--config=experiments/demo.py", "--config.data.dir={dataset}")
RENDER = ("smile_jax.render", "{tmp}/mesh.obj")
REHEARSE = ("smile_jax.rehearse", "--format=bu3dfe")
AOT = ("smile_jax.aot", "--config=experiments/demo.py")
MISTAKES = [
    ((*DEMO, "--config.train.stepz=3"), "did you mean config.train.steps?"),
    ((*DEMO, "--config.model.vision.heads=0"), "heads=0: must be between"),
    ((*DEMO, "--config.model.vision.patch_size=0"), "patch_size=0: must be"),
    ((*DEMO, "--config.model.vision.width=-16"), "width=-16: must be"),
    ((*TRAIN, "--config=README.md"), "README.md, line 3"),
    ((*TRAIN, "--config=experiments/nothing.py"), "experiments/nothing.py"),
    ((*RENDER, "--out={tmp}/x.unknown"), "name an image file"),
    ((*RENDER, "--out={tmp}/x"), "name an image file"),
    ((*RENDER, "--out={tmp}"), "name an image file"),
    ((*RENDER, "--size=1000000"), "1000000"),
    ((*RENDER, "--yaws=nan"), "must be finite"),
    ((*RENDER, "--pitch=nan"), "must be finite"),
    ((*REHEARSE, "--out={tmp}/mesh.obj"), "not an empty folder"),
    ((*REHEARSE, "--out={tmp}/new", "--subjects=0"), "at least 1"),
    ((*AOT, "--image_size=64", "--frames=0"), "--frames=0"),
    ((*AOT, "--image_size=-64"), "--image_size=-64"),
    (("smile_jax.evaluate", "--workdir={tmp}/nothing"), "train first"),
    (("smile_jax.export", "--workdir={tmp}/nothing", "--out={tmp}"), "train first"),
    (("smile_jax.verify", "{tmp}/nothing"), "no such folder"),
    (
        ("smile_jax.predict", "--workdir={tmp}", "{tmp}/mesh.obj", "--unit_mm=-1"),
        "argument --unit_mm: -1: must be at least 0",
    ),
]
EVERY_TIME = {0, 4, 6, 12}  # one of each kind; the others are slow


@pytest.mark.parametrize(
    "words, said",
    [
        pytest.param(*m, marks=[] if i in EVERY_TIME else pytest.mark.slow)
        for i, m in enumerate(MISTAKES)
    ],
)
def test_a_mistake_is_answered_in_a_line(words, said, tmp_path, tiny_dataset):
    (tmp_path / "mesh.obj").write_text(MESH)
    module, *flags = (w.format(tmp=tmp_path, dataset=tiny_dataset) for w in words)
    done = run_module(module, *flags)
    code = 2 if module == "smile_jax.predict" else 1  # as it documents
    assert done.returncode == code and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert lines[0].startswith("error: ") and len(lines) <= 2
    assert len(done.stderr) < 600


BUILDS = [
    ("synthetic_faces", {"name": "../../x"}, "must be letters, digits"),
    ("synthetic_faces", {"name": "x", "subjectz": 6}, "subjectz"),
    ("synthetic_faces", {"name": "x", "yaws_deg": [float("nan")]}, "must be finite"),
    ("bu3dfe", {"name": "x"}, "no file there is named as those of bu3dfe"),
]


@pytest.mark.parametrize(
    "name, config, said",
    [BUILDS[0], *(pytest.param(*b, marks=pytest.mark.slow) for b in BUILDS[1:])],
)
def test_a_build_that_fails_is_answered_without_a_traceback(
    name, config, said, tmp_path
):
    (tmp_path / "manual").mkdir()
    (tmp_path / "manual" / "readme.txt").touch()
    command = [
        f"{os.path.dirname(sys.executable)}/tfds",
        "build",
        f"tfds_builders/{name}",
        f"--config={json.dumps(config)}",
        f"--data_dir={tmp_path / 'data'}",
        f"--manual_dir={tmp_path / 'manual'}",
        "--file_format=array_record",
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "error: " in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk of three megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only the superuser may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["at the start", "while it trains"])
def test_a_full_disk_is_named_in_a_line(full_disk, tiny_dataset, when):
    if when == "at the start":
        with contextlib.suppress(OSError):
            (full_disk / "others").write_bytes(bytes(4 << 20))
    keys = {"train.steps": 200, "train.keep_checkpoints": 100}
    flags = shrunk_flags(tiny_dataset, full_disk / "run", **keys)
    done = run_module("smile_jax.train", *flags)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert str(full_disk / "run") in line
    assert "no space left on" in line.lower() and "free some" in line


def test_a_full_disk_does_not_say_of_which_file(tmp_path):
    full = "/dev/full"
    with (
        pytest.raises(
            OSError, match=re.escape(f"No space left on device: '{tmp_path}'")
        ),
        name_file_in_errors(tmp_path),
        open(full, "w") as file,
    ):
        file.write("x" * 100_000)


def test_a_library_that_logs_what_it_raises_is_not_heard_twice():
    """And a thread that ends is heard in a line."""
    command = """
        import threading
        from absl import logging
        from smile_jax.core import command_line

        def main(argv):
            try:
                1 / 0
            except ZeroDivisionError:
                logging.exception("of a library")
            logging.warning("of ours")
            thread = threading.Thread(target=lambda: 1 / 0, name="board")
            thread.start()
            thread.join()
            raise ValueError("what is wrong")

        command_line.run(main)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(command)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    warning, thread, line = done.stderr.strip().splitlines()
    assert warning.endswith("of ours")
    assert thread.endswith("board ended: division by zero")
    assert line == "error: what is wrong"


def test_who_waits_for_a_command_ends_it_when_told_to_end():
    waiting = textwrap.dedent(
        """
        import subprocess, sys
        from smile_jax.core import command_line
        command_line.end_with_children()
        child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
        subprocess.run([sys.executable, "-c", child])
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", waiting], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.terminate()
        assert process.wait(timeout=30) == 143
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
