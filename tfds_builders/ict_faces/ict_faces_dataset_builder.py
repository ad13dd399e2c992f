"""ICT-FaceKit: heads whose shape space comes from light-stage scans (MIT)."""

import pathlib

import tensorflow_datasets as tfds

from smile_jax.data.face_model_builder import FaceModelBuilder
from smile_jax.faces import FaceModel, load_ict

_COMMIT = "da5f95a607f5e6b37755b38d3385d7f2853732e5"
_URL = f"https://github.com/ICT-VGL/ICT-FaceKit/archive/{_COMMIT}.zip"


class Builder(FaceModelBuilder):
    """Expressions performed by ICT-FaceKit's light model."""

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

    def load_model(self, dl_manager: tfds.download.DownloadManager) -> FaceModel:
        try:
            source = find_model(pathlib.Path(dl_manager.manual_dir))
        except AssertionError:  # no manual folder
            source = pathlib.Path(dl_manager.download_and_extract(_URL))
        return load_ict(source, self.builder_config.identity_modes)


def find_model(manual_dir: pathlib.Path) -> pathlib.Path:
    """The folder itself where it holds the tree, else the archive inside it."""
    archives = sorted(
        path
        for path in manual_dir.iterdir()
        if path.name.lower().startswith("ict")
        and path.suffix in (".zip", ".xz", ".gz", ".tar")
    )
    if archives and not next(manual_dir.rglob("FaceXModel"), None):
        return archives[0]
    return manual_dir
