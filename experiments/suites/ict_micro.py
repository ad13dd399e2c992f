"""Micro-expressions seen by their strongest frame, or by their motion.

    smile-jax benchmark --suite=experiments/suites/ict_micro.py

`apex frame` sees depth and normals of the frame of most motion; all others see how far
the skin has moved since the first frame, and its strain. `from macro` goes on from a
model that learned from captions of stronger, slower expressions of other people
(`macro`, on `experiments/ict_subtle.py`'s set), without any label.
"""

from smile_jax.evaluation.suite_definition import Suite

_FIVE_FRAMES = {"data.frames": 5, "model.temporal": "two_phase"}


def get_suite():
    """Returns the suite."""
    return Suite(
        config="experiments/ict_micro.py",
        methods={
            "apex frame": {"data.inputs": ("depth", "normals")},
            "apex motion": {},
            "two_phase": _FIVE_FRAMES,
            "macro": {
                "config": "experiments/ict_subtle.py",
                "data.inputs": ("displacement", "strain"),
                "data.frames": 1,
                "model.temporal": "mean",
                "train.epochs": 24,
            },
            "apex motion, from macro": {},
            "two_phase, from macro": _FIVE_FRAMES,
        },
        starts={"apex motion, from macro": "macro", "two_phase, from macro": "macro"},
        shown=(
            ("linear_probe", "uf1"),
            ("emotions", "macro_f1"),
            ("emotions_zero_shot", "macro_f1"),
            ("action_units", "macro_f1"),
        ),
        baselines={"motion": "two_phase", "pixels_pca": "two_phase"},
    )
