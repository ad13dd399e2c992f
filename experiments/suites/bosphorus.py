"""Bosphorus: sixty people who show all six expressions, ten folds of six.

    smile-jax benchmark --suite=experiments/suites/bosphorus.py

The protocol of Berretti et al. (2010) and of those after them, for all methods of
experiments/suites/ict_methods.py; the sweep chooses for each fold. Build the dataset as
experiments/bosphorus.py says. Not run on the licensed scans.
"""

import dataclasses

from smile_jax.experiments import bosphorus
from smile_jax.experiments.suites import ict_methods


def get_suite():
    """Returns the suite."""
    c = bosphorus.get_config()
    suite = ict_methods.methods_suite().over(
        {
            "data.dir": c.data.dir,
            "data.complete_people": True,
            "data.people": c.data.people,
            "data.folds": c.data.folds,
            "train.epochs": c.train.epochs,
        }
    )
    return dataclasses.replace(suite, folds=range(c.data.folds))
