"""Base of the builders that read scans from a folder as it was delivered."""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from smile_jax.data.builder import MAX_SKIPPED, BuildReport, FaceDatasetBuilder
from smile_jax.data.examples import Sequence4D
from smile_jax.data.schema import FacesConfig
from smile_jax.data.trees import Tree, TreeError, missing_numbers
from smile_jax.mesh import Mesh, MeshError, read_mesh

FRAMES = 8  # T of the `frames` configs (this project's choice)
# The views of the line of work that SMILE-VLM continues: frontal and both sides
# (datasets.md 9: "0 and +-20 degrees"; five, so that training can draw other ones).
VIEWS = (-40.0, -20.0, 0.0, 20.0, 40.0)


@dataclasses.dataclass(kw_only=True)
class ScanConfig(FacesConfig):
    """What to take from a folder of scans.

    Attributes:
      unit_mm: millimetres of the files' unit.
      exclude: subjects or sequences to leave out, by the names in `subject` and
        `sequence`; or one path of a text file that lists them, a name a line.
    """

    yaws_deg: Sequence[float] = VIEWS
    size: int = 224
    unit_mm: float = 1.0
    exclude: Sequence[str] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.unit_mm > 0:
            raise ValueError(f"unit_mm={self.unit_mm} must be positive")
        if isinstance(self.exclude, str):
            listed = pathlib.Path(self.exclude)
            if not listed.is_file():
                raise ValueError(f"exclude={self.exclude!r}: no such file")
            self.exclude = listed.read_text().split()
        self.exclude = tuple(self.exclude)


def with_small(*configs: ScanConfig) -> list[ScanConfig]:
    """The configs, and each at 64 pixels as `<name>_64`, for two CPU cores."""
    small = [
        dataclasses.replace(config, name=f"{config.name}_64", size=64)  # type: ignore[call-arg]
        for config in configs
    ]
    return [*configs, *small]


def configs_4d(
    config: type[ScanConfig] = ScanConfig, **fields: Any
) -> list[ScanConfig]:
    """`frames` (T frames of a sequence) and `dynamic` (its rank-pooled image)."""
    return with_small(
        config(
            name="frames",
            frames=FRAMES,
            description=f"{FRAMES} frames spread evenly over each sequence",
            **fields,
        ),
        config(
            name="dynamic",
            frames=0,
            dynamic=True,
            description="the rank-pooled image of each sequence, per view",
            **fields,
        ),
    )


@dataclasses.dataclass(frozen=True)
class MeshFiles(Sequence[Mesh]):
    """Mesh files as a sequence, read when they are asked for.

    Attributes:
      paths: of the frames, in order.
      needs_texture: a file without its texture image cannot be used.
      unit_mm: millimetres of the files' unit.
      read: reads one file.

    Example:
      >>> MeshFiles([pathlib.Path("scan.obj")])[0].vertices.shape
      (26719, 3)
    """

    paths: Sequence[pathlib.Path]
    needs_texture: bool = False
    unit_mm: float = 1.0
    read: Callable[[pathlib.Path], Mesh] = read_mesh

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index):
        path = self.paths[index]
        mesh = self.read(path)
        if self.needs_texture and mesh.texture is None and mesh.colors is None:
            raise MeshError(
                f"{path}: its texture image is not in {path.parent}; copy it there, or "
                "build with channels that do not need it (depth, normals)"
            )
        return scale_mesh(mesh, self.unit_mm)


def scale_mesh(mesh: Mesh, factor: float) -> Mesh:
    """The mesh with lengths multiplied."""
    if factor == 1.0:
        return mesh
    scale = np.float32(factor)
    landmarks = mesh.landmarks
    return dataclasses.replace(
        mesh,
        vertices=mesh.vertices * scale,
        landmarks=None if landmarks is None else landmarks * scale,
    )


