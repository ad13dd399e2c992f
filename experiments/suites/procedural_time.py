r"""`ict_time.py` on procedural heads, which need no download.

Run:

    tfds build tfds_builders/synthetic_faces --config=subtle --data_dir=data \
        --file_format=array_record
    smile-jax benchmark --suite=experiments/suites/procedural_time.py
"""

from smile_jax.experiments.suites import ict_time


def get_suite():
    """Returns the suite."""
    return ict_time.get_suite().over({"data.dir": "data/synthetic_faces/subtle"})
