"""Spotting: MEGC's counting by hand."""

import numpy as np
import pytest

from smile_jax.evaluation.spotting_scores import (
    IntervalCounts,
    count,
    intervals_of,
    overlap,
    smoothed,
)


@pytest.mark.parametrize(
    "a, b, share",
    [
        ((0, 9), (0, 9), 1.0),
        ((0, 9), (5, 14), 5 / 15),
        ((0, 9), (10, 19), 0.0),
        ((0, 9), (3, 9), 0.7),
        ((4, 4), (4, 4), 1.0),
    ],
)
def test_overlap(a, b, share):
    assert overlap(a, b) == pytest.approx(share)
    assert overlap(b, a) == pytest.approx(share)


def test_counting_by_hand():
    labelled = [(10, 19), (40, 49)]
    # Half of the frames of either is enough; less is not.
    assert count([(10, 14)], labelled, 1).hits == 1
    assert count([(10, 13)], labelled, 1).hits == 0
    # Twice the same expression is one hit and one false one.
    twice = count([(10, 19), (11, 18)], labelled, 1)
    assert (twice.hits, twice.found, twice.labelled) == (1, 2, 2)
    # One interval over both hits neither.
    assert count([(10, 49)], labelled, 1).hits == 0
    assert count([], labelled, 1) == IntervalCounts(0, 0, 2, 1)
    assert count([(0, 5)], [], 1) == IntervalCounts(0, 1, 0, 1)


def test_scores_are_of_pooled_counts():
    """Not a mean over videos: one of 1 hit of 1, one of 0 hits of 3 and 2 false."""
    total = count([(0, 9)], [(0, 9)], 0.5) + IntervalCounts(0, 2, 3, 1.5)
    scores = total.scores()
    assert scores["precision"] == pytest.approx(1 / 3)
    assert scores["recall"] == pytest.approx(1 / 4)
    assert scores["f1"] == pytest.approx(2 / 7)
    assert scores["false_per_minute"] == pytest.approx(1.0)
    assert IntervalCounts().scores()["f1"] == 0


def test_intervals_of_frames():
    said = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1], bool)
    assert intervals_of(said) == [(1, 2), (4, 4), (8, 8)]
    assert intervals_of(said, gap=1) == [(1, 4), (8, 8)]
    assert intervals_of(said, shortest=2) == [(1, 2)]
    assert intervals_of(np.zeros(3, bool)) == []
    assert intervals_of(np.ones(3, bool)) == [(0, 2)]


def test_smoothing_keeps_a_constant():
    np.testing.assert_allclose(smoothed(np.ones(7), 3), 1)
    np.testing.assert_allclose(smoothed(np.arange(5.0), 1), np.arange(5))
    np.testing.assert_allclose(smoothed(np.ones(2), 9), 1)
