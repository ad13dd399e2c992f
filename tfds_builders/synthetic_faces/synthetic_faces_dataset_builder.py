"""Procedural faces: no download, no licence."""

import tensorflow_datasets as tfds

from smile_jax.data.face_model_builder import FaceModelBuilder
from smile_jax.faces import FaceModel, load_procedural


class Builder(FaceModelBuilder):
    """Expressions performed by the embedded procedural head."""

    def describe(self) -> dict:
        return {
            "description": "Expressions performed by a procedural head model.",
            "citation": "",
        }

    def load_model(self, dl_manager: tfds.download.DownloadManager) -> FaceModel:
        return load_procedural()
