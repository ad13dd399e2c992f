"""Bosphorus: sixty people who show all six expressions, ten folds of six.

    python -m smile_jax.benchmark --suite=experiments/suites/bosphorus.py

The protocol of Berretti et al. (2010) and of those after them. Build the dataset as
experiments/bosphorus.py says. Not run on the licensed scans.
"""

from smile_jax.evaluation.suite import Suite


def get_suite():
    return Suite(
        config="experiments/bosphorus.py",
        methods={
            "smile, captions": {},
            "supervised": {"objective.name": "supervised", "text_source": "none"},
        },
        shown=(
            ("linear_probe", "accuracy"),
            ("knn", "accuracy"),
            ("zero_shot", "accuracy"),
        ),
        baselines={"pixels_pca": "smile, captions", "random_init": "smile, captions"},
        references=["smile, captions"],
        seeds=(0,),
        folds=range(10),
    )
