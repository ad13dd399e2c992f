"""Procedural faces: no download, no licence."""

from smile_jax.data.face_model_builder import FaceModelBuilder


class Builder(FaceModelBuilder):
    """Expressions performed by the embedded procedural head."""

    def describe(self) -> dict:
        return {
            "description": "Expressions performed by a procedural head model.",
            "citation": "",
        }
