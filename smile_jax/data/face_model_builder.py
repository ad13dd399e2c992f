"""Datasets generated from a face model, in the shapes of BU-3DFE and BU-4DFE."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from smile_jax.core.extras import needed_for
from smile_jax.data.builder import FaceDatasetBuilder
from smile_jax.data.examples import Sequence4D
from smile_jax.data.pose_landmarks import labelled_anchors
from smile_jax.data.rendering import sample_frames
from smile_jax.data.schema import FacesConfig
from smile_jax.faces import (
    EXPRESSIONS,
    Clip,
    Difficulty,
    FaceModel,
    load_face_model,
)
from smile_jax.faces.class_spellings import FOUR_DME, FOUR_DME_UNITS
from smile_jax.faces.events import MACRO, Event, micro_takes
from smile_jax.faces.expressions import MIDLINE_ACTIONS, SIDED_ACTIONS
from smile_jax.faces.families.face_model import IDLE_ACTIONS
from smile_jax.faces.sampling import (
    RECORDED,
    Subject,
    sample_clip,
    sample_micro_clip,
    sample_recording,
    sample_subject,
    seed_of,
)
from smile_jax.mesh import Mesh
from smile_jax.mesh.landmark_schemes import bosphorus_labels
from smile_jax.mesh.pose import Anchors

with needed_for("building a dataset", "build"):
    import tensorflow_datasets as tfds

_TASKS = ("posed", "micro", "recordings")
_FEWEST = 10  # frames of a clip in which something is to be seen
_MOST_EVENTS = 8  # of a recording
_ALL_ACTIONS = (
    *(f"{action}_{side}" for action in SIDED_ACTIONS for side in "LR"),
    *MIDLINE_ACTIONS,
    *IDLE_ACTIONS,
)


@dataclasses.dataclass(kw_only=True)
class FaceModelConfig(FacesConfig):
    """Settings of generated faces.

    Attributes:
      subjects: how many people.
      task: "posed" expressions; "micro", a weak one in each clip among blinks, speech
        and gaze; or "recordings" in which several are to be found
        (`smile_jax.faces.events`).
      intensities: posed: of each of the six expressions; one performance each.
      neutral: posed: also one neutral performance of each person.
      recordings: of each person.
      sequence_frames: frames of a performance; 1 is a scan at the apex. Of recordings
        the most; they have two thirds to all of them.
      seconds: that so many frames take.
      seed: of everything; same seed, same bytes.
      difficulty: see `smile_jax.faces.Difficulty`; a dict of its fields is taken too.
      identity_modes: how many modes of the model vary; None for all.
    """

    subjects: int = 100
    task: str = "posed"
    intensities: tuple[int, ...] = (1, 2, 3, 4)
    neutral: bool = True
    recordings: int = 1
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
        if self.task not in _TASKS:
            raise ValueError(f"task={self.task!r} must be one of {', '.join(_TASKS)}")
        if self.task != "posed" and self.sequence_frames < _FEWEST:
            raise ValueError(
                f"sequence_frames={self.sequence_frames} must be at least {_FEWEST} "
                f"with task={self.task!r}"
            )

    @property
    def rate_hz(self) -> float:
        """Frames a second."""
        return (self.sequence_frames - 1) / self.seconds


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
STATIC_CAPTIONS_FOUND = FaceModelConfig(
    name="static_captions_found",
    captions=True,
    landmarks="found",
    description="`static_captions` by landmarks that are found on the scans",
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

BLENDED = FaceModelConfig(
    name="blended",
    intensities=(3, 4),
    neutral=False,
    captions=True,
    difficulty=Difficulty(blend=0.625),
    seed=2,
    description="100 subjects who are in no other config, 6 expressions x 2 strong "
    "intensities, each mixed with another one: who knows all is right in 0.8 of them",
)

MICRO = FaceModelConfig(
    name="micro",
    task="micro",
    subjects=41,
    sequence_frames=61,
    seconds=1.0,
    frames=24,
    motion=True,
    yaws_deg=(-20.0, 20.0),
    channels=("texture", "depth", "normals", "displacement", "strain"),
    difficulty=RECORDED,
    description="4DME's shape: 41 subjects, 14 micro-expressions of five emotions, one "
    "or two at once, 60 frames a second, of which 24 are kept; two viewpoints",
)
MICRO_MAGNIFIED = dataclasses.replace(  # type: ignore[call-arg]
    MICRO,
    name="micro_magnified",
    magnify=4.0,
    description="`micro` with the head held still and motion five times as large",
)
SUBTLE = FaceModelConfig(
    name="subtle",
    subjects=60,
    intensities=(1, 2),
    neutral=False,
    sequence_frames=25,
    frames=8,
    motion=True,
    captions=True,
    yaws_deg=(-20.0, 20.0),
    channels=("depth", "normals", "displacement", "strain"),
    seed=1,
    description="60 subjects who are in no other config, 6 expressions x 2 weak "
    "intensities, 4 seconds of which 8 frames are kept; captions; two viewpoints",
)
RECORDINGS = FaceModelConfig(
    name="recordings",
    task="recordings",
    subjects=41,
    sequence_frames=801,
    seconds=40.0,
    frames=801,
    motion=True,
    yaws_deg=(-20.0, 20.0),
    channels=("displacement", "strain"),
    difficulty=RECORDED,
    description="41 subjects, a recording each of 27 to 40 seconds at 20 frames a "
    "second, with micro- and macro-expressions to be found",
)

CONFIGS = [
    STATIC, STATIC_224, DYNAMIC, TINY, STATIC_CAPTIONS, STATIC_CAPTIONS_FOUND,
    CAPTIONS, MICRO, MICRO_MAGNIFIED, RECORDINGS, SUBTLE, BLENDED,
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Performance(Sequence[Mesh]):
    """A clip of a face model, drawn where it is made: small to send to a process."""

    path: str
    identity_modes: int | None
    person_seed: int
    seed: int
    difficulty: Difficulty
    num_frames: int
    task: str = "posed"
    expression: str = ""
    intensity: int = 0
    emotions: tuple[str, ...] = ()
    rate_hz: float = 0.0

    def __len__(self) -> int:
        return self.num_frames

    def __getitem__(self, index):
        return _clip_of(self)[index]


@functools.lru_cache(maxsize=1)
def _clip_of(performance: Performance) -> Clip:
    model = load_face_model(performance.path, performance.identity_modes)
    p = performance
    person = sample_subject(model, np.random.default_rng(p.person_seed), p.difficulty)
    rng, hard, count = np.random.default_rng(p.seed), p.difficulty, p.num_frames
    if p.task == "micro":
        return sample_micro_clip(model, person, p.emotions, rng, hard, count, p.rate_hz)
    if p.task == "recordings":
        return sample_recording(model, person, rng, hard, count, p.rate_hz)
    return sample_clip(model, person, p.expression, p.intensity, rng, hard, count)


def _facts_of(performance: Performance, kept: int) -> dict[str, Any]:
    """Returns facts that are known once a performance is drawn.

    For micro-expressions that is the truth, which no method may see: it is for
    analysis.
    """
    clip = _clip_of(performance)
    yaw, pitch, roll = clip.pose_deg.mean(axis=0)
    facts: dict[str, Any] = {"pose_deg": np.array([yaw, pitch, roll / 2], np.float32)}
    if performance.task == "posed":
        return facts
    if performance.task == "micro":
        (event,) = clip.events
        units = {int(name[2:].split("_")[0]) for name in event.actions}
        facts |= {"onset": event.onset, "apex": event.apex, "offset": event.offset}
        facts["action_units"] = np.isin(FOUR_DME_UNITS, list(units)).astype(np.uint8)
    else:
        facts |= _event_table(clip.events)
    places = sample_frames(len(clip), kept)
    weights = np.zeros((kept, len(_ALL_ACTIONS)), np.float32)
    for column, name in enumerate(_ALL_ACTIONS):
        both = name.split("_")[0]  # blinks are of both eyes
        course = clip.course.get(name, clip.course.get(both))
        if course is not None:
            weights[: len(places), column] = course[places]
    return facts | {"true_weights": weights}


def _event_table(events: Sequence[Event]) -> dict[str, np.ndarray]:
    """Encodes events as arrays of a fixed size.

    `events` (8, 4) holds onset, apex, offset, and 0 for a micro- or 1 for a
    macro-expression; rows of -1 stand for missing ones. `event_emotions` is (8, 5).
    """
    table = np.full((_MOST_EVENTS, 4), -1, np.int32)
    emotions = np.zeros((_MOST_EVENTS, len(FOUR_DME)), np.uint8)
    for row, event in enumerate(events):
        kind = int(event.kind == MACRO)
        table[row] = event.onset, event.apex, event.offset, kind
        emotions[row] = np.isin(FOUR_DME, event.emotions)
    return {"events": table, "event_emotions": emotions}


def _anchors_of(performance: Performance) -> Anchors:
    """Returns the anchors of the first frame, by the model's own landmarks."""
    return labelled_anchors(bosphorus_labels(performance[0].landmarks))


