r"""`ict_micro.py`'s rows that start from nothing, on procedural heads.

Run:

    tfds build tfds_builders/synthetic_faces --config=micro --data_dir=data \
        --file_format=array_record
    smile-jax benchmark --suite=experiments/suites/procedural_micro.py
"""

import dataclasses

from smile_jax.experiments.suites import ict_micro


def get_suite():
    """Returns the suite."""
    suite = ict_micro.get_suite()
    own = {k: x for k, x in suite.methods.items() if "macro" not in k}
    own_suite = dataclasses.replace(suite, methods=own, starts={})
    return own_suite.over({"data.dir": "data/synthetic_faces/micro"})
