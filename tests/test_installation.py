"""A wheel in fresh environments: each extra brings what it promises, and no more."""

import os
import shutil
import subprocess
import sys
import venv

import pytest

from smile_jax.core.extras import EXTRA_OF
from smile_jax.mesh.writers import write_ply
from tests.conftest import ROOT, built_once
from tests.faces.heads import performed
from tests.training.common import shrunk_flags

# Versions are pinned for one Python; another gets the newest.
PINNED = sys.version_info[:2] == (3, 11)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    def make(folder):
        source = folder / "source"
        tracked = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for name in tracked.splitlines():
            if (ROOT / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, source / name)
        pip(sys.executable, "wheel", "--no-deps", f"--wheel-dir={folder}", str(source))

    return next(built_once(tmp_path_factory, "wheel", make).glob("*.whl"))


def pip(python, *words):
    done = subprocess.run(
        [python, "-m", "pip", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


class Installed:
    """An environment with the wheel, used in an empty folder."""

    def __init__(self, wheel, extra, folder):
        venv.create(folder / "env", with_pip=True)
        self.python = folder / "env" / "bin" / "python"
        self.desk = folder / "desk"
        self.desk.mkdir()
        pins = ["--constraint", str(ROOT / "constraints.txt")] if PINNED else []
        named = f"{wheel}[{extra}]" if extra else str(wheel)
        pip(str(self.python), "install", "--quiet", *pins, named)

    def run(self, *words):
        environment = {k: x for k, x in os.environ.items() if k != "PYTHONPATH"}
        return subprocess.run(
            [str(self.python.with_name("smile-jax")), *words],
            cwd=self.desk,
            env=environment | {"XLA_FLAGS": ""},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def answers(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, (
            f"{words}\n{done.stdout[-500:]}{done.stderr[-2000:]}"
        )
        return done.stdout

    def refuses(self, said, *words):
        done = self.run(*words)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
        assert said in done.stderr

    def modules(self):
        """Modules of extras that can be imported here."""
        code = (
            "import importlib.util; from smile_jax.core.extras import EXTRA_OF;"
            "print(*(m for m in EXTRA_OF if importlib.util.find_spec(m)))"
        )
        command = [str(self.python), "-c", code]
        found = subprocess.run(command, cwd=self.desk, capture_output=True, text=True)
        return set(found.stdout.split())


def of(*extras):
    return {module for module, extra in EXTRA_OF.items() if extra in extras}


@pytest.mark.slow
def test_by_default_it_predicts_renders_and_exports(wheel, plain_run, tmp_path):
    here = Installed(wheel, "", tmp_path)
    assert not here.modules()
    write_ply(here.desk / "scan.ply", performed("happy")[0])
    run = f"--workdir={plain_run}"
    assert "scan.ply" in here.answers("predict", run, "scan.ply")
    here.answers("render", "scan.ply", "--out=views.png")
    here.answers("export", run, "--out=exported")
    assert "scan.ply" in here.answers("predict", "--workdir=exported", "scan.ply")
    assert "usage: smile-jax" in here.answers()
    for extra, *words in (
        ("train", "train", "--config=demo", "--workdir=run"),
        ("evaluate", "evaluate", run),
        ("evaluate", "benchmark", "--suite=ict_methods"),
        ("build", "build", "mesh_folder", "--manual_dir=."),
        ("build", "rehearse", "--format=bu3dfe", "--out=tree"),
        ("page", "page", run),
    ):
        here.refuses(f'pip install "smile-jax[{extra}]"', *words)


@pytest.mark.slow
def test_what_is_missing_can_be_added(wheel, tmp_path):
    """The line that a message gives works, published or not."""
    here = Installed(wheel, "", tmp_path)
    pip(str(here.python), "install", "--quiet", "smile-jax[train]")
    assert of("train") <= here.modules()


@pytest.mark.slow
def test_train_trains(wheel, tiny_dataset, tmp_path):
    here = Installed(wheel, "train", tmp_path)
    assert of("train") <= here.modules() and not of("page", "test") & here.modules()
    _, *flags = shrunk_flags(tiny_dataset, here.desk / "run", **{"train.steps": 2})
    assert "step" in here.answers("train", "--config=demo", *flags)


@pytest.mark.slow
def test_evaluate_evaluates(wheel, plain_run, tmp_path):
    here = Installed(wheel, "evaluate", tmp_path)
    assert of("train", "evaluate") <= here.modules()
    shutil.copytree(plain_run, here.desk / "run")
    assert "linear_probe" in here.answers("evaluate", "--workdir=run", "--nobaselines")


@pytest.mark.slow
def test_build_builds(wheel, tmp_path):
    here = Installed(wheel, "build", tmp_path)
    assert of("build") <= here.modules() and "gradio" not in here.modules()
    for person in ("ann", "bob"):
        for expression in ("happy", "sad"):
            path = here.desk / "scans" / person / f"{expression}.ply"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_ply(path, performed(expression, seed=len(person))[0])
    said = here.answers("build", "mesh_folder", "--manual_dir=scans")
    assert "built 4 examples" in said


@pytest.mark.slow
def test_page_has_the_page(wheel, plain_run, tmp_path):
    here = Installed(wheel, "page", tmp_path)
    command = [str(here.python), "-c", "import smile_jax.browser.page"]
    subprocess.run(command, cwd=here.desk, check=True)
