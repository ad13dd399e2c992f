"""ICT-FaceKit: heads whose shape space comes from light-stage scans (MIT)."""

import dataclasses
import pathlib

import tensorflow_datasets as tfds

from smile_jax.data.face_model_builder import (
    CONFIGS,
    FaceModelBuilder,
    FaceModelConfig,
)

_COMMIT = "da5f95a607f5e6b37755b38d3385d7f2853732e5"
_URL = f"https://github.com/ICT-VGL/ICT-FaceKit/archive/{_COMMIT}.zip"

_BLENDED = {
    "version": "3.3.1",
    "release_notes": {"3.3.1": "Performances are blended, which 3.3.0 left out."},
}


def _as_hard(config: FaceModelConfig) -> FaceModelConfig:
    """Makes ICT faces as hard to read as the procedural head's.

    Its expressions are smaller: with more pose and shift pixels tell as little here as
    there.
    """
    if config.task != "posed":
        return config
    hard = dataclasses.replace(config.difficulty, pose_deg=10.0, shift_mm=7.0)
    version = _BLENDED if hard.blend else {}
    return dataclasses.replace(config, difficulty=hard, **version)


class Builder(FaceModelBuilder):
    """Expressions performed by ICT-FaceKit's light model."""

    BUILDER_CONFIGS = [_as_hard(config) for config in CONFIGS]  # noqa: RUF012 - TFDS
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

    def model_path(self, dl_manager: tfds.download.DownloadManager) -> str:
        # TFDS' public `manual_dir` refuses a folder that is missing or empty; here the
        # default one may be, and one that was asked for gets load_ict's message.
        folder = pathlib.Path(dl_manager._manual_dir)
        asked_for = folder != pathlib.Path(dl_manager.download_dir) / "manual"
        if not asked_for and find_model(folder) is None:
            folder = pathlib.Path(dl_manager.download_and_extract(_URL))
        return str(find_model(folder) or folder)


def find_model(folder: pathlib.Path) -> pathlib.Path | None:
    """The folder where it holds the tree, else an archive inside it, else None."""
    if next(folder.rglob("FaceXModel"), None):
        return folder
    found = [
        path
        for path in sorted(folder.glob("*"))
        if path.name.lower().startswith("ict")
        and path.suffix in (".zip", ".xz", ".gz", ".tar")
    ]
    return found[0] if found else None
