"""SimCLR over views (multi-view InfoNCE): `ict_static.py` with another method.

    smile-jax train --config=experiments/ict_infonce.py --workdir=runs/infonce

Beside the others in experiments/suites/ict_methods.py.
"""

from smile_jax.experiments import ict_static


def get_config():
    """Returns the experiment's config."""
    c = ict_static.get_config()
    c.objective.name = "infonce"
    c.text_source = "none"
    return c