class FaceModelBuilder(
    FaceDatasetBuilder,
    skip_registration=True,  # type: ignore[call-arg]
):
    """Builds any `FaceModelConfig`; subclasses say which face model."""

    BUILDER_CONFIGS = CONFIGS

    builder_config: FaceModelConfig

    @property
    def CLASSES(self) -> Sequence[str]:  # type: ignore[override]
        """The classes of the config's task."""
        return EXPRESSIONS if self.builder_config.task == "posed" else FOUR_DME

    def model_path(self, dl_manager: tfds.download.DownloadManager) -> str:
        """Tree or archive of ICT-FaceKit; "" for the procedural head."""
        return ""

    @override
    def extra_features(self) -> dict[str, tfds.features.FeatureConnector]:
        config = self.builder_config

        def numbers(shape: tuple[int, ...], dtype: Any) -> tfds.features.Tensor:
            return tfds.features.Tensor(shape=shape, dtype=dtype)

        found: dict[str, Any] = {"pose_deg": numbers((3,), np.float32)}
        if config.task != "posed":
            found["true_weights"] = numbers(
                (config.frames, len(_ALL_ACTIONS)), np.float32
            )
        if config.task == "micro":
            found |= dict.fromkeys(("onset", "apex", "offset"), np.int32)
            found["emotions"] = numbers((len(FOUR_DME),), np.uint8)
            found["action_units"] = numbers((len(FOUR_DME_UNITS),), np.uint8)
        if config.task == "recordings":
            found["events"] = numbers((_MOST_EVENTS, 4), np.int32)
            found["event_emotions"] = numbers((_MOST_EVENTS, len(FOUR_DME)), np.uint8)
        return found

    @override
    def people(self) -> str:
        return f"{self.name}, seed {self.builder_config.seed}"

    @override
    def sequences(self, dl_manager: tfds.download.DownloadManager) -> list[Sequence4D]:
        config = self.builder_config
        path = self.model_path(dl_manager)
        load_face_model(path, config.identity_modes)  # what is wrong shows here
        people = [f"S{person:04d}" for person in range(config.subjects)]
        make = {"micro": micro_sequences, "recordings": recordings}
        one = make.get(config.task, posed_sequences)
        return [sequence for person in people for sequence in one(config, path, person)]


