"""Training methods, one a file, and where their text comes from."""

from smile_jax.objectives.base import Inputs, Objective, Term, total
from smile_jax.objectives.conclugen import CaptionedConCluGen, ConCluGen
from smile_jax.objectives.facet_vlm import FacetVlm
from smile_jax.objectives.mae import Mae
from smile_jax.objectives.multiview_vlm import MultiviewVlm
from smile_jax.objectives.shu import Shu
from smile_jax.objectives.siglip import SigLip
from smile_jax.objectives.simclr import SimClr
from smile_jax.objectives.smile import Smile
from smile_jax.objectives.supervised import ActionUnits, SupervisedClassification
from smile_jax.objectives.text_sources import SOURCES, PseudoLabels, Targets, TextSource
from smile_jax.objectives.vicreg import VicReg

# `config.objective.name` -> method.
OBJECTIVES: dict[str, type[Objective]] = {
    "smile": Smile,
    "supervised": SupervisedClassification,
    "action_units": ActionUnits,
    "vicreg": VicReg,
    "infonce": SimClr,
    "siglip": SigLip,
    "multiview": MultiviewVlm,
    "shu": Shu,
    "conclugen": ConCluGen,
    "conclugen_captions": CaptionedConCluGen,
    "facet": FacetVlm,
    "mae": Mae,
}

__all__ = [
    "OBJECTIVES",
    "SOURCES",
    "Inputs",
    "Objective",
    "PseudoLabels",
    "Targets",
    "Term",
    "TextSource",
    "total",
]
