r"""The demo as a suite of one run, for the README's table.

    smile-jax fetch makehuman
    tfds build tfds_builders/makehuman_faces --config=static_captions --data_dir=data \
        --file_format=array_record
    smile-jax benchmark --suite=experiments/suites/demo.py

`make demo` does the same in runs/demo. One seed; people of fold 1.
"""

from smile_jax.evaluation.suite_definition import Suite


def get_suite():
    """Returns the suite."""
    return Suite(
        config="experiments/demo_captions.py",
        methods={"demo": {}},
        shown=(
            ("linear_probe", "accuracy"),
            ("few_people_1", "accuracy"),
            ("knn", "accuracy"),
            ("zero_shot", "accuracy"),
        ),
        baselines=dict.fromkeys(("pixels_pca", "random_init"), "demo"),
        seeds=(0,),
        folds=(1,),
    )
