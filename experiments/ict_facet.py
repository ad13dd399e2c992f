"""Our reading of FACET-VLM, with labels: `ict_minilm.py` with another method.

    smile-jax train --config=experiments/ict_facet.py --workdir=runs/facet

Beside the others in experiments/suites/ict_methods.py.
"""

from smile_jax.experiments import ict_minilm


def get_config():
    """Returns the experiment's config."""
    c = ict_minilm.get_config()
    c.objective.name = "facet"
    c.model.cross_view = True
    return c
