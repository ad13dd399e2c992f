"""BU-4DFE, ten folds of all 101 people or of sixty, a clip a sequence.

    smile-jax benchmark --suite=experiments/suites/bu4dfe.py

Sequences are whole: no frame of a test person is seen, and an answer is one of a
sequence, never of a picture. All methods of experiments/suites/ict_methods.py, for
which `smile-jax sweep` chooses in each fold; the literature draws sixty
people up to a hundred times, here it is three. Build the dataset as
experiments/bu4dfe.py says. Not run on the licensed sequences.
"""

import dataclasses

from smile_jax.experiments import bu4dfe
from smile_jax.experiments.suites import ict_methods, with_fewer_people


def get_suite():
    """Returns the suite."""
    c = bu4dfe.get_config()
    suite = with_fewer_people(
        ict_methods.methods_suite(),
        60,
        draws=3,
        methods=("smile, captions", "supervised"),
    )
    suite = suite.over(
        {
            "data.dir": c.data.dir,
            "data.clip": c.data.clip,
            "data.folds": 10,
            "augment.relight": c.augment.relight,
            "augment.bias": c.augment.bias,
            "train.epochs": c.train.epochs,
        }
    )
    return dataclasses.replace(suite, folds=range(10))
