"""4DME: spontaneous micro- and macro-expressions, 4D, with several emotions a clip."""

import dataclasses
import functools
import re
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds

from smile_jax.data.examples import Sequence4D
from smile_jax.data.four_dme_labels import Label, read_labels
from smile_jax.data.scan_builder import (
    ScanBuilder,
    ScanConfig,
    configs_4d,
    group_frames,
    with_small,
)
from smile_jax.data.source_folder import (
    DatasetFolder,
    FolderError,
    pattern_regex,
)
from smile_jax.faces.class_spellings import FOUR_DME, FOUR_DME_UNITS
from smile_jax.mesh import MeshError
from smile_jax.mesh.readers import MESH_SUFFIXES


@dataclasses.dataclass(kw_only=True)
class FourDmeConfig(ScanConfig):
    """Which clips of 4DME.

    Attributes:
      meshes: pattern of the mesh files, with the groups subject, clip and frame: the
        release's names are not public, so this is where to say them.
      kind: "micro", "macro" or "both"; told apart by the label file's name.
      action_units: order of the feature `action_units`.
      intervals: onset, apex and offset must be frames of the clip, in this order, or it
        is skipped; False: they are not read (-1).
      swap_rows: pairs of rows of the micro label file (0 is the first below the
        header) whose action units the release has swapped.
    """

    pose: str = "found"
    allow_gaps: bool = True  # clips are cut out of longer recordings
    meshes: str = "{subject}/{clip}/*{frame}.*"
    kind: str = "both"
    intervals: bool = True
    action_units: Sequence[int] = FOUR_DME_UNITS
    swap_rows: Sequence[Sequence[int]] = ((144, 145),)

    def __post_init__(self) -> None:
        super().__post_init__()
        regex = pattern_regex(self.meshes, MESH_SUFFIXES)
        missing = [g for g in ("subject", "clip", "frame") if f"<{g}>" not in regex]
        if missing:
            raise ValueError(f"meshes={self.meshes!r} lacks the groups {missing}")
        if self.kind not in ("micro", "macro", "both"):
            raise ValueError(f"kind={self.kind!r} must be 'micro', 'macro' or 'both'")


MICRO = FourDmeConfig(
    name="micro",
    frames=24,
    motion=True,
    yaws_deg=(-20.0, 20.0),
    channels=("texture", "depth", "normals", "displacement"),
    description="24 frames of each clip, and how far the skin has moved",
)


class Builder(ScanBuilder):
    """Clips of 4DME that its spreadsheets label."""

    CLASSES = FOUR_DME
    BUILDER_CONFIGS = configs_4d(FourDmeConfig) + with_small(MICRO)
    TREE = """\
  4DME_Labelling_Micro_release v1.xlsx   labels (and a Macro one)
  S13/S13_1st_001_01_1/0001.obj          a frame: .obj, .ply or .wrl
  S13/S13_1st_001_01_1/0001.jpg          its texture
  (other names: config `meshes`, here "{subject}/{clip}/*{frame}.*")"""

    RATE_HZ = 60.0  # from memory: of the 4D rig

    builder_config: FourDmeConfig

    def describe(self) -> dict:
        return {
            "description": "4DME micro-expressions, rendered from several views.",
            "homepage": "https://www.oulu.fi/en/university/faculties-and-units/faculty-information-technology-and-electrical-engineering/center-for-machine-vision-and-signal-analysis",
        }

    def extra_features(self) -> dict:
        units = len(self.builder_config.action_units)
        return {
            "emotions": tfds.features.Tensor(shape=(len(FOUR_DME),), dtype=np.uint8),
            "action_units": tfds.features.Tensor(shape=(units,), dtype=np.uint8),
            "kind": tfds.features.Text(),
            "onset": np.int32,
            "apex": np.int32,
            "offset": np.int32,
            "fold": np.int32,
        }

    def find(self, tree: DatasetFolder) -> list[Sequence4D]:
        config = self.builder_config
        labels = self._labels(tree)
        scans = tree.take(pattern_regex(config.meshes, MESH_SUFFIXES))
        tree.take(r".*\.(?:jpg|jpeg|png|bmp|mtl)")
        found = []
        for keys, numbers, paths in group_frames(scans, "subject", "clip"):
            person = _person(keys["subject"])
            label = labels.pop((keys["subject"], keys["clip"]), None)
            label = label or labels.pop((person, keys["clip"]), None)
            if label is None:
                self.notes.append(
                    f"{keys['subject']}/{keys['clip']}: left out, no spreadsheet has it"
                )
                continue
            if config.kind not in ("both", label.kind):
                continue
            found.append(
                Sequence4D(
                    key=f"{keys['subject']}_{keys['clip']}",
                    frames=self.mesh_files(paths),
                    numbers=numbers,
                    labels={
                        "expression": label.emotion(),
                        "subject": person,
                        "emotions": np.array(label.emotions, np.uint8),
                        "action_units": self._units(label),
                        "kind": label.kind,
                        "fold": label.fold,
                    },
                    facts=functools.partial(
                        _interval, label, numbers, config.intervals
                    ),
                )
            )
        self.notes += [f"{s}/{c}: labelled, but has no meshes" for s, c in labels]
        return found

    def _labels(self, tree: DatasetFolder) -> dict[tuple[str, str], Label]:
        labels: dict[tuple[str, str], Label] = {}
        for match, path in tree.take(
            r"[^/]*4DME_Labelling_(?P<kind>Micro|Macro)_(?P<what>[^/]*)\.xlsx"
        ):
            kind = match["kind"].lower()
            if "extra" not in match["what"].lower():
                swaps = self.builder_config.swap_rows if kind == "micro" else ()
                for clip, label in read_labels(path, kind, swaps).items():
                    if clip in labels:
                        raise FolderError(
                            f"{label.where}: {clip} again, after {labels[clip].where}"
                        )
                    labels[clip] = label
        return labels

    def _units(self, label: Label) -> np.ndarray:
        order = list(self.builder_config.action_units)
        unknown = sorted(set(label.action_units) - set(order))
        if unknown:
            raise ValueError(
                f"{label.where}: action units {unknown} are not in the config's "
                f"action_units {order}; add them there"
            )
        return np.array([unit in label.action_units for unit in order], np.uint8)


def _person(name: str) -> str:
    """A person's name without a session: S13_1st and S13_2nd are S13."""
    found = re.match(r"(S\d+)(?:_.*)?,?$", name)
    return found[1] if found else name


def _interval(label: Label, numbers: Sequence[int], read: bool) -> dict[str, int]:
    """Onset, apex and offset of a clip, -1 where they are not known.

    Args:
      label: of the clip.
      numbers: of its frames.
      read: whether they are wanted.

    Raises:
      MeshError: they are not of its frames, or in another order.
    """
    found = {"onset": label.onset, "apex": label.apex, "offset": label.offset}
    if not read:
        return dict.fromkeys(found, -1)
    known = [frame for frame in found.values() if frame >= 0]
    said = ", ".join(f"{name} {frame}" for name, frame in found.items())
    if known != sorted(known) or (len(known) == 3 and known[0] == known[2]):
        raise MeshError(f"{label.where}: {said}: the apex is not between the others")
    there = set(numbers)
    if not there.issuperset(known):
        raise MeshError(
            f"{label.where}: {said}: not all of them are among its frames "
            f"{numbers[0]} to {numbers[-1]}; if they are counted otherwise, set "
            "intervals=False"
        )
    return found
