r"""The methods of ict_methods.py before anything was chosen for each of them.

    python -m smile_jax.benchmark --suite=experiments/suites/ict_untuned.py

Settings are those of experiments/demo.py, which were chosen with SMILE, and SMILE by
captions has two terms, as it had before the sweep's second round. Beside ict_methods.py
it says what the sweep is worth to each method.
"""

import dataclasses

from experiments.suites import ict_methods

_SECOND_ROUND = ("captions, no alignment", "captions, no redundancy")


def get_suite():
    suite = ict_methods.methods_suite()
    methods = {name: dict(keys) for name, keys in suite.methods.items()}
    for name in _SECOND_ROUND:
        del methods[name]
    for keys in methods.values():
        if keys.get("model.redundancy") == "actions":
            del keys["model.redundancy"], keys["loss.redundancy"]
    return dataclasses.replace(suite, methods=methods, sweep=None, chosen_as={})
