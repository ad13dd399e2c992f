"""BP4D-Spontaneous and BP4D+: spontaneous expressions elicited by tasks, 4D."""

import dataclasses
import itertools
from collections.abc import Mapping

import tensorflow_datasets as tfds

from smile_jax.data.binghamton_config import HOMEPAGE
from smile_jax.data.examples import Sequence4D
from smile_jax.data.scan_builder import (
    ScanBuilder,
    ScanConfig,
    configs_4d,
    group_frames,
)
from smile_jax.data.source_folder import DatasetFolder
from smile_jax.faces import EXPRESSIONS
from smile_jax.faces.class_spellings import BP4D_TASKS, GENDERS


@dataclasses.dataclass(kw_only=True)
class Bp4dConfig(ScanConfig):
    """Which clips of BP4D.

    Attributes:
      clip_frames: tasks are cut into clips of this many frame numbers (25 a second);
        0 keeps each task whole.
      task_expressions: the label of each task's clips; other tasks have none.
    """

    pose: str = "surface"
    allow_gaps: bool = True  # frames with occlusion were never written
    clip_frames: int = 100
    task_expressions: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: dict(BP4D_TASKS)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = set(self.task_expressions.values()) - set(EXPRESSIONS)
        if unknown:
            raise ValueError(
                f"task_expressions has {sorted(unknown)}, which are none of "
                f"{EXPRESSIONS}"
            )
        if self.clip_frames < 0:
            raise ValueError(f"clip_frames={self.clip_frames} must not be negative")


class Builder(ScanBuilder):
    """Clips of BP4D; subject, task and gender by their folders."""

    CLASSES = EXPRESSIONS
    BUILDER_CONFIGS = configs_4d(Bp4dConfig)
    TREE = """\
  F001/T1/0000.obj (or .wrl)   mesh of frame 0
  F001/T1/0000.jpg             its texture
  ... F001 and on, M001 and on; T1 to T8 (BP4D+: T10)
  (BP4D+ has the folders in 2D+3D/<subject>.zip: unpack them)"""

    RATE_HZ = 25.0

    builder_config: Bp4dConfig

    def describe(self) -> dict:
        return {
            "description": "BP4D spontaneous expressions, rendered from several views.",
            "homepage": HOMEPAGE,
        }

    def extra_features(self) -> dict:
        return {"task": tfds.features.Text()}

    def find(self, tree: DatasetFolder) -> list[Sequence4D]:
        name = r"(?P<subject>[FM]\d{3})/(?P<task>T\d{1,2})/(?P<frame>\d{1,5})"
        scans = tree.take(name + r"\.(?:obj|wrl)")
        self.note_orphans(tree.take(name + r"\.jpg"), scans)
        tree.take(name + r"(?:\.obj)?\.mtl")
        bnd = r"(?P<subject>[FM]\d{3})_(?P<task>T\d{1,2})_(?P<frame>\d{1,5})\.bndplus"
        landmarks = {
            (match["subject"], match["task"], int(match["frame"])): path
            for match, path in tree.take(rf"3DFeatures/(?:.*/)?{bnd}")
        }
        tree.take(r"(?:2DFeatures|3DFeatures|AUCoding|IRFeatures)/.*")
        tree.take(r"(?:Physiology|Thermal)/.*")
        found = []
        for keys, numbers, paths in group_frames(scans, "subject", "task"):
            task = f"{keys['subject']}_{keys['task']}"
            bnds = [
                landmarks.get((keys["subject"], keys["task"], number))
                for number in numbers
            ]
            for start, first, stop in self._clips(numbers):
                found.append(
                    Sequence4D(
                        key=f"{task}_{start:05d}" if start is not None else task,
                        frames=self.mesh_files(paths[first:stop]),
                        numbers=numbers[first:stop],
                        landmarks=self.landmark_files(bnds[first:stop]),
                        labels={
                            "expression": self.builder_config.task_expressions.get(
                                keys["task"]
                            ),
                            "subject": keys["subject"],
                            "gender": GENDERS[keys["subject"][0]],
                            "task": keys["task"],
                        },
                    )
                )
        return found

    def _clips(self, numbers: list[int]) -> list[tuple[int | None, int, int]]:
        """(first frame number or None for all, first index, end) of a task's clips.

        A clip of fewer than half as many frames as it should have joins the one before.
        """
        length = self.builder_config.clip_frames
        if not length:
            return [(None, 0, len(numbers))]
        clips: list[tuple[int | None, int, int]] = []
        index = range(len(numbers))
        for part, group in itertools.groupby(index, key=lambda i: numbers[i] // length):
            frames = list(group)
            if clips and 2 * len(frames) < length:
                start, first, _ = clips[-1]
                clips[-1] = (start, first, frames[-1] + 1)
            else:
                clips.append((part * length, frames[0], frames[-1] + 1))
        return clips
