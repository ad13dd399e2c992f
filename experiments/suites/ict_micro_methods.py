r"""Methods on the motion of micro-expressions, with labels, without, and after others.

    tfds build tfds_builders/ict_faces --config=micro --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    tfds build tfds_builders/ict_faces --config=subtle ...
    smile-jax benchmark --suite=experiments/suites/ict_micro_methods.py

All see the strongest frame of a clip as experiments/ict_micro.py does: how far the skin
has moved and how much it is strained. Settings of methods are those that were chosen
for them on single scans (experiments/suites/ict_methods.py), but for the weight of
SMILE's alignment, which is 1, for there is no third term beside it. Of that suite's
methods these need no captions, which the set lacks, and take several emotions a clip,
but for `supervised`, which learns from clips of one. `macro` learns from captions of
larger, slower expressions of 60 people of a set of its own, without any label, and is
tested on such; `macro, then labels as text` goes on from it, and `before_training` is
macro's tower as it is, probed on micro-expressions.
"""

import dataclasses
import pathlib
from typing import Any

from smile_jax.evaluation.suite_definition import Suite, read_suite
from smile_jax.experiments import ict_micro

_METHODS = (
    "smile, labels as text",
    "siglip, labels as text",
    "supervised",
    "conclugen",
    "simclr",
    "smile, no text",
)
_LABELLED = "smile, labels as text"


def micro_suite(c: Any, clips_of_one: float = 1.0) -> Suite:
    """Methods on what an experiment with micro-expressions, by its config, sees.

    Args:
      c: the config.
      clips_of_one: share of the clips that show one emotion alone: who learns from
        these sees each as much more often.
    """
    tuned = read_suite(pathlib.Path(__file__).with_name("ict_methods.py"))
    seen = {
        "data.dir": c.data.dir,
        "data.classes": c.data.classes,
        "data.folds": c.data.folds,
        "data.inputs": c.data.inputs,
        "data.views": c.data.views,
        "data.frames": c.data.frames,
        "data.sampling": c.data.sampling,
        "augment.relight": c.augment.relight,
        "model.temporal": c.model.temporal,
        "train.epochs": c.train.epochs,
    }
    in_words = {
        "text_source": c.text_source,
        "objective.smile.alignment_over": c.objective.smile.alignment_over,
        "objective.smile.alignment": 1.0,
        "objective.smile.redundancy": c.objective.smile.redundancy,
    }
    methods = {
        name: {
            **tuned.settings(name, 0),
            **seen,
            **(in_words if name.endswith("as text") else {}),
        }
        for name in _METHODS
    }
    methods["supervised, action units"] = {
        **methods["supervised"],
        "objective.name": "action_units",
    }
    methods["supervised"]["train.epochs"] /= clips_of_one
    return Suite(
        config="experiments/ict_micro.py",
        methods=methods,
        shown=(
            ("linear_probe", "uf1"),
            ("knn", "uf1"),
            ("emotions", "macro_f1"),
            ("emotions_zero_shot", "macro_f1"),
            ("action_units", "macro_f1"),
        ),
        references=[_LABELLED],
        baselines=dict.fromkeys(("motion", "pixels_pca", "random_init"), _LABELLED),
    )


def get_suite():
    """Returns the suite."""
    suite = micro_suite(ict_micro.get_config(), clips_of_one=11 / 14)
    on = suite.methods[_LABELLED]
    macro = {
        "config": "experiments/ict_subtle.py",
        "data.inputs": on["data.inputs"],
        "data.frames": 1,
        "model.temporal": "mean",
        "train.epochs": 24,
        "optimizer.learning_rate": on["optimizer.learning_rate"],
    }
    methods = {
        **suite.methods,
        "macro": macro,
        "macro, then labels as text": on,
    }
    return dataclasses.replace(
        suite,
        methods=methods,
        starts={"macro, then labels as text": "macro"},
        baselines={
            **suite.baselines,
            "before_training": "macro, then labels as text",
        },
        references=(),  # macro's people are others of the same names
    )
