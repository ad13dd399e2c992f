r"""The main methods on twenty people whom nobody has looked at before.

    tfds build tfds_builders/ict_faces --config=static_captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    python -m smile_jax.benchmark --suite=experiments/suites/ict_other_people.py

The people of fold 0, who are tested in experiments/suites/ict_methods.py, were looked
at throughout development, and those of fold 1 chose its settings. Here are those of
fold 2, with the same settings, which other folds' people have chosen; they were among
whom trials learned from.
"""

import dataclasses
import pathlib

from smile_jax.evaluation.suite import read_suite

_METHODS = (
    "smile, captions",
    "smile, labels as text",
    "labels, no alignment",
    "supervised",
    "conclugen, captions",
    "shu",
)


def get_suite():
    suite = read_suite(pathlib.Path(__file__).with_name("ict_methods.py"))
    return dataclasses.replace(
        suite.only(_METHODS),
        methods={name: suite.settings(name, 0) for name in _METHODS},
        chosen_as={},
        folds=(2,),
    )
