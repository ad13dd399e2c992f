"""BU-3DFE's Subset II, all four intensities.

    smile-jax benchmark --suite=experiments/suites/bu3dfe_ii.py

As experiments/suites/bu3dfe_i.py otherwise.
"""

from smile_jax.experiments.suites import bu3dfe_i


def get_suite():
    """Returns the suite."""
    return bu3dfe_i.get_suite().over({"data.intensities": (1, 2, 3, 4)})
