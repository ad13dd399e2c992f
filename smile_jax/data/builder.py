"""Base TFDS builder: sequences of meshes in, examples of the schema out."""

import collections
import contextlib
import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from absl import logging
from etils import epath

from smile_jax.core.errors import explain_under
from smile_jax.core.extras import needed_for
from smile_jax.core.workers import run_everywhere
from smile_jax.data.build_plan import plan_of
from smile_jax.data.channels import num_channels
from smile_jax.data.examples import (
    BuildResult,
    Sequence4D,
    Task,
    make_examples,
)
from smile_jax.data.landmark_sources import DetectedLandmarks
from smile_jax.data.record_index import index_row, make_index, write_index
from smile_jax.data.records import FORMAT, DataError, RecordSource
from smile_jax.data.rendering import RenderConfig, rendering_of
from smile_jax.data.schema import FacesConfig, face_features
from smile_jax.data.unfinished_builds import only_build_in

with needed_for("building a dataset", "build"):
    import cloudpickle
    import tensorflow_datasets as tfds

explain_under("tfds")

# Share of skipped sequences, or frames, beyond which a build fails (this project's
# choice). One is always allowed.
MAX_SKIPPED = 0.01
_LISTED = 50  # in what is printed; `metadata.json` has up to _KEPT
_KEPT = 1000
_REPORT = "build_report"
_CHECKED = 8  # records that are read to see that the index is theirs
_TOGETHER = 64 << 20  # bytes of pictures that one process makes at once


@dataclasses.dataclass
class BuildReport:
    """Counts what a build wrote and skipped, and fails if it skipped too much.

    Attributes:
      total: sequences to build.
      frames, written: that were rendered; examples that were written.
      lost: sequences that were given up.
      skipped: a line for each skipped file.
      unmatched: files in the folder that the builder does not know.
      notes: other lines, such as gaps in frame numbers.
      repairs: what cleaning changed, by kind.
      rests: against what captions were measured, by kind.
      found: captions that were measured by landmarks of the landmarker.
      plain: frames of a dataset with texture whose colour is the same everywhere.
      rows: of the index, by key.
    """

    total: int
    written: int = 0
    frames: int = 0
    lost: int = 0
    skipped: list[str] = dataclasses.field(default_factory=list)
    unmatched: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    repairs: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    rests: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    found: int = 0
    plain: int = 0
    rows: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    started: float = dataclasses.field(default_factory=time.perf_counter)

    def add(self, made: BuildResult) -> None:
        """Counts one sequence."""
        for line in made.skipped:
            logging.warning("skipped %s", line)
        self.skipped += made.skipped
        self.notes += made.notes
        told = [*made.file_notes, *made.texture_notes]
        self.notes += [f"{made.key}: {line}" for line in told]
        self.plain += made.plain
        self.frames += made.frames
        self.repairs.update(made.repairs)
        self.rests.update([made.rest] if made.rest else [])
        self.found += made.found
        if made.example is not None:
            self.rows[made.key] = index_row(made.example)
        self.written += made.example is not None
        self.lost += made.example is None

    def check_lost(self) -> None:
        """Ends a build that has lost too much.

        Raises:
          ValueError: more than 1 % of the sequences were given up.
        """
        if self.lost > max(MAX_SKIPPED * self.total, 1):
            self._fail(f"{self.lost} of {self.total} sequences are unreadable")

    def check(self) -> None:
        """Refuses what all of a build comes to.

        Raises:
          ValueError: more than 1 % of the sequences or of the frames were skipped.
        """
        self.check_lost()
        frames_lost = len(self.skipped) - self.lost
        if frames_lost > max(MAX_SKIPPED * self.frames, 1):
            self._fail(f"{frames_lost} of {self.frames} frames are unreadable")

    def lines(self, done: str, listed: int | None = _LISTED) -> list[str]:
        """The report.

        Args:
          done: what came of the examples, such as "wrote".
          listed: how many lines of each kind; None for all.
        """
        seconds = time.perf_counter() - self.started
        said = [
            f"{done} {self.written} examples, {self.frames} frames rendered in "
            f"{seconds:.1f} s ({self.frames / max(seconds, 1e-9):.1f} frames/s); "
            f"skipped {len(self.skipped)}; files not known: {len(self.unmatched)}"
        ]
        for word, of_kind in (
            ("skipped", self.skipped),
            ("not known", self.unmatched),
            ("note", self.notes),
        ):
            said += some_lines(word, of_kind, listed)
        for name, count in self.repairs.items():
            said.append(f"  repaired {name}: {count}")
        for name, count in self.rests.items():
            said.append(f"  captions against the {name}: {count}")
        if self.plain:
            said.append(f"  frames of one colour, without texture: {self.plain}")
        if self.found:
            said.append(f"  captions by landmarks that were found: {self.found}")
        return said

    def finish(self) -> dict[str, Any]:
        """Prints the report; returns it for `dataset_info.metadata`.

        Raises:
          ValueError: more than 1 % of the frames were skipped.
        """
        self.check()
        print("", *self.lines("wrote"), sep="\n")
        return {
            "written": self.written,
            "frames": self.frames,
            "skipped": self.skipped[:_KEPT],
            "unmatched_count": len(self.unmatched),
            "unmatched": self.unmatched[:_KEPT],
            "notes": self.notes[:_KEPT],
            "repairs": dict(self.repairs),
            "captions_against": dict(self.rests),
            "captions_by_found_landmarks": self.found,
            "without_texture": self.plain,
        }

    def _fail(self, what: str) -> None:
        listed = "\n  ".join(self.skipped[-_LISTED:])
        raise ValueError(
            f"{what}, more than {MAX_SKIPPED:.0%}; repair or remove them:\n  {listed}"
        )


