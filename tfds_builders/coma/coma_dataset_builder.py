"""CoMA: 12 people, 12 extreme expressions, registered meshes at 60 frames a second."""

import dataclasses

from smile_jax.data.examples import Sequence4D
from smile_jax.data.scan_builder import (
    ScanBuilder,
    ScanConfig,
    configs_4d,
    group_frames,
)
from smile_jax.data.source_folder import DatasetFolder
from smile_jax.faces.class_spellings import COMA


@dataclasses.dataclass(kw_only=True)
class ComaConfig(ScanConfig):
    """CoMA is in metres (from memory: set `unit_mm` otherwise) and has no texture."""

    channels: tuple[str, ...] = ("depth", "normals")
    unit_mm: float = 1000.0


class Builder(ScanBuilder):
    """Sequences of CoMA; subject and class by their folders."""

    CLASSES = COMA
    BUILDER_CONFIGS = configs_4d(ComaConfig)
    TREE = """\
  FaceTalk_170725_00137_TA/bareteeth/bareteeth.000001.ply   a frame
  ... 12 subjects, 12 expressions"""

    RATE_HZ = 60.0

    builder_config: ComaConfig

    def describe(self) -> dict:
        return {
            "description": "CoMA expression sequences, rendered from several views.",
            "homepage": "https://coma.is.tue.mpg.de",
        }

    def find(self, tree: DatasetFolder) -> list[Sequence4D]:
        scans = tree.take(
            rf"(?P<subject>[^/]+)/(?P<expression>{'|'.join(COMA)})/"
            r"(?:[^/]*\D)?(?P<frame>\d+)\.ply"
        )
        return [
            Sequence4D(
                key=f"{keys['subject']}_{keys['expression']}",
                frames=self.mesh_files(paths),
                numbers=numbers,
                labels=keys,
            )
            for keys, numbers, paths in group_frames(scans, "subject", "expression")
        ]
