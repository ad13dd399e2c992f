"""BP4D after BU-4DFE: trained and probed on the one, tested on everybody of the other.

    smile-jax benchmark --suite=experiments/suites/bp4d.py

All methods of experiments/suites/bu4dfe.py, whose datasets both must be built
(`tfds build tfds_builders/bp4d --config=captions_64`). Not run on the licensed
sequences.
"""

import dataclasses

from smile_jax.experiments.suites import bu4dfe


def get_suite():
    """Returns the suite."""
    return dataclasses.replace(
        bu4dfe.get_suite(),
        folds=(0,),
        protocol="cross",
        test_data="data/bp4d/captions_64",
    )