def some_lines(
    word: str, lines: Sequence[str], listed: int | None = _LISTED
) -> list[str]:
    """The first lines of one kind, and how many more there are; None lists all."""
    said = [f"  {word} {line}" for line in lines[:listed]]
    if listed is not None and len(lines) > listed:
        said.append(f"  ... and {len(lines) - listed} more")
    return said


def with_landmarks(sequences: list[Sequence4D], how: str) -> list[Sequence4D]:
    """The sequences, with the landmarker where captions need it.

    Of one person either all sequences are measured by what was delivered or none: two
    kinds of landmarks differ by millimetres, as movements do.

    Args:
      sequences: of the whole dataset.
      how: `landmarks` of the config.
    """
    if how == "delivered":
        return sequences
    without = {s.labels["subject"] for s in sequences if s.landmarks is None}
    found = DetectedLandmarks(always=how == "found")
    return [
        dataclasses.replace(s, landmarks=found)
        if how == "found" or s.labels["subject"] in without
        else s
        for s in sequences
    ]


def against_person(sequences: Sequence[Sequence4D], rest: str) -> bool:
    """Whether captions are measured against all of a person's scans.

    Args:
      sequences: of the whole dataset.
      rest: of the config.

    Raises:
      ValueError: single scans, of which the first frame is the scan itself.
    """
    single = all(len(s.frames) == 1 for s in sequences)
    if single and rest == "first":
        raise ValueError(
            "rest='first': sequences are single scans, which do not move; set "
            "rest='person', or more frames"
        )
    return rest == "person" or (rest == "auto" and single)


def tasks_of(sequences: Sequence[Sequence4D], most: int, *, person: bool) -> list[Task]:
    """Parts a dataset into what one process makes in one go.

    Args:
      sequences: in order.
      most: sequences of a task: a person of more is made in several.
      person: captions are measured against all of a person's scans, so a task is a
        person; else it is a sequence.
    """
    if not person:
        return [Task((sequence,)) for sequence in sequences]
    of_person = collections.defaultdict(list)
    for sequence in sequences:
        of_person[sequence.labels["subject"]].append(sequence)
    found = []
    for group in of_person.values():
        for start in range(0, len(group), most):
            stop = start + most
            others = tuple(group[:start] + group[stop:])
            found.append(Task(tuple(group[start:stop]), True, others))
    return found


