r"""Our reading of ConCluGen with captions as its fourth modality.

It is `ict_captions.py` with another method.

    smile-jax train --config=experiments/ict_conclugen_captions.py \
        --workdir=runs/conclugen_captions

Beside the others in experiments/suites/ict_methods.py.
"""

from smile_jax.experiments import ict_captions


def get_config():
    """Returns the experiment's config."""
    c = ict_captions.get_config()
    c.objective.name = "conclugen_captions"
    return c
