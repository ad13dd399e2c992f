"""The mistakes of `tests.breaks` can still be made, so that it says something."""

import pytest

from tests.breaks import BREAKS, broken
from tests.conftest import ROOT


@pytest.mark.parametrize("name", BREAKS)
def test_each_break_still_applies(name):
    b = BREAKS[name]
    text = (ROOT / "smile_jax" / b.path).read_text()
    assert broken(text, b) != text
    compile(broken(text, b), b.path, "exec")


def test_there_are_enough():
    assert len(BREAKS) >= 40
