"""Figures of whatever classes are called."""

import io

import numpy as np

from smile_jax.evaluation import report


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
