"""TFDS' own checks of every builder."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_builders_pass_the_cases_of_tfds():
    done = subprocess.run(
        [sys.executable, "-m", "unittest", "tests.data.tfds_cases"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ran = re.search(r"Ran (\d+) tests", done.stderr)
    assert ran and int(ran[1]) >= 9 * 5  # of every builder, several
