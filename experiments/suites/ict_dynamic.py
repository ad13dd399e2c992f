r"""SMILE, peers and baselines on sequences of ICT-FaceKit's faces, as dynamic images.

    tfds build tfds_builders/ict_faces --config=captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax benchmark --suite=experiments/suites/ict_dynamic.py

As experiments/suites/ict_methods.py, of motion, and with the settings that were chosen
there on the people who are trained on here too: 2,400 sequences of 9 frames, each one
dynamic image. Left out are vicreg, two_crop and mae, which were far below pixels there
before they were tuned, SMILE without text and its variants.
"""

import pathlib

from smile_jax.evaluation.suite_definition import read_suite
from smile_jax.experiments import ict_dynamic

_METHODS = (
    "smile, captions",
    "smile, labels as text",
    "supervised",
    "siglip, labels as text",
    "facet, labels as text",
    "multiview, captions",
    "conclugen",
    "conclugen, captions",
    "shu",
    "simclr",
)


def get_suite():
    """Returns the suite."""
    c = ict_dynamic.get_config()
    suite = read_suite(pathlib.Path(__file__).with_name("ict_methods.py"))
    return suite.only(_METHODS).over(
        {
            "data.dir": c.data.dir,
            "data.clip": c.data.clip,
            "augment.relight": c.augment.relight,
            "augment.bias": c.augment.bias,
        }
    )
