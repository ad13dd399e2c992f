"""Supervised cross-entropy on ICT-FaceKit: `ict_static.py` with another method.

    python -m smile_jax.train --config=experiments/ict_supervised.py --workdir=runs/ce

Not run to its end yet, so no score is stated here.
"""

from experiments import ict_static


def get_config():
    c = ict_static.get_config()
    c.objective.name = "supervised"
    c.text_source = "none"
    return c
