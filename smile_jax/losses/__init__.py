"""Losses of embeddings as pure functions, one a file. Methods put them together."""

from smile_jax.core.batch_statistics import cross_correlation, normalize, standardize
from smile_jax.losses.caption_alignment import paired_alignment
from smile_jax.losses.modality_redundancy import (
    action_redundancy,
    cross_modal_redundancy,
    whiten_bank,
)
from smile_jax.losses.prompt_alignment import vision_language_alignment
from smile_jax.losses.pseudo_labels import Prior, pseudo_targets
from smile_jax.losses.view_decorrelation import multiview_decorrelation

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