class FaceDatasetBuilder(
    tfds.core.GeneratorBasedBuilder,
    skip_registration=True,  # type: ignore[call-arg]
):
    """Renders every sequence that `sequences` lists; subclasses say where they are.

    All examples are in one split, `train`: evaluation splits by subject, see
    `smile_jax.data.splits`. Locally every core works; where Beam options are
    given, Beam's workers do.
    """

    CLASSES: ClassVar[Sequence[str]]
    VERSION = tfds.core.Version("4.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        "2.0.0": "Heads are framed by what any file of them has, not by landmarks.",
        "3.0.0": "Dynamic images have 16 bits; poses are found a little otherwise.",
        "3.1.0": "Records of generated heads tell how the head is turned.",
        "3.3.0": "Displacement and strain as channels, which `micro` has.",
        "4.0.0": "Faces are found by the first look; a ball around the nose is shown.",
        "3.2.0": "Frame rates; short sequences are filled up, not repeated; motion.",
    }

    builder_config: FacesConfig
    _with_beam = False
    _report: BuildReport
    _built = False

    def sequences(self, dl_manager: tfds.download.DownloadManager) -> list[Sequence4D]:
        """Lists all sequences without reading any mesh."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Description, homepage and citation, for `dataset_info`."""
        raise NotImplementedError

    def people(self) -> str:
        """Names whose subjects these are.

        In all datasets that give the same name, subjects of one name are one person,
        who must not be both trained and tested on.
        """
        return self.name

    def extra_features(self) -> dict[str, Any]:
        """Features beside those of the schema."""
        return {}

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        return self.dataset_info_from_configs(
            features=face_features(config, self.CLASSES, self.extra_features()),
            metadata=tfds.core.MetadataDict(
                channels=list(config.channels),
                yaws_deg=list(config.yaws_deg),
                classes=list(self.CLASSES),
                pose=config.pose,
                framing=config.framing,
                still=config.still,
                magnify=config.magnify,
                band_hz=list(config.band_hz),
                people=self.people(),
            ),
            **self.describe(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        sequences = self.sequences(dl_manager)
        print("\n".join(["", *plan_of(sequences, self.builder_config)]), flush=True)
        self._report = self._new_report(sequences)
        return {"train": self._generate_examples(sequences)}

    def _new_report(self, sequences: list[Sequence4D]) -> BuildReport:
        return BuildReport(total=len(sequences))

    def unknown_files(self) -> list[str]:
        """Lines on the files that are none of the dataset's, once it was listed."""
        return []

    def try_all(self, sequences: list[Sequence4D]) -> BuildReport:
        """Makes every example and writes none; returns what a build would report."""
        report = self._new_report(sequences)
        ready = self._ready(sequences)
        for made in self._made(ready):
            report.add(made)
        return report

    def _generate_examples(self, sequences: list[Sequence4D]) -> Any:
        return (self._beam if self._with_beam else self._local)(self._ready(sequences))

    def _ready(self, sequences: list[Sequence4D]) -> list[Sequence4D]:
        """The sequences as workers take them, with what captions need."""
        if self.builder_config.captions:
            sequences = with_landmarks(sequences, self.builder_config.landmarks)
        # A builder's own module is rarely importable where the work is done. (On Beam's
        # workers it must be, if its sequences hold classes or functions of its own.)
        module = sys.modules[type(self).__module__]
        if not module.__name__.startswith("smile_jax."):
            cloudpickle.register_pickle_by_value(module)
        return sequences

    def _local(self, sequences: list[Sequence4D]) -> Iterator[tuple[str, Any]]:
        for made in self._made(sequences):
            self._report.add(made)
            self._report.check_lost()
            if made.example is not None:
                yield made.key, made.example
        self._save_report()

    def _tasks(self, sequences: list[Sequence4D]) -> list[Task]:
        """What processes make; a person's examples are made by one."""
        config = self.builder_config
        picture = config.size**2 * num_channels(config.channels) * len(config.yaws_deg)
        pictures = config.frames + 2 * config.dynamic  # which has two bytes a pixel
        most = max(_TOGETHER // (picture * pictures), 1)
        person = config.captions and against_person(sequences, config.rest)
        return tasks_of(sequences, most, person=person)

    def _made(self, sequences: list[Sequence4D]) -> Iterator[BuildResult]:
        """Their examples, a person's together."""
        config = rendering_of(self.builder_config)
        for made in run_everywhere(make_examples, self._tasks(sequences), config):
            yield from made

    def _beam(self, sequences: list[Sequence4D]) -> Any:
        import apache_beam as beam

        where = str(self.data_path / _REPORT)
        make = beam.ptransform_fn(_beam_examples)
        config = rendering_of(self.builder_config)
        return make(self._tasks(sequences), config=config, where=where)

    def _process_pipeline_result(self, pipeline_result: Any) -> None:
        written = epath.Path(self.data_path).iterdir()
        for path in sorted(p for p in written if p.name.startswith(_REPORT)):
            for line in path.read_text().splitlines():
                fields = json.loads(line)
                example = fields.pop("row")
                self._report.add(BuildResult(**fields, example=example))
            path.unlink()
        self._save_report()

    def _save_report(self) -> None:
        self.info.metadata["build"] = self._report.finish()
        self._built = True

    def download_and_prepare(self, **options: Any) -> None:
        """Builds as TFDS does, and indexes the records for random access."""
        folder = epath.Path(self.data_path)
        local = "://" not in str(folder)
        parent = pathlib.Path(folder).parent
        with only_build_in(parent) if local else contextlib.nullcontext():
            super().download_and_prepare(**options)
        written = self.info.file_format
        if self._built and written and written.value == FORMAT:
            self._write_index(folder)

    def _write_index(self, folder: epath.Path) -> None:
        """Writes the facts that were collected while examples were made.

        Raises:
          DataError: records are not in the order that TFDS is known to write them in.
        """
        rows, classes = self._report.rows, self.info.features["expression"]
        hasher = tfds.core.hashing.Hasher("train")
        keys = sorted(rows, key=hasher.hash_key)
        for key in keys:
            expression = rows[key]["expression"]
            if isinstance(expression, str):
                rows[key]["expression"] = classes.str2int(expression)
        source = RecordSource(folder, pixels=False)
        places = np.linspace(0, len(keys) - 1, _CHECKED).astype(int)
        for place in np.unique(places) if len(source) == len(keys) else (0,):
            found = source[place]["sequence"].decode()
            if len(source) != len(keys) or found != rows[keys[place]]["sequence"]:
                raise DataError(
                    f"{folder}: record {place} is {found}, and should be "
                    f"{keys[place]}: this version of TFDS orders records in a way that "
                    "is not known here; install the one of constraints.txt"
                )
        index = make_index(rows[key] for key in keys)
        write_index(folder, index, source.shards())

    def _download_and_prepare(
        self, dl_manager: Any, download_config: Any, **kwargs: Any
    ) -> None:
        self._with_beam = bool(
            download_config.beam_options or download_config.beam_runner
        )
        with _deterministic_serialization():
            super()._download_and_prepare(dl_manager, download_config, **kwargs)


def _beam_examples(
    root: Any, tasks: list[Task], config: RenderConfig, where: str
) -> Any:
    """The examples; what became of every sequence goes into text files."""
    import apache_beam as beam

    made = (
        root
        | beam.Create(tasks)
        | beam.Reshuffle()
        | beam.FlatMap(make_examples, config=config)
    )
    _ = (
        made
        | "Report" >> beam.Map(_report_line)
        | beam.io.WriteToText(where, file_name_suffix=".jsonl")
    )
    return made | "Examples" >> beam.FlatMap(_keyed_examples)


def _report_line(made: BuildResult) -> str:
    return json.dumps(
        {
            "key": made.key,
            "row": index_row(made.example) if made.example else None,
            "frames": made.frames,
            "skipped": made.skipped,
            "notes": made.notes,
            "file_notes": made.file_notes,
            "texture_notes": made.texture_notes,
            "plain": made.plain,
            "repairs": made.repairs,
            "rest": made.rest,
            "found": made.found,
        }
    )


def _keyed_examples(made: BuildResult) -> list[tuple[str, dict[str, Any]]]:
    return [] if made.example is None else [(made.key, made.example)]


@contextlib.contextmanager
def _deterministic_serialization() -> Iterator[None]:
    """Same example, same bytes: TFDS leaves the order of features to protobuf's hash.

    TFDS has no option for it, so its one serialising method is replaced meanwhile.
    """
    serializer = tfds.core.example_serializer.ExampleSerializer
    original = serializer.serialize_example

    def serialize(self: Any, example: Any) -> bytes:
        return self.get_tf_example(example).SerializeToString(deterministic=True)

    serializer.serialize_example = serialize
    try:
        yield
    finally:
        serializer.serialize_example = original
