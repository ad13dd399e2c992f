"""Base of the builders that read scans from a folder as it was delivered."""

import dataclasses
import difflib
import functools
import itertools
import pathlib
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from typing_extensions import override

from smile_jax.core.extras import needed_for
from smile_jax.core.text_files import TextFileError, read_names
from smile_jax.data.builder import (
    MAX_SKIPPED,
    BuildReport,
    FaceDatasetBuilder,
    some_lines,
)
from smile_jax.data.examples import Sequence4D
from smile_jax.data.landmark_sources import LandmarkFiles, read_vertex_list
from smile_jax.data.mesh_sequence import MeshFiles
from smile_jax.data.schema import FacesConfig
from smile_jax.data.source_folder import (
    DatasetFolder,
    FolderError,
    missing_numbers,
)
from smile_jax.mesh.pose import Anchors

with needed_for("building a dataset", "build"):
    import tensorflow_datasets as tfds

_MAX_FRAME = 10**8
_MOST_NEAR, _LISTED = 3, 10  # names that a message shows
FRAMES = 8  # T of the `frames` configs (this project's choice)
# Frontal and both sides by 20 degrees, as in the line of work that SMILE-VLM continues
# (Behzad et al., MiT's public code), and two more for training to draw from.
VIEWS = (-40.0, -20.0, 0.0, 20.0, 40.0)


@dataclasses.dataclass(kw_only=True)
class ScanConfig(FacesConfig):
    """Selects scans of a folder.

    Attributes:
      unit_mm: millimetres of the files' unit.
      exclude: subjects or sequences to leave out, by the names in `subject` and
        `sequence`; or one path of a text file that lists them, a name a line.
      rate_hz: frames a second, where the dataset's own is not known, or is another;
        0: it is the dataset's own.
      allow_gaps: missing frame numbers are noted, but never fail the build.
      landmark_vertices: for captions of meshes in correspondence: path of a JSON list
        of the numbers of the points that are the 68 of Multi-PIE.
    """

    yaws_deg: Sequence[float] = VIEWS
    size: int = 224
    unit_mm: float = 1.0
    exclude: Sequence[str] = ()
    rate_hz: float = 0.0
    allow_gaps: bool = False
    landmark_vertices: str = ""

    # Whether unit_mm may be 0, where no file but the mesh has lengths.
    MAY_GUESS_UNIT: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.unit_mm < float("inf") or not (
            self.unit_mm or self.MAY_GUESS_UNIT
        ):
            raise ValueError(f"unit_mm={self.unit_mm} must be positive")
        if not 0 <= self.rate_hz < float("inf"):
            raise ValueError(
                f"rate_hz={self.rate_hz} must be positive, or 0 for the dataset's own"
            )
        if isinstance(self.exclude, str):
            try:
                self.exclude = read_names(self.exclude)
            except TextFileError as error:
                raise ValueError(f"exclude={self.exclude!r}: {error}") from error
        self.exclude = tuple(self.exclude)


def with_small(*configs: ScanConfig) -> list[ScanConfig]:
    """The configs, and each at 64 pixels as `<name>_64`, for two CPU cores."""
    small = [
        dataclasses.replace(config, name=f"{config.name}_64", size=64)  # type: ignore[call-arg]
        for config in configs
    ]
    return [*configs, *small]


def configs_4d(config: type[ScanConfig]) -> list[ScanConfig]:
    """`frames` (T frames of a sequence) and `dynamic` (its rank-pooled image)."""
    return with_small(
        config(
            name="frames",
            frames=FRAMES,
            motion=True,
            description=f"{FRAMES} frames spread evenly over each sequence",
        ),
        config(
            name="dynamic",
            frames=0,
            dynamic=True,
            description="the rank-pooled image of each sequence, per view",
        ),
        config(
            name="captions",
            frames=0,
            dynamic=True,
            captions=True,
            description="`dynamic`, and what each face does in words, by landmarks",
        ),
    )


