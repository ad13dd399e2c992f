"""Vitruvian (CC0): a realistic head of 12 ancestries, for Blender's CharMorph."""

from smile_jax.data.face_model_builder import HARD_CONFIGS, FaceModelBuilder
from smile_jax.faces.families.vitruvian import VITRUVIAN

_COMMIT = "c252d1fc7f00ba59d87b66b3d32fa3471fc6ee44"


class Builder(FaceModelBuilder):
    """Expressions performed by Vitruvian's head."""

    BUILDER_CONFIGS = HARD_CONFIGS
    FAMILY = VITRUVIAN
    URL = f"https://github.com/Upliner/CharMorph-Vitruvian/archive/{_COMMIT}.zip"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
    Only where there is no network: put the tree of CharMorph-Vitruvian, or its .zip or
    .tar.xz, into the manual folder. The tree holds faces.npy, morphs/L1/Default.npy,
    morphs/L2 and morphs/L3 (github.com/Upliner/CharMorph-Vitruvian).
    """

    def describe(self) -> dict:
        return {
            "description": "Expressions performed by Vitruvian's head.",
            "homepage": "https://github.com/Upliner/CharMorph-Vitruvian",
        }
