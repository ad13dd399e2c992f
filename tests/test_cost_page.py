"""experiments/cost.md says what its command prints."""

import pytest

from smile_jax.experiments import cost
from tests.conftest import ROOT


def test_table_is_the_printed_one():
    assert cost.table() in (ROOT / "experiments" / "cost.md").read_text()


def test_the_example_of_the_page():
    row, machine = cost.ROWS[1], cost.MACHINES[2]
    assert row.clips == 2400 and machine.name == "one H200"
    assert cost.images_of(row) == 2400 * 3 * 100 * 9
    rate = 989e12 * 0.4
    assert cost.hours(row, machine) * 3600 == pytest.approx(
        cost.images_of(row) * cost.FLOP_PER_IMAGE / rate
    )
