"""Datasets generated from a face model, in the shapes of BU-3DFE and BU-4DFE."""

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from typing_extensions import override

from smile_jax.core.extras import needed_for
from smile_jax.data.builder import FaceDatasetBuilder
from smile_jax.data.examples import Sequence4D
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
from smile_jax.faces.families.family import Family
from smile_jax.faces.families.model_files import has_file
from smile_jax.faces.families.procedural import PROCEDURAL
from smile_jax.faces.randomization import Randomization, Surface
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
      identity_modes: how many modes of the model vary; None for all. Of families whose
        people are drawn by modes.
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
    pose="found",
    description="`static`, turned to the front, with captions against the median of "
    "each person's scans",
)
STATIC_CAPTIONS_FOUND = FaceModelConfig(
    name="static_captions_found",
    captions=True,
    pose="found",
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

HEADS = FaceModelConfig(
    name="heads",
    subjects=300,
    captions=True,
    channels=("normals",),
    pose="found",
    seed=3,
    description="300 subjects who are in no other config, 6 expressions x 4 "
    "intensities, neutral; turned to the front; surface normals and captions",
)
SCANS = dataclasses.replace(  # type: ignore[call-arg]
    HEADS,
    name="scans",
    seed=4,
    difficulty=Difficulty(randomize=Randomization()),
    description="`heads` of other people, with shapes, cuts and samplings randomised",
)

CONFIGS = [
    STATIC, STATIC_224, DYNAMIC, TINY, STATIC_CAPTIONS, STATIC_CAPTIONS_FOUND,
    CAPTIONS, MICRO, MICRO_MAGNIFIED, RECORDINGS, SUBTLE, BLENDED, HEADS, SCANS,
]  # fmt: skip


def _as_hard(config: FaceModelConfig) -> FaceModelConfig:
    """Makes real heads as hard to read as the procedural one.

    Their expressions are smaller: with more pose and shift pixels tell as little of
    them as there.
    """
    if config.task != "posed":
        return config
    hard = dataclasses.replace(config.difficulty, pose_deg=10.0, shift_mm=7.0)
    return dataclasses.replace(config, difficulty=hard)


HARD_CONFIGS = [_as_hard(config) for config in CONFIGS]


class Heads(NamedTuple):
    """Whose heads perform: where their files are, and the name of the family."""

    source: str
    family: str


@dataclasses.dataclass(frozen=True)
class Performance(Sequence[Mesh]):
    """A clip of a face model, drawn where it is made: small to send to a process."""

    source: str
    family: str
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


# As many as a person's scans, which captions look at and then examples.
@functools.lru_cache(maxsize=32)
def _clip_of(performance: Performance) -> Clip:
    p = performance
    model = load_face_model(p.source, p.identity_modes, p.family)
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
    facts |= clip.subject.person.attributes
    if clip.surface is not None:
        facts |= _scan_facts(clip.subject, clip.surface)
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


def _scan_facts(subject: Subject, surface: Surface) -> dict[str, Any]:
    """What was drawn of a randomised scan."""
    gains = [subject.gains[name] for name in _ALL_ACTIONS]
    return {
        "scale": np.float32(subject.scale),
        "gains": np.array(gains, np.float32),
        "scan_points": surface.sampling.shape[0],
        "scan_smoothing": surface.smoothing,
        "scan_cuts": ",".join(surface.cuts),
        "scan_hidden": ",".join(surface.hidden),
    }


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


class FaceModelBuilder(
    FaceDatasetBuilder,
    skip_registration=True,  # type: ignore[call-arg]
):
    """Builds any `FaceModelConfig`; subclasses say which face family.

    Attributes:
      FAMILY: its card.
      URL: archive to download; "" for families that are not downloaded by builders.
      ATTRIBUTES: numbers that the family knows of its people, beside gender and
        ethnicity, as features.
    """

    BUILDER_CONFIGS = CONFIGS
    FAMILY: ClassVar[Family] = PROCEDURAL
    URL: ClassVar[str] = ""
    ATTRIBUTES: ClassVar[Mapping[str, Any]] = {}

    builder_config: FaceModelConfig

    @property
    def CLASSES(self) -> Sequence[str]:  # type: ignore[override]
        """The classes of the config's task."""
        return EXPRESSIONS if self.builder_config.task == "posed" else FOUR_DME

    def model_source(self, dl_manager: tfds.download.DownloadManager) -> str:
        """The family's name, or where its files are: put there, or downloaded."""
        if not self.FAMILY.archive:
            return self.FAMILY.name
        # TFDS' public `manual_dir` refuses a folder that is missing or empty; here the
        # default one may be, and one that was asked for gets the family's message.
        folder = pathlib.Path(dl_manager._manual_dir)
        asked_for = folder != pathlib.Path(dl_manager.download_dir) / "manual"
        found = _find_model(folder, self.FAMILY)
        if found or (asked_for and self.URL):
            return str(found or folder)
        if not self.URL:
            return self.FAMILY.name
        return str(dl_manager.download_and_extract(self.URL))

    @override
    def extra_features(self) -> dict[str, tfds.features.FeatureConnector]:
        config = self.builder_config

        def numbers(shape: tuple[int, ...], dtype: Any) -> tfds.features.Tensor:
            return tfds.features.Tensor(shape=shape, dtype=dtype)

        found: dict[str, Any] = {"pose_deg": numbers((3,), np.float32)}
        found |= self.ATTRIBUTES
        if config.difficulty.randomize:
            gains = numbers((len(_ALL_ACTIONS),), np.float32)
            found |= dict.fromkeys(("mixed", "warp_mm", "scale"), np.float32)
            found["gains"] = gains
            found |= dict.fromkeys(("scan_points", "scan_smoothing"), np.int32)
            texts = ("scan_cuts", "scan_hidden")
            found |= {name: tfds.features.Text() for name in texts}
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
        source = self.model_source(dl_manager)
        family = self.FAMILY.name
        # What is wrong shows here.
        load_face_model(source, config.identity_modes, family)
        people = [f"S{person:04d}" for person in range(config.subjects)]
        make = {"micro": micro_sequences, "recordings": recordings}
        heads = Heads(source, family)
        one = make.get(config.task, posed_sequences)
        return [s for person in people for s in one(config, heads, person)]


def _find_model(folder: pathlib.Path, family: Family) -> pathlib.Path | None:
    """The folder where it holds the family's files, else an archive of them in it."""
    if has_file(folder, family.has_mark):
        return folder
    found = [
        path
        for path in sorted(folder.glob("*"))
        if family.archive in path.name.lower()
        and path.suffix in (".zip", ".xz", ".gz", ".tar", ".whl")
        and has_file(path, family.has_mark)
    ]
    return found[0] if found else None


def posed_sequences(
    config: FaceModelConfig, heads: Heads, subject: str
) -> Iterator[Sequence4D]:
    """Yields each expression of a person in each intensity."""
    for expression in EXPRESSIONS:
        neutral = expression == "neutral"
        for intensity in (0,) * config.neutral if neutral else config.intensities:
            key = f"{subject}_{expression}_{intensity:02d}"
            frames = _performance(
                config, heads, subject, key, expression=expression, intensity=intensity
            )
            labels = {"expression": expression, "intensity": intensity}
            yield _sequence(config, key, subject, frames, labels)


def micro_sequences(
    config: FaceModelConfig, heads: Heads, subject: str
) -> Iterator[Sequence4D]:
    """Micro-expressions of a person; the label is the emotion where there is one."""
    takes = micro_takes(seed_of(f"{config.seed}/{subject}"))
    for number, emotions in enumerate(takes, 1):
        key = f"{subject}_{number:03d}"
        frames = _performance(config, heads, subject, key, emotions=emotions)
        (first, *more) = emotions
        labels = {
            "expression": None if more else first,
            "emotions": np.isin(FOUR_DME, emotions).astype(np.uint8),
        }
        yield _sequence(config, key, subject, frames, labels)


def recordings(
    config: FaceModelConfig, heads: Heads, subject: str
) -> Iterator[Sequence4D]:
    """Long sequences of a person, of different lengths."""
    most = config.sequence_frames
    for number in range(1, config.recordings + 1):
        key = f"{subject}_recording_{number:02d}"
        length = np.random.default_rng(seed_of(f"{config.seed}/{key}/length"))
        count = int(length.integers(2 * most // 3, most + 1))
        frames = _performance(config, heads, subject, key, num_frames=count)
        yield _sequence(config, key, subject, frames, {"expression": None})


def person_of(config: FaceModelConfig, model: FaceModel, subject: str) -> Subject:
    """The person of a name, as drawn for a dataset; for analysis."""
    rng = np.random.default_rng(_person_seed(config, subject))
    return sample_subject(model, rng, config.difficulty)


def _person_seed(config: FaceModelConfig, subject: str) -> int:
    return seed_of(f"{config.seed}/{subject}")


def _performance(
    config: FaceModelConfig, heads: Heads, subject: str, key: str, **fields: Any
) -> Performance:
    given: dict[str, Any] = {"num_frames": config.sequence_frames} | fields
    return Performance(
        source=heads.source,
        family=heads.family,
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
        facts=functools.partial(_facts_of, frames, config.frames),
        labels=labels | {"subject": subject, "seed": frames.seed},
    )
