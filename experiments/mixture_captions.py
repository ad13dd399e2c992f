r"""`mixture.py` without any label: what each scan does is measured and said in words.

    smile-jax train --config=experiments/mixture_captions.py \
        --workdir=runs/mixture_captions

Captions are measured against the median of each person's scans, by the families' own
landmarks; a random text tower reads them.
"""

from smile_jax.experiments import mixture
from smile_jax.experiments.demo_captions import learn_from_captions


def get_config():
    """Returns the experiment's config."""
    c = mixture.get_config()
    c.model.text.context_length = 96  # of a face that does a lot at once
    c.model.logit_scale_init = 1 / 0.07  # captions differ more than six prompts do
    learn_from_captions(c)
    c.prompts.phrasings = 1  # a random text tower knows no other words for anything
    c.objective.smile.redundancy_mode = "actions"
    c.objective.smile.redundancy = 0.1
    return c
