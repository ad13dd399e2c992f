"""Temporal models on weak expressions, beside the strongest frame alone.

    smile-jax benchmark --suite=experiments/suites/ict_time.py

All see the same clips as often; `apex frame, as many pictures` sees that frame so often
that it has seen as many pictures as they have, and `dynamic, as long` trains as long as
that: its four frames are one picture before the tower sees them.
"""

from smile_jax.evaluation.suite_definition import Suite

_APEX, _LONG = {"data.frames": 1}, {"train.epochs": 48}


def get_suite():
    """Returns the suite."""
    kinds = ["mean", "attention", "differences", "two_phase", "transformer", "dynamic"]
    return Suite(
        config="experiments/ict_subtle.py",
        methods={
            "apex frame": _APEX,
            "apex frame, as many pictures": {**_APEX, **_LONG},
            "dynamic, as long": {"model.temporal": "dynamic", **_LONG},
            **{kind: {"model.temporal": kind} for kind in kinds},
        },
        shown=(
            ("linear_probe", "accuracy"),
            ("knn", "accuracy"),
            ("zero_shot", "accuracy"),
            ("who", "accuracy"),
        ),
        baselines={"motion": "mean", "pixels_pca": "mean", "random_init": "mean"},
    )
