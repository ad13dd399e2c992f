"""Face models that make meshes, FACS expression scripts, and nuisances."""

from smile_jax.faces.expressions import EXPRESSIONS, expression_curve, sample_actions
from smile_jax.faces.ict import load_ict
from smile_jax.faces.model import FaceModel
from smile_jax.faces.procedural import load_procedural
from smile_jax.faces.sampling import Difficulty, sample_clip, sample_subject

__all__ = [
    "EXPRESSIONS",
    "Difficulty",
    "FaceModel",
    "expression_curve",
    "load_ict",
    "load_procedural",
    "sample_actions",
    "sample_clip",
    "sample_subject",
]