class ScanBuilder(
    FaceDatasetBuilder,
    skip_registration=True,  # type: ignore[call-arg]
):
    """Base of scan builders; subclasses recognise their dataset's files."""

    # The expected tree, as it is shown to who gave another one.
    TREE: ClassVar[str]
    # Number of a sequence's first frame, where it is known.
    FIRST_FRAME: ClassVar[int | None] = None
    # Frames a second, where they are known.
    RATE_HZ: ClassVar[float] = 0.0

    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        **FaceDatasetBuilder.RELEASE_NOTES,
        "3.4.0": "Faces have their own material's colour; files are placed as their "
        "scenes say. BP4D+ has its own labels, 4DME's sessions are one person.",
    }

    builder_config: ScanConfig

    @override
    @property
    def MANUAL_DOWNLOAD_INSTRUCTIONS(self) -> str:
        return f"Put into the manual folder, at any depth:\n{self.TREE}"

    def find(self, tree: DatasetFolder) -> list[Sequence4D]:
        """Lists the sequences of a tree without reading any mesh."""
        raise NotImplementedError

    def mesh_files(self, paths: Sequence[pathlib.Path], **fields: Any) -> MeshFiles:
        """The files as this config reads them."""
        config = self.builder_config
        return MeshFiles(
            tuple(paths),
            needs_texture="texture" in config.channels,
            unit_mm=config.unit_mm,
            within=self._tree.root,
            **fields,
        )

    @override
    def sequences(self, dl_manager: tfds.download.DownloadManager) -> list[Sequence4D]:
        self.notes: list[str] = []  # lines for the report
        self._tree = tree = self._open_tree(dl_manager)
        config = self.builder_config
        found = self.find(tree)
        if not found:
            notes = "".join(f"\n  {note}" for note in self.notes[:10])
            raise FolderError(
                f"{tree.root}: no file there is named as those of {self.name} "
                f"({config.name}). Expected:\n{self.TREE}\nFound:{tree.describe()}"
                + (f"\nNoted:{notes}" if notes else "")
            )
        _check_unique(found)
        check_names({s.labels["subject"] for s in found}, f"{tree.root}: people")
        check_names(self.CLASSES, f"{tree.root}: classes")
        if config.pose == "landmarks" and not any(s.anchors for s in found):
            raise FolderError(
                f"{tree.root}: pose='landmarks', but no landmark file of {self.name} "
                "is there, or none is known; use pose='surface'"
            )
        kept = self._left_in(found)
        if config.captions:
            self._name_landmarks(kept)
        for sequence in kept:
            sequence.rate_hz = config.rate_hz or self.RATE_HZ
            if sequence.anchors and config.unit_mm != 1.0:
                sequence.anchors = functools.partial(
                    _scaled, sequence.anchors, config.unit_mm
                )
        return kept

    def _left_in(self, found: list[Sequence4D]) -> list[Sequence4D]:
        """The sequences without those that `exclude` names, who are noted by name.

        Raises:
          ValueError: a name is of no subject and no sequence.
        """
        wanted = self.builder_config.exclude
        names = {name for s in found for name in (s.key, s.labels["subject"])}
        nobody = [name for name in wanted if name not in names]
        if nobody:
            lines = []
            for name in nobody[:_LISTED]:
                near = difflib.get_close_matches(name, sorted(names), _MOST_NEAR, 0.0)
                lines.append(f"{name!r} (near: {', '.join(map(repr, near))})")
            more = f", and {len(nobody) - _LISTED} more" * (len(nobody) > _LISTED)
            raise ValueError(
                f"exclude names {', '.join(lines)}{more}: no subject or sequence of "
                f"{self._tree.root}, so nobody would be left out; mend the name, or "
                "take it off the list where this config has nothing of him"
            )
        excluded = set(wanted)
        kept = [s for s in found if not excluded & {s.key, s.labels["subject"]}]
        if excluded:
            self.notes.append(
                f"{len(found) - len(kept)} sequences left out, as `exclude` asks: "
                f"{', '.join(dict.fromkeys(wanted))}"
            )
        return kept

    def landmark_files(
        self, paths: Iterable[pathlib.Path | None]
    ) -> LandmarkFiles | None:
        """Readers of the frames' landmark files; None where no frame has one."""
        found = tuple(paths)
        return LandmarkFiles(found, self.builder_config.unit_mm) if any(found) else None

    @override
    def unknown_files(self) -> list[str]:
        return some_lines("not known", self._tree.unmatched())

    def _name_landmarks(self, sequences: list[Sequence4D]) -> None:
        """Sets the landmarks of a common topology.

        Captions by delivered landmarks are refused here, before anything is rendered,
        if there are none.
        """
        listed = self.builder_config.landmark_vertices
        if listed:
            by_number = read_vertex_list(pathlib.Path(listed))
            for sequence in sequences:
                sequence.landmarks = by_number
        without = [s.key for s in sequences if s.landmarks is None]
        delivered = self.builder_config.landmarks == "delivered"
        if delivered and len(without) > max(MAX_SKIPPED * len(sequences), 1):
            raise FolderError(
                f"{self._tree.root}: landmarks='delivered', which "
                f"{len(without)} of {len(sequences)} sequences of {self.name} lack, "
                f"such as {without[0]}; put their landmark files there, name points "
                "of a common topology with landmark_vertices, or have them found with "
                "landmarks='auto'"
            )

    def note_orphans(
        self,
        images: Iterable[tuple[Any, pathlib.Path]],
        meshes: Iterable[tuple[Any, pathlib.Path]],
    ) -> int:
        """Notes images without a mesh of the same folder and stem; returns how many."""
        there = {path.with_suffix("") for _, path in meshes}
        orphans = [path for _, path in images if path.with_suffix("") not in there]
        if orphans:
            self.notes.append(
                f"{len(orphans)} images have no mesh beside them, such as {orphans[0]}"
            )
        return len(orphans)

    def _open_tree(self, dl_manager: tfds.download.DownloadManager) -> DatasetFolder:
        try:
            return DatasetFolder(dl_manager.manual_dir)
        except AssertionError as error:  # TFDS: missing or empty
            folder = pathlib.Path(dl_manager._manual_dir)
            what = "it is empty" if folder.is_dir() else "there is no such folder"
            raise FolderError(
                f"{folder}: {what}. Name the dataset's folder with --manual_dir; "
                f"tfds_builders/{self.name}/README.md says where to ask for it. "
                f"Expected there:\n{self.TREE}"
            ) from error

    def _new_report(self, sequences: list[Sequence4D]) -> BuildReport:
        missing, total = 0, 0
        for sequence in sequences:
            numbers = list(sequence.numbers or [])
            total += len(numbers)
            gaps = missing_numbers(numbers, self.FIRST_FRAME) if numbers else 0
            if gaps:
                missing += gaps
                self.notes.append(
                    f"{sequence.key}: {gaps} frame numbers are missing up to "
                    f"{max(numbers)}, {len(numbers)} are there"
                )
        self.check_complete(missing, total)
        return BuildReport(
            total=len(sequences), unmatched=self._tree.unmatched(), notes=self.notes
        )

    def check_complete(self, missing: int, total: int) -> None:
        """Refuses a copy of which more than 1 % is missing, unless gaps are allowed.

        Raises:
          FolderError: listing what is known of it.
        """
        if self.builder_config.allow_gaps:
            return
        if missing > max(MAX_SKIPPED * total, 1):
            listed = "\n  ".join(self.notes[:20])
            raise FolderError(
                f"{missing} meshes are missing beside {total}, more than "
                f"{MAX_SKIPPED:.0%}; is the copy complete? If so, set allow_gaps\n"
                f"  {listed}"
            )


