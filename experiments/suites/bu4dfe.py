"""BU-4DFE, ten folds of all 101 people or of sixty, a clip a sequence.

    python -m smile_jax.benchmark --suite=experiments/suites/bu4dfe.py

Sequences are whole: no frame of a test person is seen, and an answer is one of a
sequence, never of a picture. Build the dataset as experiments/bu4dfe.py says. Not run
on the licensed sequences.
"""

from smile_jax.evaluation.suite import Suite

_SUPERVISED = {"objective.name": "supervised", "text_source": "none"}
_SIXTY = {"data.people": 60}


def get_suite():
    suite = Suite(
        config="experiments/bu4dfe.py",
        methods={
            "smile, captions": {},
            "supervised": _SUPERVISED,
            "smile, captions, 60": _SIXTY,
            "supervised, 60": {**_SUPERVISED, **_SIXTY},
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
    return suite.over({"data.folds": 10})
