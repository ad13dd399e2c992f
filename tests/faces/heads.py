"""Procedural heads that perform, for whoever needs a face and not its making."""

import numpy as np

from smile_jax.faces import Difficulty, load_face_model
from smile_jax.faces.sampling import sample_clip, sample_subject
from smile_jax.mesh import Mesh


def performed(
    expression: str, frames: int = 1, *, seed: int = 0, take: int = 0, pose_deg=2.0
) -> list[Mesh]:
    """The meshes of one performance, of the fourth intensity.

    Args:
      seed: of the person.
      take: of the performance: another one of the same person.
    """
    model, hard = load_face_model(""), Difficulty(pose_deg=pose_deg)
    person = sample_subject(model, np.random.default_rng(seed), hard)
    rng = np.random.default_rng([seed, take])
    return list(sample_clip(model, person, expression, 4, rng, hard, frames))
