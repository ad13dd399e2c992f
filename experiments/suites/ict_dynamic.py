r"""SMILE, peers and baselines on sequences of ICT-FaceKit's faces, as dynamic images.

    tfds build tfds_builders/ict_faces --config=captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    python -m smile_jax.benchmark --suite=experiments/suites/ict_dynamic.py

As experiments/suites/ict_methods.py, of motion: 2,400 sequences of 9 frames, each one
dynamic image.
"""

from smile_jax.evaluation.suite import Suite

_LABELS = {
    "text_source": "weak",
    "loss.alignment_over": "bank",
    "loss.redundancy": 0.1,
    "prompts.style": "all",
    "prompts.phrasings": 1,
}
_NO_TEXT = {"text_source": "none"}


def get_suite():
    suite = Suite(
        config="experiments/ict_dynamic.py",
        methods={
            "smile, captions": {},
            "smile, labels as text": _LABELS,
            "supervised": {"objective.name": "supervised", **_NO_TEXT},
            "siglip, labels as text": {
                **_LABELS,
                "objective.name": "siglip",
                "model.logit_scale_init": 10.0,
            },
            "facet, labels as text": {
                **_LABELS,
                "objective.name": "facet",
                "model.cross_view": True,
            },
            "multiview, captions": {"objective.name": "multiview"},
            "conclugen": {"objective.name": "conclugen", **_NO_TEXT},
            "shu": {"objective.name": "shu", "data.person_block": 4, **_NO_TEXT},
            "simclr": {"objective.name": "infonce", **_NO_TEXT},
        },
        shown=(
            ("linear_probe", "accuracy"),
            ("knn", "accuracy"),
            ("zero_shot", "accuracy"),
            ("who", "accuracy"),
        ),
        references=["smile, captions"],
        baselines=dict.fromkeys(("pixels_pca", "random_init"), "smile, captions"),
    )
    return suite.over({"train.epochs": 20.0})
