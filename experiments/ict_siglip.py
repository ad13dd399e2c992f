"""SigLIP with prompts of labels: `ict_minilm.py` with another method.

    smile-jax train --config=experiments/ict_siglip.py --workdir=runs/siglip

Beside the others in experiments/suites/ict_methods.py.
"""

from smile_jax.experiments import ict_minilm


def get_config():
    """Returns the experiment's config."""
    c = ict_minilm.get_config()
    c.objective.name = "siglip"
    c.model.logit_scale_init = 10.0
    return c
