"""BP4D-Spontaneous and BP4D+: spontaneous expressions elicited by tasks, 4D."""

import dataclasses
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds

from smile_jax.data.binghamton_config import HOMEPAGE
from smile_jax.data.examples import Sequence4D
from smile_jax.data.landmark_sources import LandmarkTrack, numbers_offset
from smile_jax.data.scan_builder import (
    ScanBuilder,
    ScanConfig,
    configs_4d,
    group_frames,
)
from smile_jax.data.source_folder import DatasetFolder, FolderError
from smile_jax.faces import EXPRESSIONS
from smile_jax.faces.class_spellings import BP4D_PLUS_TASKS, BP4D_TASKS, GENDERS
from smile_jax.mesh.landmark_tracks import count_frames

_TASKS = {"bp4d": BP4D_TASKS, "bp4d+": BP4D_PLUS_TASKS}
_LAST_TASK = 8  # of BP4D


@dataclasses.dataclass(kw_only=True)
class Bp4dConfig(ScanConfig):
    """Which clips of BP4D.

    Attributes:
      edition: "bp4d" or "bp4d+"; "" where people and tasks tell which it is.
      landmark_offset: by how much landmark files are numbered higher than meshes; None
        where their numbers tell.
      clip_frames: tasks are cut into clips of this many frame numbers (25 a second);
        0 keeps each task whole.
      task_expressions: the label of each task's clips, other tasks have none; {} for
        the edition's own.
    """

    pose: str = "found"
    allow_gaps: bool = True  # frames with occlusion were never written
    clip_frames: int = 100
    edition: str = ""
    landmark_offset: int | None = None
    task_expressions: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = set(self.task_expressions.values()) - set(EXPRESSIONS)
        if unknown:
            raise ValueError(
                f"task_expressions has {sorted(unknown)}, which are none of "
                f"{EXPRESSIONS}"
            )
        if self.edition not in ("", *_TASKS):
            raise ValueError(
                f"edition={self.edition!r}: must be one of {', '.join(_TASKS)}, or ''"
            )
        if self.clip_frames < 0:
            raise ValueError(f"clip_frames={self.clip_frames} must not be negative")


def _of_editions(configs: list[ScanConfig]) -> list[ScanConfig]:
    """The configs, and each for one edition as `bp4d_<name>`, `bp4d_plus_<name>`."""
    named = (("", ""), ("bp4d_", "bp4d"), ("bp4d_plus_", "bp4d+"))
    return [
        dataclasses.replace(config, name=prefix + config.name, edition=edition)  # type: ignore[call-arg]
        for prefix, edition in named
        for config in configs
    ]


def edition_of(people: Collection[str], tasks: Collection[str]) -> str:
    """Tells BP4D from BP4D+; "" where their names do not.

    BP4D has F001 to F023 and M001 to M018, and tasks to T8. BP4D+ has these names for
    other people, and F082, M058 and T10 beside them.
    """
    own = {*(f"F{i:03d}" for i in range(1, 24)), *(f"M{i:03d}" for i in range(1, 19))}
    if set(people) - own or any(int(task[1:]) > _LAST_TASK for task in tasks):
        return "bp4d+"
    return "bp4d" if set(people) == own else ""


class Builder(ScanBuilder):
    """Clips of BP4D; subject, task and gender by their folders."""

    CLASSES = EXPRESSIONS
    BUILDER_CONFIGS = _of_editions(configs_4d(Bp4dConfig))
    TREE = """\
  F001/T1/0000.obj (or .wrl)   mesh of frame 0
  F001/T1/0000.jpg             its texture
  ... F001 and on, M001 and on; T1 to T8 (BP4D+: T10)
  3DFeatures/F001_T1.mat       BP4D+: landmarks of all frames; or .bndplus of each
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
        groups = group_frames(scans, "subject", "task")
        expressions = self._expressions(tree, [keys for keys, _, _ in groups])
        landmarks = self._landmarks(tree, groups)
        tree.take(r"(?:2DFeatures|3DFeatures|AUCoding|IRFeatures)/.*")
        tree.take(r"(?:Physiology|Thermal)/.*")
        found = []
        for keys, numbers, paths in groups:
            task = f"{keys['subject']}_{keys['task']}"
            for start, first, stop in self._clips(numbers):
                found.append(
                    Sequence4D(
                        key=f"{task}_{start:05d}" if start is not None else task,
                        frames=self.mesh_files(paths[first:stop]),
                        numbers=numbers[first:stop],
                        landmarks=landmarks(task, numbers[first:stop]),
                        labels={
                            "expression": expressions.get(keys["task"]),
                            "subject": keys["subject"],
                            "gender": GENDERS[keys["subject"][0]],
                            "task": keys["task"],
                        },
                    )
                )
        return found

    def _expressions(
        self, tree: DatasetFolder, recordings: Sequence[Mapping[str, str]]
    ) -> Mapping[str, str]:
        """What each task elicits.

        Raises:
          FolderError: nothing tells which of the two sets this is.
        """
        config = self.builder_config
        if config.task_expressions or not recordings:
            return config.task_expressions
        people = {keys["subject"] for keys in recordings}
        edition = config.edition or edition_of(people, {r["task"] for r in recordings})
        if not edition:
            raise FolderError(
                f"{tree.root}: {len(people)} people, of whom all are in BP4D and in "
                "BP4D+, whose tasks differ (T2 is sad there, and surprise here): name "
                "which it is, by a config bp4d_* or bp4d_plus_*, or "
                '"edition": "bp4d" or "bp4d+"'
            )
        if not config.edition:
            self.notes.append(f"taken for {edition.upper()}, by its people and tasks")
        return _TASKS[edition]

    def _landmarks(
        self, tree: DatasetFolder, groups: Sequence[tuple[Any, list[int], Any]]
    ) -> Callable[[str, Sequence[int]], Any]:
        """Gives the landmarks of frames, by their recording and their numbers."""
        name = r"(?P<recording>[FM]\d{3}_T\d{1,2})"
        files = {
            (match["recording"], int(match["frame"])): path
            for match, path in tree.take(
                rf"3DFeatures/(?:.*/)?{name}_(?P<frame>\d{{1,5}})\.bndplus"
            )
        }
        tracks = {
            match["recording"]: path
            for match, path in tree.take(rf"3DFeatures/(?:.*/)?{name}\.mat")
        }
        if not self.builder_config.captions:
            return lambda recording, numbers: None
        there: dict[str, list[int]] = {}
        for recording, number in files:
            there.setdefault(recording, []).append(number)
        for recording, path in tracks.items():
            if recording not in there:
                there[recording] = list(range(1, count_frames(path) + 1))
        offset = self.builder_config.landmark_offset
        if offset is None:
            offset, fit, total = numbers_offset(
                (numbers, there.get(f"{keys['subject']}_{keys['task']}", ()))
                for keys, numbers, _ in groups
            )
            if offset:
                self.notes.append(
                    f"landmarks are numbered {offset:+d} against the meshes: by that "
                    f"{fit} of {total} frames have some"
                )
        unit = self.builder_config.unit_mm

        def of(recording: str, numbers: Sequence[int]) -> Any:
            shifted = [number + offset for number in numbers]
            found = self.landmark_files(files.get((recording, n)) for n in shifted)
            if found is None and recording in tracks:
                return LandmarkTrack(tracks[recording], tuple(shifted), unit)
            return found

        return of

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