class ScanBuilder(
    FaceDatasetBuilder,
    skip_registration=True,  # type: ignore[call-arg]
):
    """Subclasses say which files are which; see any of `tfds_builders/`."""

    # The expected tree, as it is shown to who gave another one.
    TREE: ClassVar[str]
    # Frame numbers go on where frames are missing by design.
    GAPS_ARE_NORMAL = False

    builder_config: ScanConfig

    @property
    def MANUAL_DOWNLOAD_INSTRUCTIONS(self) -> str:
        return f"Put into the manual folder, at any depth:\n{self.TREE}"

    def find(self, tree: Tree) -> list[Sequence4D]:
        """Lists the sequences of a tree without reading any mesh."""
        raise NotImplementedError

    def mesh_files(self, paths: Sequence[pathlib.Path], **fields: Any) -> MeshFiles:
        """The files as this config reads them."""
        config = self.builder_config
        return MeshFiles(
            tuple(paths),
            needs_texture="texture" in config.channels,
            unit_mm=config.unit_mm,
            **fields,
        )

    def sequences(self, dl_manager: tfds.download.DownloadManager) -> list[Sequence4D]:
        self.notes: list[str] = []  # lines for the report
        self._tree = tree = self._open_tree(dl_manager)
        found = self.find(tree)
        if not found:
            raise TreeError(
                f"{tree.root}: no file there is named as those of {self.name} "
                f"({self.builder_config.name}). Expected:\n{self.TREE}\n"
                f"Found:{tree.describe()}"
            )
        excluded = set(self.builder_config.exclude)
        names = {name for s in found for name in (s.key, s.labels["subject"])}
        if excluded - names:
            raise ValueError(
                f"exclude names {sorted(excluded - names)[:5]}, which are no subjects "
                f"or sequences of {tree.root}; one there is named {found[0].key!r}"
            )
        return [s for s in found if not excluded & {s.key, s.labels["subject"]}]

    def _open_tree(self, dl_manager: tfds.download.DownloadManager) -> Tree:
        try:
            return Tree(dl_manager.manual_dir)
        except AssertionError as error:  # TFDS: missing or empty
            folder = pathlib.Path(dl_manager._manual_dir)
            what = "it is empty" if folder.is_dir() else "there is no such folder"
            raise TreeError(
                f"{folder}: {what}. {self.name} is licensed: ask for it as "
                f"tfds_builders/{self.name}/README.md says, and name its folder with "
                f"--manual_dir. Expected there:\n{self.TREE}"
            ) from error

    def _new_report(self, sequences: list[Sequence4D]) -> BuildReport:
        notes, missing, total = self.notes, 0, 0
        for sequence in sequences:
            numbers = list(sequence.numbers or [])
            gaps = missing_numbers(numbers) if numbers else []
            total += len(numbers)
            if gaps:
                missing += len(gaps)
                notes.append(
                    f"{sequence.key}: {len(gaps)} frame numbers are missing between "
                    f"{min(numbers)} and {max(numbers)}, the first is {gaps[0]}"
                )
        if not self.GAPS_ARE_NORMAL and missing > max(MAX_SKIPPED * total, 1):
            listed = "\n  ".join(notes[:20])
            raise ValueError(
                f"{missing} frames are missing from {total}, more than "
                f"{MAX_SKIPPED:.0%}; is the copy complete?\n  {listed}"
            )
        excluded = len(self.builder_config.exclude)
        if excluded:
            notes.append(f"left out as asked: {excluded} subjects or sequences")
        return BuildReport(
            total=len(sequences), unmatched=self._tree.unmatched(), notes=notes
        )


def group_frames(
    found: Iterable[tuple[Any, pathlib.Path]], *keys: str, number: str = "frame"
) -> list[tuple[dict[str, str], list[int], list[pathlib.Path]]]:
    """Groups matched files into sequences, frames in order of their numbers.

    Args:
      found: from `Tree.take`; the pattern has the groups of `keys` and `number`.
      keys: named groups that together tell sequences apart.
      number: named group of the frame number.

    Returns:
      (values of `keys`, frame numbers, paths) of each sequence.

    Raises:
      TreeError: two files of a sequence have the same number.
    """
    name = functools.partial(_named, keys=keys)
    rows = sorted(
        ((name(m), int(m[number]), path) for m, path in found),
        key=lambda row: (row[0], row[1], str(row[2])),
    )
    sequences = []
    for values, group in itertools.groupby(rows, key=lambda row: row[0]):
        frames = list(group)
        for (_, first, a), (_, second, b) in itertools.pairwise(frames):
            if first == second:
                raise TreeError(
                    f"{a} and {b} are both frame {first} of one sequence; keep one"
                )
        sequences.append(
            (
                dict(zip(keys, values, strict=True)),
                [row[1] for row in frames],
                [row[2] for row in frames],
            )
        )
    return sequences


def _named(match: Any, keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(match[key] for key in keys)
