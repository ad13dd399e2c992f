r"""Methods on performances that are mixed with another expression.

How near does each come to what can be known?

    tfds build tfds_builders/ict_faces --config=blended --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax benchmark --suite=experiments/suites/ict_blended.py

Whoever knows all about these performances is right in 0.800 of them, logistic
regression on the true weights of all actions in 0.777 (`experiments/ceiling.py`); of
those of experiments/suites/ict_methods.py it is in each. Methods of that suite, with
its settings, and about as many images.
"""

import pathlib

from smile_jax.evaluation.suite_definition import read_suite

_METHODS = ("smile, captions", "smile, labels as text", "supervised", "shu")


def get_suite():
    """Returns the suite."""
    suite = read_suite(pathlib.Path(__file__).with_name("ict_methods.py"))
    # 960 clips are trained on, there 2,000.
    return suite.only(_METHODS).over(
        {"data.dir": "data/ict_faces/blended", "train.epochs": 125 / 3}
    )