def _scaled(anchors: Callable[[], Anchors], factor: float) -> Anchors:
    return anchors().scaled(factor)


def check_names(names: Iterable[str], what: str) -> None:
    """Refuses names that differ by case, blanks or Unicode's forms alone.

    Two spellings of one person would be trained and tested on.

    Raises:
      FolderError: naming them.
    """
    alike: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        plain = unicodedata.normalize("NFKC", name).casefold()
        seen = [c for c in plain if not c.isspace() and unicodedata.category(c) != "Cf"]
        alike.setdefault("".join(seen), []).append(name)
    same = [names for names in alike.values() if len(names) > 1]
    if same:
        shown = "; ".join(", ".join(map(repr, names)) for names in same[:_MOST_NEAR])
        raise FolderError(
            f"{what} whose names differ by case, blanks or Unicode forms alone, and "
            f"may be the same: {shown}; give each one spelling"
        )


def _check_unique(sequences: list[Sequence4D]) -> None:
    """Refuses two sequences of one name.

    Raises:
      FolderError: naming a file of each.
    """
    seen: dict[str, Sequence4D] = {}
    for sequence in sequences:
        other = seen.setdefault(sequence.key, sequence)
        if other is not sequence:
            files = [
                s.frames.paths[0] if isinstance(s.frames, MeshFiles) else s.key
                for s in (other, sequence)
            ]
            raise FolderError(
                f"{files[0]} and {files[1]} are both {sequence.key!r}; keep one"
            )


def group_frames(
    found: Iterable[tuple[Any, pathlib.Path]], *keys: str
) -> list[tuple[dict[str, str], list[int], list[pathlib.Path]]]:
    """Groups matched files into sequences, frames in order of their numbers.

    Args:
      found: from `DatasetFolder.take`; the pattern has groups `keys` and `frame`.
      keys: named groups that together tell sequences apart.

    Returns:
      (values of `keys`, frame numbers, paths) of each sequence.

    Raises:
      FolderError: two files of a sequence have the same number.
    """
    rows = sorted(
        (tuple(match[key] for key in keys), int(match["frame"]), path)
        for match, path in found
    )
    sequences = []
    for values, group in itertools.groupby(rows, key=lambda row: row[0]):
        frames = list(group)
        for (_, first, a), (_, second, b) in itertools.pairwise(frames):
            if first == second:
                raise FolderError(
                    f"{a} and {b} are both frame {first} of one sequence; keep one"
                )
        if frames[-1][1] > _MAX_FRAME:
            raise FolderError(f"{frames[-1][2]}: {frames[-1][1]} is no frame number")
        sequences.append(
            (
                dict(zip(keys, values, strict=True)),
                [row[1] for row in frames],
                [row[2] for row in frames],
            )
        )
    return sequences
