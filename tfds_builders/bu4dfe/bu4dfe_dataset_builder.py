"""BU-4DFE: 101 people, one sequence of each of six expressions."""

import dataclasses

from smile_jax.data.binghamton_config import HOMEPAGE, BinghamtonConfig
from smile_jax.data.examples import Sequence4D
from smile_jax.data.scan_builder import (
    ScanBuilder,
    configs_4d,
    group_frames,
)
from smile_jax.data.source_folder import DatasetFolder
from smile_jax.faces import EXPRESSIONS
from smile_jax.faces.class_spellings import BU4DFE, GENDERS


@dataclasses.dataclass(kw_only=True)
class Bu4dfeConfig(BinghamtonConfig):
    """Which sequences of BU-4DFE; its meshes are not aligned."""

    pose: str = "found"


class Builder(ScanBuilder):
    """Sequences of BU-4DFE; subject, class and gender by their folders."""

    CLASSES = EXPRESSIONS[:-1]  # there is no neutral class
    BUILDER_CONFIGS = configs_4d(Bu4dfeConfig)
    TREE = """\
  F001/Angry/000.wrl   mesh of frame 0
  F001/Angry/000.jpg   its texture
  ... F001 to F058 and M001 to M043; Angry Disgust Fear Happy Sad Surprise
  BU4DFE_BND_V1.1/F001/Angry/000.bnd   landmarks, optional"""

    FIRST_FRAME = 0
    RATE_HZ = 25.0

    builder_config: Bu4dfeConfig

    def describe(self) -> dict:
        return {
            "description": "BU-4DFE expression sequences, rendered from several views.",
            "homepage": HOMEPAGE,
        }

    def find(self, tree: DatasetFolder) -> list[Sequence4D]:
        name = (
            rf"(?P<subject>[FM]\d{{3}})/(?P<expression>{'|'.join(BU4DFE)})/"
            r"(?P<frame>\d{3,4})"
        )
        scans = tree.take(name + r"\.wrl")
        images = tree.take(name + r"\.jpg")
        self.check_complete(self.note_orphans(images, scans), len(images))
        tree.take(r"BU_WrlViewer_V2/.*")
        landmarks = {
            (match["subject"], match["expression"], int(match["frame"])): path
            for match, path in tree.take(name + r"\.bnd")
        }
        found = []
        for keys, numbers, paths in group_frames(scans, "subject", "expression"):
            names = [(keys["subject"], keys["expression"], n) for n in numbers]
            bnds = [landmarks.get(name) for name in names]
            found.append(
                Sequence4D(
                    key=f"{keys['subject']}_{keys['expression']}",
                    frames=self.mesh_files(paths),
                    numbers=numbers,
                    labels={
                        "expression": BU4DFE[keys["expression"]],
                        "subject": keys["subject"],
                        "gender": GENDERS[keys["subject"][0]],
                    },
                    anchors=self.builder_config.anchors_of(bnds[0]),
                    landmarks=self.landmark_files(bnds),
                )
            )
        return found
