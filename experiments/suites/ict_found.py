r"""Captions that are measured by landmarks which had to be found.

    tfds build tfds_builders/ict_faces --config=static_captions_found --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax benchmark --suite=experiments/suites/ict_found.py

The people and pictures of experiments/suites/ict_methods.py, with its settings, and
those of its methods that look at what was measured. Landmarks are found on renders by
the network that comes along, which saw other people of the same face model.
"""

import pathlib

from smile_jax.evaluation.suite_definition import read_suite

_METHODS = ("smile, captions", "conclugen, captions", "multiview, captions", "shu")


def get_suite():
    """Returns the suite."""
    suite = read_suite(pathlib.Path(__file__).with_name("ict_methods.py"))
    return suite.only(_METHODS).over(
        {"data.dir": "data/ict_faces/static_captions_found"}
    )
