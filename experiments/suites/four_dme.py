r"""4DME: methods on micro-expressions, each person left out once, counts pooled.

    smile-jax benchmark --suite=experiments/suites/four_dme.py

Build the dataset as experiments/four_dme.py says. Methods and their settings are those
of experiments/suites/ict_micro_methods.py; a training for each of 41 people (from
memory; or as many folds as the release's column `fold` names, with
--set=data.folds_from=fold --set=data.folds=N). Not run on the licensed sequences.
"""

import dataclasses

from smile_jax.experiments import four_dme
from smile_jax.experiments.suites.ict_micro_methods import micro_suite


def get_suite():
    """Returns the suite."""
    c = four_dme.get_config()
    c.data.folds = 41
    return dataclasses.replace(micro_suite(c), protocol="kfold")
