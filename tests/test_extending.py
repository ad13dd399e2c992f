"""The changes that docs/extending.md shows apply to the tree as it is, and work."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text()
CHANGES = dict(re.findall(r"^## (.+?)\n.*?```diff\n(.*?)```", PAGE, re.DOTALL | re.M))
# Nobody has to open these to add something.
SPARED = ("step.py", "loop.py", "pipeline.py", "report.py", "validate.py")


def added_files(diff: str) -> list[str]:
    return re.findall(r"--- /dev/null\n\+\+\+ b/(\S+)", diff)


def apply(diff: str, tree, *options: str) -> None:
    subprocess.run(
        ["git", "apply", *options, "-"], input=diff, text=True, cwd=tree, check=True
    )


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_applies_and_spares_the_core(name):
    apply(CHANGES[name], ROOT, "--check")
    changed = re.findall(r"^\+\+\+ b/(\S+)", CHANGES[name], re.MULTILINE)
    assert not [path for path in changed if path.endswith(SPARED)]
    assert any(path.startswith("tests/") for path in added_files(CHANGES[name]))


@pytest.mark.slow
def test_their_tests_pass(tmp_path):
    """All of them at once, in a copy of the tree."""
    assert len(CHANGES) == 6
    for part in ("smile_jax", "experiments", "tfds_builders", "tests", "docs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "Makefile"):
        shutil.copy(ROOT / name, tmp_path / name)
    tests = []
    for diff in CHANGES.values():
        apply(diff, tmp_path)
        tests += [path for path in added_files(diff) if path.startswith("tests/")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *tests, "tests/test_package.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
