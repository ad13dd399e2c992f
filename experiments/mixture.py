r"""Four face families mixed, with the labels of training people as text.

    smile-jax fetch makehuman
    tfds build tfds_builders/makehuman_faces --config=scans --data_dir=data \
        --file_format=array_record

and so on for ict_faces, vitruvian_faces and synthetic_faces (docs/data.md says where
the first two come from). Then

    smile-jax train --config=experiments/mixture.py --workdir=runs/mixture

Normals alone, 64 pixels, 120,000 pictures: five minutes on two CPU cores. Which
families are left out, and what that costs: experiments/suites/families.py.
"""

from smile_jax.experiments import demo

FAMILIES = ("ict", "makehuman", "vitruvian", "synthetic")
_PICTURES = 120_000  # of clips times views


def mixture_of(families, config):
    """Returns `data.mixture` of a config of some families, a share each."""
    return tuple((f"data/{name}_faces/{config}", 1.0) for name in families)


def get_config():
    """Returns the experiment's config."""
    c = demo.get_config()
    c.data.dir = ""
    c.data.mixture = mixture_of(FAMILIES, "scans")
    c.data.inputs = ("normals",)
    c.data.fold = 0
    # Two views of half as many scans again are worth more than three, and places in a
    # picture tell more than their mean (experiments/results.md, families left out).
    c.data.views, c.train.batch_size, c.evaluation.views = 2, 24, 5
    c.data.local_mean = 0.06
    v = c.model.vision
    v.kind, v.stem, v.pool, v.depth, v.width = "conv", "patch", "flatten", 3, 256
    c.optimizer.learning_rate = 1.5e-3
    c.objective.smile.alignment = 0.3
    c.model.logit_scale_init = 60.0  # six prompts of a random text tower are much alike
    c.train.epochs = 0.0
    c.train.steps = _PICTURES // (c.train.batch_size * c.data.views)
    return c
