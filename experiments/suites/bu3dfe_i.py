r"""BU-3DFE's Subset I, the two strongest intensities, in ten folds of all 100 people.

    tfds build tfds_builders/bu3dfe --config=captions_64 --manual_dir=BU_3DFE \
        --data_dir=data --file_format=array_record
    smile-jax benchmark --suite=experiments/suites/bu3dfe_i.py

Gong et al. (2009), and Behzad's papers. All methods of
experiments/suites/ict_methods.py, for which `smile-jax sweep` chooses in each
fold; the literature draws sixty people up to a hundred times, here it is three. Not run
on the licensed scans.
"""

import dataclasses

from smile_jax.experiments.suites import ict_methods, with_fewer_people


def get_suite():
    """Returns the suite."""
    suite = with_fewer_people(
        ict_methods.methods_suite(),
        60,
        draws=3,
        methods=("smile, captions", "supervised"),
    )
    suite = suite.over(
        {
            "data.dir": "data/bu3dfe/captions_64",
            "data.intensities": (3, 4),
            "data.folds": 10,
            "train.epochs": 60.0,
        }
    )
    return dataclasses.replace(suite, folds=range(10))
