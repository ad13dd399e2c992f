"""Base TFDS builder: sequences of meshes in, examples of the schema out."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from smile_jax.data.schema import (
    FacesConfig,
    face_features,
    render_example,
    sample_frames,
)
from smile_jax.mesh import Mesh, MeshError, dynamic_image, frame_mesh

# Share of unreadable sequences beyond which a build fails (this project's choice).
MAX_SKIPPED = 0.01


@dataclasses.dataclass
class Sequence4D:
    """One example to be: its meshes, read lazily, and what is known about it.

    Attributes:
      key: unique name; also the `sequence` feature.
      meshes: starts the iteration over its frames in order; may raise MeshError.
      num_frames: how many frames `meshes()` yields.
      labels: `expression`, `subject` and any other metadata of the schema.
    """

    key: str
    meshes: Callable[[], Iterable[Mesh]]
    num_frames: int
    labels: dict[str, Any]


@dataclasses.dataclass
class BuildReport:
    """Counts what a build wrote and skipped, and fails if it skipped too much."""

    total: int
    written: int = 0
    frames: int = 0
    skipped: list[str] = dataclasses.field(default_factory=list)
    started: float = dataclasses.field(default_factory=time.perf_counter)

    def skip(self, key: str, error: Exception) -> None:
        self.skipped.append(f"{key}: {error}")
        logging.warning("skipped %s: %s", key, error)
        if len(self.skipped) > max(MAX_SKIPPED * self.total, 1):
            listed = "\n  ".join(self.skipped)
            raise ValueError(
                f"{len(self.skipped)} of {self.total} sequences are unreadable, more "
                f"than {MAX_SKIPPED:.0%}; repair or remove them:\n  {listed}"
            )

    def finish(self) -> None:
        seconds = time.perf_counter() - self.started
        print(
            f"\nwrote {self.written} examples, {self.frames} frames rendered in "
            f"{seconds:.1f} s ({self.frames / max(seconds, 1e-9):.1f} frames/s); "
            f"skipped {len(self.skipped)}"
        )
        for line in self.skipped:
            print(f"  skipped {line}")


class FaceDatasetBuilder(
    tfds.core.GeneratorBasedBuilder,
    skip_registration=True,  # type: ignore[call-arg]
):
    """Renders every sequence that `sequences` lists; subclasses say where they are.

    All examples are in one split, `train`: evaluation splits by subject, see
    `smile_jax.evaluation.protocols`.
    """

    CLASSES: ClassVar[Sequence[str]]
    VERSION = tfds.core.Version("1.0.0")

    builder_config: FacesConfig

    def sequences(self, dl_manager: tfds.download.DownloadManager) -> list[Sequence4D]:
        """Lists all sequences without reading any mesh."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What `dataset_info` says: description, homepage, citation."""
        raise NotImplementedError

    def _info(self) -> tfds.core.DatasetInfo:
        config = self.builder_config
        return self.dataset_info_from_configs(
            features=face_features(config, self.CLASSES),
            metadata=tfds.core.MetadataDict(
                channels=list(config.channels),
                yaws_deg=list(config.yaws_deg),
                classes=list(self.CLASSES),
            ),
            **self.describe(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        return {"train": self._generate_examples(self.sequences(dl_manager))}

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        with _deterministic_serialization():
            super()._download_and_prepare(*args, **kwargs)

    def _generate_examples(
        self, sequences: list[Sequence4D]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        report = BuildReport(total=len(sequences))
        for sequence in sequences:
            try:
                example = self._example(sequence)
            except MeshError as error:
                report.skip(sequence.key, error)
                continue
            report.written += 1
            report.frames += sequence.num_frames
            yield sequence.key, example
        report.finish()

    def _example(self, sequence: Sequence4D) -> dict[str, Any]:
        config = self.builder_config
        kept = sample_frames(sequence.num_frames, config.frames)
        wanted = (
            set(range(sequence.num_frames)) if config.dynamic else set(kept.tolist())
        )
        images, framing = {}, None
        for index, mesh in enumerate(sequence.meshes()):
            # Framed on the first frame, so that motion stays motion.
            framing = framing or frame_mesh(mesh)
            if index in wanted:
                images[index] = render_example(mesh, config, framing)
        if framing is None:
            raise MeshError(f"{sequence.key}: the sequence has no frames")
        example = {
            "sequence": sequence.key,
            "intensity": -1,
            "gender": "unknown",
            "ethnicity": "unknown",
            "seed": -1,
            "yaw_deg": np.asarray(config.yaws_deg, np.float32),
            "mm_per_pixel": framing.mm_per_pixel(config.size),
            **sequence.labels,
        }
        if config.frames:
            example["views"] = np.stack([images[i] for i in kept.tolist()])
            example["frame_index"] = kept
        if config.dynamic:
            clip = (
                np.stack([images[i] for i in sorted(images)]).astype(np.float32) / 255
            )
            pooled = dynamic_image(clip)[None]
            example["dynamic"] = (pooled * 255).round().astype(np.uint8)
        return example


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
