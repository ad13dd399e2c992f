"""Face models that make meshes, FACS expression scripts, and nuisances."""

from smile_jax.faces.expressions import EXPRESSIONS, expression_curve, sample_actions
from smile_jax.faces.families.catalogue import FAMILIES, load_face_model
from smile_jax.faces.families.face_model import FaceModel, Person
from smile_jax.faces.families.ict import load_ict
from smile_jax.faces.families.procedural import load_procedural
from smile_jax.faces.sampling import Clip, Difficulty, sample_clip, sample_subject

__all__ = [
    "EXPRESSIONS",
    "FAMILIES",
    "Clip",
    "Difficulty",
    "FaceModel",
    "Person",
    "expression_curve",
    "load_face_model",
    "load_ict",
    "load_procedural",
    "sample_actions",
    "sample_clip",
    "sample_subject",
]
