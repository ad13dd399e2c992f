r"""Our reading of ConCluGen, without text: `ict_static.py` with another method.

    smile-jax train --config=experiments/ict_conclugen.py \
        --workdir=runs/conclugen

Beside the others in experiments/suites/ict_methods.py.
"""

from smile_jax.experiments import ict_static


def get_config():
    """Returns the experiment's config."""
    c = ict_static.get_config()
    c.objective.name = "conclugen"
    c.text_source = "none"
    return c
