"""The commands of README and docs/ are ones that there are, and run as written."""

import ast
import functools
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from smile_jax.experiments import demo
from smile_jax.mesh.writers import write_ply
from tests.conftest import ROOT
from tests.faces.heads import performed

# Without changes that readers are shown: they add files.
DOCUMENTS = {
    str(path.relative_to(ROOT)): re.sub(
        r"```diff\n.*?```", "", path.read_text(), flags=re.DOTALL
    )
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
_LINE = re.compile(
    r"^ {4,}((?:[A-Z_]+=\S+ )?(?:python -m|smile-jax|tfds build|make) .*)$", re.M
)
_IN_TEXT = re.compile(r"`((?:python -m|smile-jax) [^`]*)`")


def _joined(text: str) -> str:
    """Lines that go on are one."""
    return re.sub(r"\\\n\s*", " ", text)


# Every command that stands on a line of its own.
COMMANDS = [
    (name, re.sub(r"\s+#.*", "", line).strip())
    for name, text in DOCUMENTS.items()
    for line in _LINE.findall(_joined(text))
]

# Where a command is tried, if not here.
ELSEWHERE = {
    r"make ": "continuous integration, or by hand: `make demo`",
    r"smile-jax (train|evaluate|export) .*runs/mine": "tests/training/test_own_data.py",
    r"smile-jax folds": "tests/training/test_plan.py, on a smaller dataset",
    r"smile-jax page ": "tests/browser/test_browser.py",
    r"smile-jax aot": "tests/cost/test_step_cost.py, smaller: these take minutes",
    r"experiments/ict_|tfds_builders/ict_faces": "needs ICT-FaceKit; experiments/",
    r"smile-jax verify": "tests/models/test_pretrained.py: needs a hub",
    r"tfds_builders/(<name>|bp4d)": "tests/data: needs a licensed dataset, or a bucket",
    r"path/to/my_scans": "tests/test_readme.py",
    r"smile-jax spot": "tests/training/test_sequences.py",
    r"smile-jax (benchmark|sweep)": "tests/test_benchmark.py",
    r"--coordinator|--xla_force_host": "tests/training: several processes or devices",
}
# Made smaller by flags at the end, which win.
SMALLER = {
    r"rehearse --format=bu4dfe": "--subjects=1 --frames=2 --points=2000",
    r"rehearse --format=four_dme": "--subjects=1 --frames=20 --points=2000",
}


@functools.cache
def _source(module: str) -> pathlib.Path:
    spec = importlib.util.find_spec(module)
    assert spec and spec.origin, f"there is no {module}"
    path = pathlib.Path(spec.origin)
    return path.with_name("__main__.py") if path.name == "__init__.py" else path


@functools.cache
def _flags(module: str) -> set[str]:
    """Of a module that is run, by its source: importing two would define some twice."""
    found = {"help"}
    for node in ast.walk(ast.parse(_source(module).read_text())):
        if isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func)
            name = node.args[2 if called == "flags.Flag" else 0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                if ".DEFINE_" in called or called == "flags.Flag":
                    found.add(name.value)
                elif called in ("add", "kind.add_argument"):
                    found.add(name.value.removeprefix("--"))
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_has_these_flags_and_settings(name):
    config = demo.get_config()
    text = _joined(DOCUMENTS[name])
    found = [line for document, line in COMMANDS if document == name]
    for line in found + [" ".join(x.split()) for x in _IN_TEXT.findall(text)]:
        module = re.search(r"python -m ([\w.]+)|smile-jax (\w+)", line)
        if not module:
            continue
        known = _flags(module[1] or f"smile_jax.{module[2]}")
        for flag in re.findall(r"(?<=[\s\[])--([\w.]+)", line):
            if not flag.startswith("config."):
                names = {flag, f"no{flag}", flag.removeprefix("no")}
                assert names & known, f"{line}: --{flag}"
            elif flag != "config.key":
                place = config
                for key in flag.split(".")[1:]:
                    assert key in place, f"{line}: --{flag}"
                    place = getattr(place, key)


def test_what_is_tried_elsewhere_is_still_in_the_documents():
    for known in (*ELSEWHERE, *SMALLER):
        assert any(re.search(known, line) for _, line in COMMANDS), known


HERE = sorted(
    (x for x in COMMANDS if not any(re.search(known, x[1]) for known in ELSEWHERE)),
    key=lambda x: "rehearse" not in x[1],  # others take what these write
)


@pytest.fixture(scope="module")
def desk(plain_run, tmp_path_factory) -> pathlib.Path:
    """A folder with a run, single scans, a sequence and a tree of sequences, under the
    names that the documents use."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("experiments", "tfds_builders"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(plain_run, folder / "runs" / "demo")
    (folder / "RUN").symlink_to(folder / "runs" / "demo")
    for name in ("scans", "more"):
        (folder / name).mkdir()
        for take, expression in enumerate(("happy", "sad")):
            mesh = performed(expression, seed=take)[0]
            write_ply(folder / name / f"{expression}.ply", mesh)
    for person in ("ann", "bob"):
        for expression in ("happy", "sad"):
            place = folder / "tree" / person / expression
            place.mkdir(parents=True)
            for i, mesh in enumerate(performed(expression, 8, seed=len(person))):
                write_ply(place / f"{i}.ply", mesh)
    return folder


def _as_typed(line: str) -> str:
    """With names in place of those that readers fill in."""
    line = re.sub(r"\[(--[^\]]+)\]", r"\1", line)  # what may be left out is given
    line = re.sub(r"--ict=ARCHIVE|--config\.key=value", "", line)
    place = "scans"
    if "mesh_folder" in line or "SEQUENCE" in line or "--timeline" in line:
        place = "tree"
    elif "bu4dfe" in line or "four_dme" in line:
        place = "exported_" + ("bu4dfe" if "bu4dfe" in line else "four_dme")
    if "--timeline" in line:
        place += "/ann/happy"
    out = place if "rehearse" in line else "out"
    line = line.replace("--out=FOLDER", f"--out={out}")
    line = line.replace("FILES_FOLDERS_OR_GLOBS...", "scans 'more/*.ply'")
    line = line.replace("SEQUENCE_FOLDER", "tree/bob/sad")
    line = line.replace("SCAN.obj", "scans/happy.ply").replace("FOLDER", place)
    return line + "".join(
        f" {flags}" for known, flags in SMALLER.items() if re.search(known, line)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("document", "line"), HERE)
def test_every_other_command_runs(document, line, desk):
    words = shlex.split(_as_typed(line))
    if {"export", "rehearse"} & set(words):  # they leave what is there alone
        out = next(x for x in words if x.startswith("--out=")).removeprefix("--out=")
        shutil.rmtree(desk / out, ignore_errors=True)
    if words[0] == "python":
        words[0] = sys.executable
    elif words[0] == "smile-jax":  # the same command, of this tree
        words[:1] = [sys.executable, "-m", "smile_jax"]
    else:
        words[0] = str(pathlib.Path(sys.executable).parent / words[0])
    done = subprocess.run(
        words,
        cwd=desk,
        env=os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": ""},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr[-3000:]}"
