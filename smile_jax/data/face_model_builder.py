"""Datasets generated from a face model, in the shapes of BU-3DFE and BU-4DFE."""

import dataclasses
import functools
import zlib
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds

from smile_jax.data.anchors import labelled_anchors
from smile_jax.data.builder import FaceDatasetBuilder
from smile_jax.data.examples import Sequence4D
from smile_jax.data.schema import FacesConfig
from smile_jax.faces import (
    EXPRESSIONS,
    Clip,
    Difficulty,
    load_face_model,
    sample_clip,
    sample_subject,
)
from smile_jax.mesh import Mesh
from smile_jax.mesh.pose import Anchors
from smile_jax.mesh.schemes import bosphorus_labels


@dataclasses.dataclass(kw_only=True)
class FaceModelConfig(FacesConfig):
    """Settings of generated faces.

    Attributes:
      subjects: how many people.
      intensities: of each of the six expressions; one performance each.
      neutral: also one neutral performance of each person.
      sequence_frames: frames of a performance; 1 is a scan at the apex.
      seconds: that it takes.
      seed: of everything; same seed, same bytes.
      difficulty: see `smile_jax.faces.Difficulty`; a dict of its fields is taken too.
      identity_modes: how many modes of the model vary; None for all.
    """

    subjects: int = 100
    intensities: tuple[int, ...] = (1, 2, 3, 4)
    neutral: bool = True
    sequence_frames: int = 1
    seconds: float = 4.0  # as BU-4DFE's
    seed: int = 0
    difficulty: Difficulty = dataclasses.field(default_factory=Difficulty)
    identity_modes: int | None = None
    framing: str = "face"  # they are whole heads

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.difficulty, dict):
            self.difficulty = Difficulty(**self.difficulty)
        if self.subjects < 1 or self.sequence_frames < 1:
            raise ValueError("subjects and sequence_frames must be at least 1")
        if not self.seconds > 0:
            raise ValueError(f"seconds={self.seconds} must be positive")


STATIC = FaceModelConfig(
    name="static",
    description="BU-3DFE's shape: 100 subjects, 6 expressions x 4 intensities, neutral",
)
STATIC_224 = FaceModelConfig(
    name="static_224", size=224, description="`static` at 224 pixels"
)
DYNAMIC = FaceModelConfig(
    name="dynamic",
    subjects=101,
    intensities=(4,),
    neutral=False,
    sequence_frames=24,
    frames=8,
    dynamic=True,
    motion=True,
    description="BU-4DFE's shape: 101 subjects x 6 sequences, 8 frames + dynamic image",
)
TINY = FaceModelConfig(
    name="tiny",
    subjects=8,
    intensities=(2, 4),
    size=32,
    yaws_deg=(-30.0, 0.0, 30.0),
    description="for tests: 8 subjects x 6 expressions x 2 intensities + neutral",
)

STATIC_CAPTIONS = FaceModelConfig(
    name="static_captions",
    captions=True,
    description="`static` with captions against the median of each person's scans",
)
CAPTIONS = FaceModelConfig(
    name="captions",
    sequence_frames=9,
    frames=0,
    neutral=False,
    dynamic=True,
    captions=True,
    description="100 subjects, 6 expressions x 4 intensities, each a sequence of 9 "
    "frames as one dynamic image, with captions against its first frame",
)

CONFIGS = [STATIC, STATIC_224, DYNAMIC, TINY, STATIC_CAPTIONS, CAPTIONS]


@dataclasses.dataclass(frozen=True)
class Performance(Sequence[Mesh]):
    """A clip of a face model, drawn where it is made: small to send to a process."""

    path: str
    identity_modes: int | None
    person_seed: int
    seed: int
    expression: str
    intensity: int
    difficulty: Difficulty
    num_frames: int

    def __len__(self) -> int:
        return self.num_frames

    def __getitem__(self, index):
        return _clip_of(self)[index]


@functools.lru_cache(maxsize=1)
def _clip_of(performance: Performance) -> Clip:
    model = load_face_model(performance.path, performance.identity_modes)
    rng = np.random.default_rng(performance.person_seed)
    return sample_clip(
        model,
        sample_subject(model, rng, performance.difficulty),
        performance.expression,
        performance.intensity,
        np.random.default_rng(performance.seed),
        performance.difficulty,
        performance.num_frames,
    )


def _facts_of(performance: Performance) -> dict[str, np.ndarray]:
    """What is known once it is drawn: yaw, pitch and roll of the head, midway."""
    yaw, pitch, roll = _clip_of(performance).pose_deg
    return {"pose_deg": np.array([yaw, pitch, roll / 2], np.float32)}


def _anchors_of(performance: Performance) -> Anchors:
    """Of its first frame, by the model's own landmarks."""
    return labelled_anchors(bosphorus_labels(performance[0].landmarks))


class FaceModelBuilder(
    FaceDatasetBuilder,
    skip_registration=True,  # type: ignore[call-arg]
):
    """Builds any `FaceModelConfig`; subclasses say which face model."""

    CLASSES = EXPRESSIONS
    BUILDER_CONFIGS = CONFIGS

    builder_config: FaceModelConfig

    def model_path(self, dl_manager: tfds.download.DownloadManager) -> str:
        """Tree or archive of ICT-FaceKit; "" for the procedural head."""
        return ""

    def extra_features(self) -> dict[str, tfds.features.FeatureConnector]:
        return {"pose_deg": tfds.features.Tensor(shape=(3,), dtype=np.float32)}

    def people(self) -> str:
        return f"{self.name}, seed {self.builder_config.seed}"

    def sequences(self, dl_manager: tfds.download.DownloadManager) -> list[Sequence4D]:
        config = self.builder_config
        path = self.model_path(dl_manager)
        load_face_model(path, config.identity_modes)  # what is wrong shows here
        performances = [
            (expression, intensity)
            for expression in EXPRESSIONS
            if expression != "neutral"
            for intensity in config.intensities
        ]
        performances += [("neutral", 0)] * config.neutral
        return [
            self._sequence(path, f"S{person:04d}", expression, intensity)
            for person in range(config.subjects)
            for expression, intensity in performances
        ]

    def _sequence(
        self, path: str, subject: str, expression: str, intensity: int
    ) -> Sequence4D:
        config = self.builder_config
        key = f"{subject}_{expression}_{intensity:02d}"
        seed = zlib.crc32(f"{config.seed}/{key}".encode())
        performance = Performance(
            path=path,
            identity_modes=config.identity_modes,
            person_seed=zlib.crc32(f"{config.seed}/{subject}".encode()),
            seed=seed,
            expression=expression,
            intensity=intensity,
            difficulty=config.difficulty,
            num_frames=config.sequence_frames,
        )
        return Sequence4D(
            key=key,
            frames=performance,
            rate_hz=(config.sequence_frames - 1) / config.seconds,
            anchors=functools.partial(_anchors_of, performance),
            facts=functools.partial(_facts_of, performance),
            labels={
                "expression": expression,
                "subject": subject,
                "intensity": intensity,
                "seed": seed,
            },
        )
