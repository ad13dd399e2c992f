r"""SMILE, its four peers as we read them, and the baselines, on the same single scans.

    tfds build tfds_builders/ict_faces --config=static_captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax benchmark --suite=experiments/suites/ict_methods.py

The same people, pictures, towers, augmentation and epochs. Settings are those of
experiments/demo.py, which were chosen with SMILE, with a third term for captions over
what they say as numbers, and, in ict_methods_chosen.json, what the sweep has chosen for
each method (SMILE had two rounds of it, see experiments/results.md):

    smile-jax sweep --suite=experiments/suites/ict_methods.py

five trials a method, of a quarter of the images, for the learning rate and the method's
own main number. Rows below `smile, no text` are SMILE with something left out or
replaced. `captions, two terms` and `labels, alignment in full` are SMILE as the first
round had chosen it. `shu` and `smile, no text` have batches of several scans of each
person and so know who is who; so do captions and what `shu` compares, which are
measured against the median of each person's scans, by landmarks. `actions` are these
measurements. `captions, then pseudo` goes on from `smile, captions` with its own
guesses and so has seen twice as many pictures. `two_crop` sees one view of a scan twice
where others see three, and is evaluated on one.
"""

from smile_jax.evaluation.suite_definition import Suite, Sweep
from smile_jax.experiments import ict_captions

_METHODS = {
    "smile, captions": "ict_captions",
    "smile, labels as text": "ict_minilm",
    "supervised": "ict_supervised",
    "siglip, labels as text": "ict_siglip",
    "facet, labels as text": "ict_facet",
    "multiview, captions": "ict_multiview",
    "conclugen": "ict_conclugen",
    "conclugen, captions": "ict_conclugen_captions",
    "shu": "ict_shu",
    "simclr": "ict_infonce",
    "vicreg": "ict_vicreg",
    "two_crop": "ict_two_crop",
    "mae": "ict_mae",
    "smile, no text": "ict_none",
}
# What captions say, as numbers, is their third term.
_THIRD = {
    "objective.smile.redundancy_mode": "actions",
    "objective.smile.redundancy": 0.1,
}
# name -> the method that it is a variant of, and what is other.
_VARIANTS = {
    "captions, no decorrelation": (
        "smile, captions",
        {"objective.smile.decorrelation": 0.0},
    ),
    "captions, no alignment": ("smile, captions", {"objective.smile.alignment": 0.0}),
    "captions, no redundancy": ("smile, captions", {"objective.smile.redundancy": 0.0}),
    "captions, equal ones positive": (
        "smile, captions",
        {"objective.smile.pair_width": 0.0},
    ),
    "labels, no decorrelation": (
        "smile, labels as text",
        {"objective.smile.decorrelation": 0.0},
    ),
    "labels, no alignment": (
        "smile, labels as text",
        {"objective.smile.alignment": 0.0},
    ),
    "labels, no redundancy": (
        "smile, labels as text",
        {"objective.smile.redundancy": 0.0},
    ),
    "labels, private": (
        "smile, labels as text",
        {"objective.smile.redundancy_mode": "private"},
    ),
    "labels, literal": (
        "smile, labels as text",
        {"objective.smile.redundancy_mode": "literal"},
    ),
    "captions, transductive": ("smile, captions", {"data.transductive": True}),
    "no text, people unknown": (
        "smile, no text",
        {"config": "experiments/ict_static.py", "text_source": "none"},
    ),
}
# SMILE as the sweep's first round had chosen it.
_FIRST_ROUND = {
    "captions, two terms": (
        "smile, captions",
        {
            "objective.smile.redundancy_mode": "whitened",
            "objective.smile.redundancy": 0.0,
            "objective.smile.alignment": 1.0,
            "optimizer.learning_rate": 3e-3,
        },
    ),
    "labels, alignment in full": (
        "smile, labels as text",
        {"objective.smile.alignment": 1.0},
    ),
}
# Those that go on from another method's run, asked as that one was.
_PROMPTS = ict_captions.get_config().prompts
_AFTER = {
    "captions, then pseudo": (
        "smile, captions",
        {
            "config": "experiments/ict_pseudo.py",
            "prompts.style": _PROMPTS.style,
            "prompts.phrasings": _PROMPTS.phrasings,
        },
    ),
}
_RATES = (1e-3, 3e-4, 3e-3)
_NUMBERS = {
    "smile, captions": {"objective.smile.alignment": (1.0, 0.1, 0.03)},
    "smile, labels as text": {"objective.smile.alignment": (1.0, 0.1, 0.03)},
    "supervised": {"optimizer.weight_decay": (0.05, 0.005, 0.2)},
    "siglip, labels as text": {"objective.siglip.sigmoid_bias": (-2.71, 0.0, -10.0)},
    "facet, labels as text": {"objective.facet.consistency": (1.0, 0.3, 0.1)},
    "multiview, captions": {"objective.multiview.pair_weight": (1.0, 0.3, 3.0)},
    "conclugen": {"objective.conclugen.temperature": (0.1, 0.3, 1.0)},
    "conclugen, captions": {"objective.conclugen.temperature": (0.1, 0.3, 1.0)},
    "shu": {"objective.shu.temperature": (0.1, 0.05, 0.2)},
    "simclr": {"objective.infonce.temperature": (0.1, 0.05, 0.2)},
    "vicreg": {"objective.vicreg.covariance": (1.0, 0.2, 5.0)},
    "two_crop": {"objective.smile.off_diagonal": (0.0051, 0.03, 0.2)},
    "mae": {"augment.patch_dropout": (0.75, 0.5, 0.875)},
    "smile, no text": {"objective.smile.off_diagonal": (0.1, 0.02, 0.5)},
}


def get_suite():
    """Returns the suite."""
    return methods_suite({**_VARIANTS, **_FIRST_ROUND})


def methods_suite(variants=_VARIANTS, third=_THIRD):
    """Returns the methods, SMILE by captions with a third term, and some variants.

    Other data use it as well.
    """
    own = {name: {"config": f"experiments/{x}.py"} for name, x in _METHODS.items()}
    own["smile, captions"] |= third
    changed = {name: {**own[x], **keys} for name, (x, keys) in variants.items()}
    suite = Suite(
        config="experiments/ict_captions.py",
        methods={
            **own,
            **changed,
            **{name: keys for name, (_, keys) in _AFTER.items()},
        },
        starts={name: method for name, (method, _) in _AFTER.items()},
        shown=(
            ("linear_probe", "accuracy"),
            ("knn", "accuracy"),
            ("zero_shot", "accuracy"),
            ("who", "accuracy"),
            ("classifier", "accuracy"),
        ),
        prompts=[
            "experiments/prompts_reworded.yaml",
            "experiments/prompts_reworded_actions.yaml",
        ],
        references=["smile, captions", "smile, labels as text"],
        baselines=dict.fromkeys(
            ("actions", "pixels_pca", "random_init"), "smile, captions"
        ),
        sweep=Sweep(
            keys={
                name: {"optimizer.learning_rate": _RATES, **number}
                for name, number in _NUMBERS.items()
            },
            settings={"train.epochs": 20 / 3},
        ),
        chosen_as={name: method for name, (method, _) in variants.items()},
    )
    return suite.over(
        {"data.dir": "data/ict_faces/static_captions", "train.epochs": 20.0}
    )
