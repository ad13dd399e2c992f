"""BU-3DFE: 100 people, six expressions at four intensities and neutral, static."""

import dataclasses
from collections.abc import Sequence

from smile_jax.data.binghamton_config import HOMEPAGE, BinghamtonConfig
from smile_jax.data.examples import Sequence4D
from smile_jax.data.scan_builder import ScanBuilder, with_small
from smile_jax.data.source_folder import DatasetFolder
from smile_jax.faces import EXPRESSIONS
from smile_jax.faces.class_spellings import BU3DFE, BU3DFE_ETHNICITIES, GENDERS


@dataclasses.dataclass(kw_only=True)
class Bu3dfeConfig(BinghamtonConfig):
    """Which scans of BU-3DFE.

    Attributes:
      kind: "F3D", the cropped face models, or "RAW", the scans as they were taken.
      intensities: levels 1 to 4 of the six expressions.
      neutral: also the neutral scans.
    """

    kind: str = "F3D"
    intensities: Sequence[int] = (1, 2, 3, 4)
    neutral: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in ("F3D", "RAW"):
            raise ValueError(f"kind={self.kind!r} must be 'F3D' or 'RAW'")
        if not self.intensities or not set(self.intensities) <= {1, 2, 3, 4}:
            raise ValueError(f"intensities={self.intensities} must name some of 1 to 4")


class Builder(ScanBuilder):
    """Scans of BU-3DFE; subject, class, intensity, gender, ethnicity by their names."""

    CLASSES = EXPRESSIONS
    BUILDER_CONFIGS = with_small(
        Bu3dfeConfig(name="static", description="all 2,500 cropped faces"),
        Bu3dfeConfig(
            name="captions",
            captions=True,
            description="`static`, and what each face does in words, by landmarks",
        ),
        Bu3dfeConfig(
            name="subset1",
            intensities=(3, 4),
            neutral=False,
            description="Subset I: levels 3 and 4, no neutral; 1,200 scans",
        ),
        Bu3dfeConfig(
            name="subset2",
            neutral=False,
            description="Subset II: all levels, no neutral; 2,400 scans",
        ),
        Bu3dfeConfig(
            name="raw",
            kind="RAW",
            pose="found",
            description="all 2,500 raw scans, turned to the front",
        ),
    )
    TREE = """\
  F0001/F0001_AN01WH_F3D.wrl   cropped face (kind F3D)
  F0001/F0001_AN01WH_RAW.wrl   raw scan (kind RAW)
  F0001/F0001_AN01WH_F3D.bmp   texture of both
  F0001/F0001_AN01WH_F3D.bnd   landmarks of F3D
  ... F0001 to F0056 and M0001 to M0044, 25 scans each"""

    builder_config: Bu3dfeConfig

    def describe(self) -> dict:
        return {
            "description": "BU-3DFE facial expressions, rendered from several views.",
            "homepage": HOMEPAGE,
        }

    def find(self, tree: DatasetFolder) -> list[Sequence4D]:
        config = self.builder_config
        name = (
            r"(?P<subject>[FM]\d{4})_(?P<code>AN|DI|FE|HA|NE|SA|SU)(?P<level>\d{2})"
            r"(?P<ethnicity>[A-Z]{2})_(?P<kind>F3D|RAW)"
        )
        scans = tree.take(name + r"\.wrl")
        images = tree.take(name.replace("F3D|RAW", "F3D") + r"\.bmp")
        tree.take(r"[FM]\d{4}_[A-Z]{2}\d{2}[A-Z]{2}_F2D\.bmp")
        tree.take(r"[FM]\d{4}_[A-Z]{2}\d{2}[A-Z]{2}_RAW(?:\.pse|_84_LMS\.txt)")
        self.check_complete(self.note_orphans(images, scans), len(images))
        landmarks = {path.stem: path for _, path in tree.take(name + r"\.bnd")}
        textures = {path.stem: path for _, path in images}
        found = []
        for match, path in scans:
            level = int(match["level"])
            neutral = match["code"] == "NE"
            wanted = config.neutral if neutral else level in config.intensities
            if not wanted or match["kind"] != config.kind:
                continue
            texture = textures.get(path.stem.replace("_RAW", "_F3D"))
            found.append(
                Sequence4D(
                    key=path.stem,
                    frames=self.mesh_files([path], textures=(texture,)),
                    labels={
                        "expression": BU3DFE[match["code"]],
                        "subject": match["subject"],
                        "intensity": level,
                        "gender": GENDERS[match["subject"][0]],
                        "ethnicity": BU3DFE_ETHNICITIES.get(
                            match["ethnicity"], "other"
                        ),
                    },
                    anchors=config.anchors_of(landmarks.get(path.stem)),
                    landmarks=self.landmark_files([landmarks.get(path.stem)]),
                )
            )
        return found
