"""What a model sees of a micro-expression: its strongest frame, or its motion.

    python -m smile_jax.benchmark --suite=experiments/suites/ict_micro.py

`from macro` goes on from a model that learned from captions of stronger, slower
expressions of other people (`experiments/ict_subtle.py`), without any label.
"""

from smile_jax.evaluation.suite import Suite

_AS_IT_IS = {"data.dir": "data/ict_faces/micro"}


def get_suite():
    return Suite(
        config="experiments/ict_micro.py",
        methods={
            "apex frame": {
                **_AS_IT_IS, "data.frames": 1, "data.sampling": "apex",
                "model.temporal": "mean",
            },
            "dynamic": _AS_IT_IS,
            "dynamic, magnified": {},
            "macro": {
                "config": "experiments/ict_subtle.py", "model.temporal": "dynamic",
            },
            "dynamic, magnified, from macro": {},
        },
        starts={"dynamic, magnified, from macro": "macro"},
        shown=(
            ("linear_probe", "uf1"),
            ("emotions", "macro_f1"),
            ("emotions_zero_shot", "macro_f1"),
            ("action_units", "macro_f1"),
        ),
        baselines={"motion": "dynamic", "pixels_pca": "dynamic"},
    )  # fmt: skip
