r"""The methods of ict_methods.py with a ViT-B/16 at 224 pixels, for a large GPU.

The dataset and the commands are those of ict_methods_vit_s16.py, with this file's name;
what a step costs: experiments/cost.md. Not run yet.
"""

from smile_jax.experiments.suites import ict_methods_vit_s16

_SIZE = {
    "data.threads": 16,
    "model.vision.width": 768,
    "model.vision.depth": 12,
    "model.vision.heads": 12,
    "model.vision.mlp_width": 3072,
    "train.batch_size": 256,
}


def get_suite():
    """Returns the suite."""
    return ict_methods_vit_s16.get_suite().over(_SIZE)
