"""Figures of whatever classes are called."""

import io

import numpy as np
import pytest

from smile_jax.evaluation import report
from smile_jax.evaluation.metrics import calibration, people_interval


def test_names_are_not_formulas(rng):
    classes = ["$x^{$", r"\frac", "a_b^", "<b>"]
    confusion = {"confusion": np.eye(4, dtype=int).tolist(), "accuracy": 1.0}
    results = {
        "classes": classes,
        "rows": [{"method": "smile", "linear_probe": confusion}],
        "columns": {"linear_probe": {"title": "linear probe"}},
        "embedding": {
            "features": rng.normal(size=(40, 8)),
            "labels": np.arange(40) % 4,
            "subjects": np.arange(40) // 8,
        },
    }
    for figure in (report._confusions(results), report._embedding(results)):
        figure.savefig(io.BytesIO())


def test_calibration_and_intervals_by_hand():
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    error, table = calibration(p, np.array([0, 1, 1, 0]))
    # 0.9: right half of the time; 0.8 and 0.6: always.
    assert error == pytest.approx((2 * 0.4 + 0.2 + 0.4) / 4)
    np.testing.assert_allclose(table[:, 1], [1, 1, 0.5])
    right = np.array([True] * 6 + [False] * 2)
    people = np.array(list("aabbccdd"))
    low, high = people_interval(right, people)
    assert low == pytest.approx(0.25, abs=0.26) and high == 1.0
    assert people_interval(np.ones(4, bool), np.arange(4)) == (1.0, 1.0)


@pytest.mark.parametrize("words", [True, False])
def test_people_failures_and_views_are_shown(words, rng):
    people = np.repeat(list("abcdefgh"), 5)
    labels = np.arange(40) % 2
    p = np.abs(rng.normal(size=(40, 2)))
    results = {
        "classes": ["happy", "sad"],
        "predictions": {
            "sequence": np.array([f"s{i}" for i in range(40)]),
            "subject": people,
            "label": np.array(["happy", "sad"], object)[labels],
            f"smile/{'zero_shot' if words else 'linear_probe'}": np.full(40, "sad"),
        },
        "embedding": {
            "labels": labels,
            "probabilities": p / p.sum(axis=1, keepdims=True) if words else None,
            "view_weights": np.full((40, 3), 1 / 3),
            "frame_weights": np.full((40, 4), 1 / 4) if words else None,
            "yaws_deg": [-30, 0, 30],
        },
    }  # fmt: skip
    report._people(results).savefig(io.BytesIO())
    parts = "".join(report._confidence(results))
    assert ("calibration error" in parts) == words and "<img" in parts
    name = "zero_shot" if words else "linear_probe"
    said = report._interval(results, "smile", name, "accuracy")
    assert said.startswith(" [0.") and "]" in said
    assert report._interval(results, "smile", name, "uar") == ""
