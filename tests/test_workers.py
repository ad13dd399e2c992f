"""`run_everywhere`: order, errors, and how much waits."""

import time

import pytest

from smile_jax.core.workers import run_everywhere


def slow_square(x: int, shared: int) -> int:
    time.sleep(0.02 * (x % 3))
    if x == shared:
        raise ValueError(f"{x} is bad")
    return x * x


@pytest.mark.parametrize("cores", ["1", "2"])
def test_order_and_errors(cores, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", cores)
    assert list(run_everywhere(slow_square, range(20), -1)) == [
        x * x for x in range(20)
    ]
    assert list(run_everywhere(slow_square, [], -1)) == []
    with pytest.raises(ValueError, match="7 is bad"):
        list(run_everywhere(slow_square, range(20), 7))


def test_inputs_are_taken_as_results_are_used(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")

    class Counted:
        taken = 0

        def __len__(self):
            return 100

        def __iter__(self):
            for x in range(100):
                self.taken += 1
                yield x

    inputs = Counted()
    results = run_everywhere(slow_square, inputs, -1)
    assert next(results) == 0
    assert inputs.taken <= 6
    results.close()
