"""Scores by group of people."""

import numpy as np
import pytest

from smile_jax.evaluation.group_scores import Answers, by_group, thirds


def test_the_worst_group_and_its_gap(rng):
    subjects = np.repeat([f"p{i:02}" for i in range(20)], 30)
    group = {f"p{i:02}": "few" if i < 5 else "many" for i in range(20)}
    bad = np.array([group[s] == "few" for s in subjects])
    right = rng.uniform(size=600) < np.where(bad, 0.5, 0.9)
    answers = Answers(subjects.tolist(), right, np.full(600, 0.9))
    found = by_group(answers, group)
    assert found.worst == "few" and found.groups["few"].people == 5
    assert found.groups["few"].clips == 150
    assert found.gap == pytest.approx(right[~bad].mean() - right[bad].mean())
    assert 0.2 < found.low < found.gap < found.high
    # Of one confidence, the error is its distance from the accuracy.
    expected = abs(right[bad].mean() - 0.9)
    assert found.groups["few"].calibration_error == pytest.approx(expected)


def test_a_gap_of_chance_holds_nothing(rng):
    subjects = np.repeat([f"p{i:02}" for i in range(20)], 10)
    group = {f"p{i:02}": "ab"[i % 2] for i in range(20)}
    right = rng.uniform(size=200) < 0.8
    found = by_group(Answers(subjects.tolist(), right, np.full(200, 0.8)), group)
    assert found.low < 0


def test_people_of_no_group_are_left_out():
    answers = Answers(["a", "b", "c"], np.array([True, False, True]), np.ones(3))
    assert by_group(answers, {"a": "x", "c": "x"}) is None
    assert by_group(answers, {"a": "x", "b": "y"}).gap == 1


def test_thirds():
    values = {"a": 3.0, "b": 1.0, "c": 2.0, "d": 0.0}
    found = thirds(values, ("low", "middle", "high"))
    assert found == {"d": "low", "b": "low", "c": "middle", "a": "high"}
