r"""SMILE, its four peers as we read them, and the baselines, on the same single scans.

    tfds build tfds_builders/ict_faces --config=static_captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    python -m smile_jax.benchmark --suite=experiments/suites/ict_methods.py

The same people, pictures, towers, augmentation, batches and epochs; nothing is tuned
for any method here, and what stands in experiments/demo.py was chosen with SMILE.
`shu`'s batches hold four scans of each person, its hard negatives. `two_crop` sees one
view of a scan twice where others see three, and is evaluated on one.
"""

from smile_jax.evaluation.suite import Suite

_METHODS = {
    "smile, captions": "ict_captions",
    "smile, labels as text": "ict_minilm",
    "supervised": "ict_supervised",
    "siglip, labels as text": "ict_siglip",
    "facet, labels as text": "ict_facet",
    "multiview, captions": "ict_multiview",
    "conclugen": "ict_conclugen",
    "shu": "ict_shu",
    "simclr": "ict_infonce",
    "vicreg": "ict_vicreg",
    "two_crop": "ict_two_crop",
}


def get_suite():
    suite = Suite(
        config="experiments/ict_captions.py",
        methods={
            **{
                name: {"config": f"experiments/{file}.py"}
                for name, file in _METHODS.items()
            },
            "smile, no text": {
                "config": "experiments/ict_static.py",
                "text_source": "none",
            },
        },
        shown=(
            ("linear_probe", "accuracy"),
            ("knn", "accuracy"),
            ("zero_shot", "accuracy"),
            ("who", "accuracy"),
        ),
        reference="smile, captions",
        baselines=dict.fromkeys(("pixels_pca", "random_init"), "smile, captions"),
    )
    return suite.over(
        {"data.dir": "data/ict_faces/static_captions", "train.epochs": 20.0}
    )
