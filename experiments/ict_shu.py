"""Our reading of Shu et al., without text: `ict_captions.py` with another method.

Single scans: hard negatives are the person's other scans, and what two scans do, as
captions are measured, says which negatives act alike.

    smile-jax train --config=experiments/ict_shu.py --workdir=runs/shu

Beside the others in experiments/suites/ict_methods.py.
"""

from smile_jax.experiments import ict_captions


def get_config():
    """Returns the experiment's config."""
    c = ict_captions.get_config()
    c.objective.name = "shu"
    c.text_source = "none"
    c.data.person_block = 4
    return c
