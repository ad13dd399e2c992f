"""BU-3DFE's Subset I and II, ten folds of all 100 people.

    python -m smile_jax.benchmark --suite=experiments/suites/bu3dfe.py

Subset I is the two strongest intensities, II all four (Gong et al., 2009, and Behzad's
papers); `60` draws 60 of the people. Build the dataset as experiments/bu3dfe.py says.
Not run on the licensed scans.
"""

from smile_jax.evaluation.suite import Suite

_STRONG, _ALL = {"data.intensities": (3, 4)}, {"data.intensities": (1, 2, 3, 4)}


def get_suite():
    suite = Suite(
        config="experiments/bu3dfe.py",
        methods={
            "subset I": _STRONG,
            "subset II": _ALL,
            "subset I, 60": {**_STRONG, "data.people": 60},
            "subset II, 60": {**_ALL, "data.people": 60},
        },
        shown=(
            ("linear_probe", "accuracy"),
            ("knn", "accuracy"),
            ("zero_shot", "accuracy"),
        ),
        baselines={"pixels_pca": "subset I"},
        seeds=(0,),
        folds=range(10),
    )
    return suite.over({"data.folds": 10})
