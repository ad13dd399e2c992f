"""Losses of embeddings as pure functions, one a file. Methods put them together."""

from smile_jax.losses.alignment import vision_language_alignment
from smile_jax.losses.decorrelation import multiview_decorrelation
from smile_jax.losses.pairs import paired_alignment
from smile_jax.losses.pseudo import Prior, pseudo_targets
from smile_jax.losses.redundancy import (
    action_redundancy,
    cross_modal_redundancy,
    whiten_bank,
)
from smile_jax.stats import cross_correlation, normalize, standardize

__all__ = [
    "Prior",
    "action_redundancy",
    "cross_correlation",
    "cross_modal_redundancy",
    "multiview_decorrelation",
    "normalize",
    "paired_alignment",
    "pseudo_targets",
    "standardize",
    "vision_language_alignment",
    "whiten_bank",
]
