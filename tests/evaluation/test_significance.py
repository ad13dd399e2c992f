"""Differences of methods, with what chance alone would show."""

import numpy as np
import pytest
from scipy import stats

from smile_jax.evaluation.significance import holm, paired_bootstrap
from smile_jax.evaluation.suite import Suite
from smile_jax.evaluation.tables import comparisons


def test_a_difference_has_the_interval_of_its_people(rng):
    """Many people, one run: as by the normal distribution."""
    right = rng.normal(0.5, 1.0, size=(1, 400))
    found = paired_bootstrap(right, np.ones((1, 400)), rounds=10_000)
    half = 1.96 * right.std() / 20
    assert found.mean == pytest.approx(right.mean())
    assert found.low == pytest.approx(right.mean() - half, abs=0.02)
    assert found.high == pytest.approx(right.mean() + half, abs=0.02)
    assert found.p < 0.001


def test_no_difference_is_found_where_there_is_none(rng):
    """Of three runs that differ, as seeds do: resampling as many as there are finds one
    in a tenth of such cases."""
    p = []
    for _ in range(400):
        runs, people = rng.normal(0, 0.03, (3, 1)), rng.normal(0, 0.05, (1, 20))
        right = runs + people + rng.normal(0, 0.06, (3, 20))
        p.append(paired_bootstrap(right, np.ones((3, 20)), rounds=500).p)
    assert np.mean(np.array(p) < 0.05) < 0.08 and max(p) <= 1


def test_the_spread_over_few_runs_is_that_of_their_mean(rng):
    """Not smaller by (R - 1) / R, as that of the plain bootstrap is."""
    ratios = []
    for _ in range(100):
        right = rng.normal(size=(8, 1))
        found = paired_bootstrap(right, np.ones((8, 1)), rounds=2000)
        half = 1.96 * right.std(ddof=1) / np.sqrt(8)
        ratios.append((found.high - found.low) / 2 / half)
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)


def test_who_was_not_in_a_fold_does_not_count():
    right, clips = np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([[4.0, 0], [0, 4]])
    assert paired_bootstrap(right, clips).mean == 0.5


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    p = np.random.default_rng(0).uniform(size=7)
    assert np.all(np.array(holm(p)) <= 7 * p + 1e-12)  # never above Bonferroni's
    assert stats.rankdata(holm(np.arange(1, 8) / 100)).min() >= 1


def test_methods_are_compared_run_by_run():
    suite = Suite(
        config="x", methods={"ours": {}, "theirs": {}, "absent": {}},
        shown=(("knn", "accuracy"),), baselines={"pixels_pca": "ours"},
        references=["ours"],
    )  # fmt: skip

    def people(method, row, right, seeds=(0, 1)):
        return [
            {
                "method": method, "row": row, "seed": seed, "fold": 0,
                "evaluation": "knn", "subject": f"p{i}", "clips": 4, "right": n,
            }
            for seed in seeds
            for i, n in enumerate(right)
        ]  # fmt: skip

    rows = [
        *people("ours", "smile", [4, 3, 4, 4]),
        *people("theirs", "smile", [2, 2, 2, 1], seeds=(0, 2)),
        *people("ours", "pixels_pca", [4, 3, 4, 4]),
    ]
    ((heads, lines),) = comparisons(suite, rows)
    assert heads[:2] == ["ours, knn, above", "by"]
    (theirs, by, _, *rest), pixels = lines
    assert [theirs, by, *rest] == ["theirs", "+0.500", "", "1"]
    assert pixels == ["pixels_pca", "+0.000", "+0.000 to +0.000", "1", "2"]
    assert comparisons(suite, []) == []
