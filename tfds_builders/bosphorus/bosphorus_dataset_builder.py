"""Bosphorus: 105 people; expressions, action units, poses and occlusions, static."""

import dataclasses
import functools
from collections.abc import Sequence

import tensorflow_datasets as tfds

from smile_jax.data.examples import Sequence4D
from smile_jax.data.pose_landmarks import bosphorus_anchors
from smile_jax.data.scan_builder import ScanBuilder, ScanConfig, with_small
from smile_jax.data.source_folder import DatasetFolder
from smile_jax.faces import EXPRESSIONS
from smile_jax.faces.class_spellings import BOSPHORUS

_GROUPS = ("N", "LFAU", "UFAU", "CAU", "E", "YR", "PR", "CR", "O", "IGN")


@dataclasses.dataclass(kw_only=True)
class BosphorusConfig(ScanConfig):
    """Which scans of Bosphorus.

    Attributes:
      groups: of N (neutral), E (expressions), LFAU, UFAU, CAU (action units), YR, PR,
        CR (turned heads), O (occlusions), IGN. Only N and E have an expression label.
    """

    pose: str = "landmarks"
    groups: Sequence[str] = ("N", "E")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.groups or not set(self.groups) <= set(_GROUPS):
            raise ValueError(f"groups={self.groups} must name some of {_GROUPS}")


class Builder(ScanBuilder):
    """Scans of Bosphorus; subject, class and code by their names."""

    CLASSES = EXPRESSIONS
    BUILDER_CONFIGS = with_small(
        BosphorusConfig(name="static", description="six expressions and neutral"),
        BosphorusConfig(
            name="captions",
            groups=("N", "E", "LFAU", "UFAU", "CAU"),
            captions=True,
            description="`faces`, and what each does in words, by landmarks",
        ),
        BosphorusConfig(
            name="faces",
            groups=("N", "E", "LFAU", "UFAU", "CAU"),
            description="frontal faces: expressions, neutral and action units",
        ),
        BosphorusConfig(name="all", groups=_GROUPS, pose="as_is", description="all"),
    )
    TREE = """\
  bs000/bs000_N_N_0.bnt       grid of points
  bs000/bs000_N_N_0.png       its texture
  bs000/bs000_N_N_0.lm3       3D landmarks (lm2: 2D ones)
  bs000/bs000_E_HAPPY_0.bnt   and so on, bs000 to bs104"""

    builder_config: BosphorusConfig

    def describe(self) -> dict:
        return {
            "description": "Bosphorus 3D faces, rendered from several views.",
            "homepage": "http://bosphorus.ee.boun.edu.tr",
        }

    def extra_features(self) -> dict:
        return {"code": tfds.features.Text()}

    def find(self, tree: DatasetFolder) -> list[Sequence4D]:
        name = (
            rf"(?P<subject>bs\d{{3}})_(?P<group>{'|'.join(_GROUPS)})_"
            r"(?P<code>[A-Za-z0-9]+)_(?P<repeat>\d+)"
        )
        scans = tree.take(name + r"\.bnt")
        landmarks = {path.stem: path for _, path in tree.take(name + r"\.lm3")}
        self.note_orphans(tree.take(name + r"\.png"), scans)  # the release has some
        tree.take(name + r"\.lm2")
        tree.take(r"unallowed_subjects\.txt|.*\.zip|.*\.pdf")
        found = []
        for match, path in scans:
            group, code = match["group"], match["code"]
            if group not in self.builder_config.groups:
                continue
            expression = "neutral" if group == "N" else BOSPHORUS.get(code.upper())
            lm3 = landmarks.get(path.stem)
            found.append(
                Sequence4D(
                    key=path.stem,
                    frames=self.mesh_files([path]),
                    labels={
                        "expression": expression if group in ("N", "E") else None,
                        "subject": match["subject"],
                        "code": f"{group}_{code}",
                    },
                    anchors=lm3 and functools.partial(bosphorus_anchors, lm3),
                    landmarks=self.landmark_files([lm3]),
                )
            )
        return found
