r"""The main methods on sequences of twenty people whom nobody has looked at before.

    tfds build tfds_builders/ict_faces --config=captions --data_dir=data \
        --file_format=array_record [--manual_dir=FOLDER_WITH_ICT_FACEKIT]
    smile-jax benchmark --suite=experiments/suites/ict_other_sequences.py

As experiments/suites/ict_dynamic.py, of the people of
experiments/suites/ict_other_people.py.
"""

from smile_jax.experiments.suites.ict_other_people import other_people

_METHODS = (
    "smile, captions",
    "smile, labels as text",
    "supervised",
    "conclugen, captions",
    "shu",
)


def get_suite():
    """Returns the suite."""
    return other_people("ict_dynamic", _METHODS)
