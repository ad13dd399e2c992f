r"""Barlow Twins as published: two crops of one view. `ict_static.py`, another method.

    smile-jax train --config=experiments/ict_two_crop.py \
        --workdir=runs/two_crop

Beside the others in experiments/suites/ict_methods.py.
"""

from smile_jax.experiments import ict_static


def get_config():
    """Returns the experiment's config."""
    c = ict_static.get_config()
    c.text_source = "none"  # term 1 alone
    c.data.views = 1
    c.augment.copies = 2
    return c
