r"""A masked autoencoder, without text: `ict_static.py` with another method.

    smile-jax train --config=experiments/ict_mae.py --workdir=runs/mae

Of 16 patches of each view the tower sees four. Beside the others in
experiments/suites/ict_methods.py.
"""

from smile_jax.experiments import ict_static


def get_config():
    """Returns the experiment's config."""
    c = ict_static.get_config()
    c.objective.name = "mae"
    c.text_source = "none"
    c.augment.patch_dropout = 0.75
    return c
