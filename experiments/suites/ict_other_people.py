r"""The main methods on twenty people whom nobody has looked at before.

    tfds build tfds_builders/ict_faces --config=static_captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax benchmark --suite=experiments/suites/ict_other_people.py

The people of fold 0, who are tested in experiments/suites/ict_methods.py, were looked
at throughout development, and those of fold 1 chose its settings. Here are those of
fold 2, with the same settings, which other folds' people have chosen; they were among
whom trials learned from. experiments/suites/ict_other_sequences.py is the same of
sequences.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

from smile_jax.evaluation.suite_definition import Suite, read_suite

_METHODS = (
    "smile, captions",
    "smile, labels as text",
    "labels, no alignment",
    "supervised",
    "conclugen, captions",
    "shu",
)
_CHOSEN_WITHOUT, _TESTED = 0, 2  # folds


def get_suite():
    """Returns the suite."""
    return other_people("ict_methods", _METHODS)


def other_people(name: str, methods: Sequence[str]) -> Suite:
    """Returns some methods of a suite, with what was chosen for its fold."""
    suite = read_suite(pathlib.Path(__file__).with_name(f"{name}.py"))
    return dataclasses.replace(
        suite.only(methods),
        methods={m: suite.settings(m, _CHOSEN_WITHOUT) for m in methods},
        chosen_as={},
        folds=(_TESTED,),
    )