def posed_sequences(
    config: FaceModelConfig, path: str, subject: str
) -> Iterator[Sequence4D]:
    """Yields each expression of a person in each intensity."""
    for expression in EXPRESSIONS:
        neutral = expression == "neutral"
        for intensity in (0,) * config.neutral if neutral else config.intensities:
            key = f"{subject}_{expression}_{intensity:02d}"
            frames = _performance(
                config, path, subject, key, expression=expression, intensity=intensity
            )
            labels = {"expression": expression, "intensity": intensity}
            yield _sequence(config, key, subject, frames, labels)


def micro_sequences(
    config: FaceModelConfig, path: str, subject: str
) -> Iterator[Sequence4D]:
    """Micro-expressions of a person; the label is the emotion where there is one."""
    takes = micro_takes(seed_of(f"{config.seed}/{subject}"))
    for number, emotions in enumerate(takes, 1):
        key = f"{subject}_{number:03d}"
        frames = _performance(config, path, subject, key, emotions=emotions)
        (first, *more) = emotions
        labels = {
            "expression": None if more else first,
            "emotions": np.isin(FOUR_DME, emotions).astype(np.uint8),
        }
        yield _sequence(config, key, subject, frames, labels)


def recordings(
    config: FaceModelConfig, path: str, subject: str
) -> Iterator[Sequence4D]:
    """Long sequences of a person, of different lengths."""
    most = config.sequence_frames
    for number in range(1, config.recordings + 1):
        key = f"{subject}_recording_{number:02d}"
        length = np.random.default_rng(seed_of(f"{config.seed}/{key}/length"))
        count = int(length.integers(2 * most // 3, most + 1))
        frames = _performance(config, path, subject, key, num_frames=count)
        yield _sequence(config, key, subject, frames, {"expression": None})


def person_of(config: FaceModelConfig, model: FaceModel, subject: str) -> Subject:
    """The person of a name, as drawn for a dataset; for analysis."""
    rng = np.random.default_rng(_person_seed(config, subject))
    return sample_subject(model, rng, config.difficulty)


def _person_seed(config: FaceModelConfig, subject: str) -> int:
    return seed_of(f"{config.seed}/{subject}")


def _performance(
    config: FaceModelConfig, path: str, subject: str, key: str, **fields: Any
) -> Performance:
    given: dict[str, Any] = {"num_frames": config.sequence_frames} | fields
    return Performance(
        path=path,
        identity_modes=config.identity_modes,
        person_seed=_person_seed(config, subject),
        seed=seed_of(f"{config.seed}/{key}"),
        difficulty=config.difficulty,
        task=config.task,
        rate_hz=config.rate_hz,
        **given,
    )


def _sequence(
    config: FaceModelConfig,
    key: str,
    subject: str,
    frames: Performance,
    labels: dict[str, Any],
) -> Sequence4D:
    return Sequence4D(
        key=key,
        frames=frames,
        rate_hz=config.rate_hz,
        anchors=functools.partial(_anchors_of, frames),
        facts=functools.partial(_facts_of, frames, config.frames),
        labels=labels | {"subject": subject, "seed": frames.seed},
    )
