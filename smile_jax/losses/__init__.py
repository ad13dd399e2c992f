"""The SMILE objective (Behzad, arXiv 2506.01203), one term a file.

The paper states the three terms; every number here is this project's choice.
"""

from smile_jax.losses.alignment import vision_language_alignment
from smile_jax.losses.decorrelation import multiview_decorrelation
from smile_jax.losses.moments import cross_correlation, normalize, standardize
from smile_jax.losses.objective import LossWeights, smile_objective
from smile_jax.losses.pairs import paired_alignment
from smile_jax.losses.pseudo import Prior, pseudo_targets
from smile_jax.losses.redundancy import cross_modal_redundancy, whiten_bank

__all__ = [
    "LossWeights",
    "Prior",
    "cross_correlation",
    "cross_modal_redundancy",
    "multiview_decorrelation",
    "normalize",
    "paired_alignment",
    "pseudo_targets",
    "smile_objective",
    "standardize",
    "vision_language_alignment",
    "whiten_bank",
]
