r"""Our reading of MultiviewVLM, with captions: `ict_captions.py` with another method.

    smile-jax train --config=experiments/ict_multiview.py \
        --workdir=runs/multiview

Beside the others in experiments/suites/ict_methods.py.
"""

from smile_jax.experiments import ict_captions


def get_config():
    """Returns the experiment's config."""
    c = ict_captions.get_config()
    c.objective.name = "multiview"
    return c
