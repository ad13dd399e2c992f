"""ICT-FaceKit: heads whose shape space comes from light-stage scans (MIT)."""

from smile_jax.data.face_model_builder import HARD_CONFIGS, FaceModelBuilder
from smile_jax.faces.families.ict import ICT

_COMMIT = "da5f95a607f5e6b37755b38d3385d7f2853732e5"


class Builder(FaceModelBuilder):
    """Expressions performed by ICT-FaceKit's light model."""

    BUILDER_CONFIGS = HARD_CONFIGS
    FAMILY = ICT
    URL = f"https://github.com/ICT-VGL/ICT-FaceKit/archive/{_COMMIT}.zip"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
    Only where there is no network: put the ICT-FaceKit tree, or its .zip or .tar.xz,
    into the manual folder. The tree holds FaceXModel/generic_neutral_mesh.obj,
    FaceXModel/identity000.obj and so on (github.com/ICT-VGL/ICT-FaceKit).
    """

    def describe(self) -> dict:
        return {
            "description": "Expressions performed by ICT-FaceKit's light face model.",
            "homepage": "https://github.com/ICT-VGL/ICT-FaceKit",
        }
