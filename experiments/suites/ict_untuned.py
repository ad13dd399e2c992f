r"""The methods of ict_methods.py before anything was chosen for each of them.

    python -m smile_jax.benchmark --suite=experiments/suites/ict_untuned.py

Settings are those of experiments/demo.py, which were chosen with SMILE. Beside
ict_methods.py it says what the sweep is worth to each method.
"""

import dataclasses

from experiments.suites import ict_methods


def get_suite():
    suite = ict_methods.get_suite()
    return dataclasses.replace(suite, sweep=None, chosen_as={})
