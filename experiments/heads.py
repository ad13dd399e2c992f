"""Heads of people whom no run has seen, for the experiments that ask runs of them."""

import numpy as np

from smile_jax.faces import Difficulty, FaceModel
from smile_jax.faces.sampling import sample_clip, sample_subject
from smile_jax.mesh import Mesh

_LEVEL = 3  # of four intensities


def unseen_head(model: FaceModel, expression: str, seed: tuple[int, int]) -> Mesh:
    """Returns a person's expression as a scan."""
    rng, hard = np.random.default_rng(seed), Difficulty()
    level = 0 if expression == "neutral" else _LEVEL
    person = sample_subject(model, rng, hard)
    return sample_clip(model, person, expression, level, rng, hard, 1)[0]
