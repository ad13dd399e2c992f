"""Differences of methods, with what chance alone would show."""

import itertools

import numpy as np
import pytest
from scipy import stats

from smile_jax.evaluation.significance import FoldCounts, difference
from smile_jax.evaluation.suite_definition import Suite
from smile_jax.evaluation.tables import comparisons

_CLIPS = 24.0  # of each person
_RUN, _PERSON, _ANSWER = 0.019, 0.06, 0.07  # deviations of scores, as measured


def experiments(rng, count, *, runs, people, apart=0.0, person=_PERSON):
    """`count` comparisons of two methods that differ by `apart`."""
    own = person * rng.normal(size=(count, 1, people))
    both = []
    for sign in (0.5, -0.5):
        of_run = _RUN * rng.normal(size=(count, runs, 1))
        noise = _ANSWER * rng.normal(size=(count, runs, people))
        both.append(_CLIPS * (0.8 + sign * (apart + own) + of_run + noise))
    clips = np.full(people, _CLIPS)
    return [FoldCounts(a, b, clips) for a, b in zip(*both, strict=True)]


def share_found(folds):
    """How often p is below 0.05."""
    return float(np.mean([difference([fold]).p < 0.05 for fold in folds]))


def welch(folds):
    """The same by Welch's t test over the scores of runs, which knows no people."""
    scores = [[right.mean(axis=1) for right in (x.ours, x.theirs)] for x in folds]
    tests = [stats.ttest_ind(*pair, equal_var=False) for pair in scores]
    return float(np.mean([test.pvalue < 0.05 for test in tests]))


@pytest.mark.parametrize(
    "people, runs", list(itertools.product((20, 100, 1000), (3, 5, 10)))
)
def test_false_alarms_are_one_in_twenty(people, runs):
    """Also where seeds decide, because there are many people and few of them."""
    rng = np.random.default_rng(people + runs)
    count = 4000 if people < 1000 else 1500
    for person in (_PERSON, 0.0):
        folds = experiments(rng, count, runs=runs, people=people, person=person)
        assert 0.02 < share_found(folds) < 0.06


@pytest.mark.parametrize("people", [20, 100, 1000])
def test_differences_are_found_as_often_as_by_welch(people):
    """Where people do not differ in how the methods differ: there Welch is right."""
    for runs in (3, 5):
        rng = np.random.default_rng(runs)
        size = {"runs": runs, "people": people, "person": 0.0}
        folds = experiments(rng, 1000, apart=0.05, **size)
        assert share_found(folds) > welch(folds) - 0.02


def test_by_hand():
    """Two runs and two people: run scores 0.5, 0.7 and 0.4, 0.4, of people who differ
    by 0.2 and 0.2, so that only runs are left."""
    ours = np.array([[6.0, 4.0], [8.0, 6.0]])
    theirs = np.array([[5.0, 3.0], [5.0, 3.0]])
    found = difference([FoldCounts(ours, theirs, np.array([10.0, 10.0]))])
    assert found.mean == pytest.approx(0.2)
    # Variance of our mean: 0.02 / 2, of one degree of freedom; theirs: none.
    assert found.high - found.mean == pytest.approx(0.1 * stats.t.ppf(0.975, 1))
    assert found.p == pytest.approx(2 * stats.t.sf(2.0, 1))


def test_people_of_one_run_have_an_interval_and_no_p(rng):
    """Many people, one run of each: as by the normal distribution."""
    gain = rng.normal(0.5, 1.0, size=(1, 400))
    found = difference([FoldCounts(gain, np.zeros((1, 400)), np.ones(400))])
    half = 1.96 * gain.std() / 20
    assert found.mean == pytest.approx(gain.mean())
    assert found.low == pytest.approx(gain.mean() - half, abs=0.002)
    assert found.high == pytest.approx(gain.mean() + half, abs=0.002)
    assert found.p is None


@pytest.mark.parametrize("runs, folds", [(1, 10), (3, 5)])
def test_false_alarms_over_folds(rng, runs, folds):
    """Ten people a fold; of one run each, folds are the replicates."""
    alarms = []
    for _ in range(1500):
        every = [experiments(rng, 1, runs=runs, people=10)[0] for _ in range(folds)]
        alarms.append(difference(every).p < 0.05)
    assert 0.03 < np.mean(alarms) < 0.065


