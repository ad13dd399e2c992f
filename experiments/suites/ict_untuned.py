r"""The methods of ict_methods.py before anything was chosen for each of them.

    smile-jax benchmark --suite=experiments/suites/ict_untuned.py

Settings are those of experiments/demo.py, which were chosen with SMILE, and SMILE by
captions has two terms, as it had before the sweep's second round. Beside ict_methods.py
it says what the sweep is worth to each method.
"""

import dataclasses

from smile_jax.experiments.suites import ict_methods

_SECOND_ROUND = ("captions, no alignment", "captions, no redundancy")


def get_suite():
    """Returns the suite."""
    suite = ict_methods.methods_suite(third={})
    methods = {k: keys for k, keys in suite.methods.items() if k not in _SECOND_ROUND}
    return dataclasses.replace(suite, methods=methods, sweep=None, chosen_as={})
