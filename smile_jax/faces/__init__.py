"""Face models that make meshes, FACS expression scripts, and nuisances."""

from smile_jax.faces.expressions import EXPRESSIONS, expression_curve, sample_actions
from smile_jax.faces.ict import load_ict
from smile_jax.faces.model import FaceModel
from smile_jax.faces.procedural import load_procedural
from smile_jax.faces.sampling import Clip, Difficulty, sample_clip, sample_subject
from smile_jax.faces.source import load_face_model

__all__ = [
    "EXPRESSIONS",
    "Clip",
    "Difficulty",
    "FaceModel",
    "expression_curve",
    "load_face_model",
    "load_ict",
    "load_procedural",
    "sample_actions",
    "sample_clip",
    "sample_subject",
]