def test_folds_of_one_person_are_replicates(rng):
    """Runs that answer alike say nothing of other people."""
    gain = rng.normal(0.02, 0.3, size=40)
    folds = [
        FoldCounts(np.full((3, 1), 8 + x), np.full((3, 1), 8.0), np.array([10.0]))
        for x in gain
    ]
    found = difference(folds)
    half = stats.t.ppf(0.975, 39) * gain.std(ddof=1) / np.sqrt(40) / 10
    assert found.high - found.mean == pytest.approx(half)
    alone = difference(folds[:1])
    assert (alone.low, alone.high, alone.p) == (-np.inf, np.inf, None)


def test_equal_answers_do_not_differ():
    same = np.array([[3.0, 1.0], [2.0, 2.0]])
    found = difference([FoldCounts(same, same, np.array([4.0, 4.0]))])
    assert (found.mean, found.p) == (0.0, 1.0)
    alike = np.array([[3.0, 1.0], [3.0, 1.0]])
    found = difference([FoldCounts(alike, alike, np.array([4.0, 4.0]))])
    assert (found.mean, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_nothing_in_common_is_refused():
    nobody = np.zeros((2, 0))
    with pytest.raises(ValueError, match="no clip"):
        difference([FoldCounts(nobody, nobody, np.zeros(0))])


def people_rows(method, row, right, seeds=(0, 1), fold=0):
    return [
        {
            "method": method, "row": row, "seed": seed, "fold": fold,
            "evaluation": "knn", "subject": f"p{i}", "clips": 4, "right": n,
        }
        for seed in seeds
        for i, n in enumerate(right)
    ]  # fmt: skip


def test_methods_are_compared_on_the_same_people():
    suite = Suite(
        config="x", methods={"ours": {}, "theirs": {}, "absent": {}},
        shown=(("knn", "accuracy"),), baselines={"pixels_pca": "ours"},
        references=["ours"],
    )  # fmt: skip
    rows = [
        *people_rows("ours", "smile", [4, 3, 4, 4]),
        *people_rows("theirs", "smile", [2, 2, 2, 1], seeds=(0,)),
        *people_rows("theirs", "smile", [4, 4], seeds=(0,), fold=1),  # not of ours
        *people_rows("ours", "pixels_pca", [4, 3, 4, 4]),
    ]
    ((heads, lines),) = comparisons(suite, rows)
    assert heads[:2] == ["ours, knn, above", "by"]
    (theirs, by, _, *rest), pixels = lines
    assert [theirs, by, *rest] == ["theirs", "+0.500", "", "2, 1"]
    assert pixels == ["pixels_pca", "+0.000", "+0.000 to +0.000", "1", "2, 2"]
    assert comparisons(suite, []) == []


def test_p_is_corrected_by_holm():
    """The smallest of two is doubled."""
    suite = Suite(
        config="x", methods={"a": {}, "b": {}, "c": {}}, shown=(("knn", "accuracy"),),
        references=["a"],
    )  # fmt: skip
    rows = [
        *people_rows("a", "smile", [4, 4, 3, 4], seeds=(0,)),
        *people_rows("a", "smile", [4, 3, 4, 4], seeds=(1,)),
        *people_rows("b", "smile", [0, 1, 0, 1], seeds=(0,)),
        *people_rows("b", "smile", [1, 0, 0, 0], seeds=(1,)),
        *people_rows("c", "smile", [3, 4, 4, 3], seeds=(0,)),
        *people_rows("c", "smile", [4, 3, 4, 4], seeds=(1,)),
    ]

    def alone(method):
        own = Suite(
            config="x", methods={"a": {}, method: {}}, references=["a"],
            shown=(("knn", "accuracy"),),
        )  # fmt: skip
        ((_, ((_, _, _, p, _),)),) = comparisons(own, rows)
        return float(p)

    of_b, of_c = (float(line[3]) for line in comparisons(suite, rows)[0][1])
    assert of_b == pytest.approx(2 * alone("b"), rel=0.05)
    assert of_c == pytest.approx(alone("c"), rel=0.05)
