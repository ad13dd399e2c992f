"""VICReg over views on ICT-FaceKit: `ict_static.py` with another method.

    python -m smile_jax.train --config=experiments/ict_vicreg.py --workdir=runs/vicreg

Not run to its end yet, so no score is stated here.
"""

from experiments import ict_static


def get_config():
    c = ict_static.get_config()
    c.objective.name = "vicreg"
    c.text_source = "none"
    return c
