"""Subjects, performances and nuisances drawn from a face model."""

import dataclasses
import functools
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from smile_jax.faces.events import (
    MACRO,
    MICRO,
    Event,
    head_drift,
    idle_course,
    micro_takes,
    place_events,
)
from smile_jax.faces.expressions import (
    draw_blend,
    expression_curve,
    sample_actions,
    scale_actions,
)
from smile_jax.faces.families.face_model import FaceModel, Person
from smile_jax.faces.randomization import (
    Randomization,
    Surface,
    draw_gains,
    draw_surface,
    unlike_any,
)
from smile_jax.mesh.cameras import view_rotation
from smile_jax.mesh.raster import vertex_normals
from smile_jax.mesh.types import Mesh


@dataclasses.dataclass(frozen=True)
class Difficulty:
    """Difficulty of faces to read; defaults are this project's choice (docs/data.md).

    Attributes:
      strength: factor on every action: 1 as they are posed, 0.1 of a micro-expression.
      identity: factor on the identity's standard deviation.
      dropout, asymmetry, noise, unrelated: of the actions, see `sample_actions`.
      blend: largest share of another expression in each performance, drawn evenly; from
        0.5 on some could as well be of the other (`expressions.blend_ceiling`).
      pose_deg: standard deviation of head yaw and pitch, degrees; roll has half.
      shift_mm: standard deviation of the head's position in the image plane.
      sensor_mm: standard deviation of the sensor's depth noise at each point.
      holes: mean number of holes of a scan.
      hole_mm: mean radius of a hole.
      lighting: strength in [0, 1] of the shading that a scanner's lights leave in the
        texture.
      randomize: also vary shapes, cuts and samplings; None leaves heads as they are.
        A dict of its fields is taken too.
    """

    strength: float = 1.0
    identity: float = 1.0
    dropout: float = 0.05
    asymmetry: float = 0.1
    noise: float = 0.12
    unrelated: float = 0.03
    blend: float = 0.0
    pose_deg: float = 7.5
    shift_mm: float = 5.0
    sensor_mm: float = 0.15
    holes: float = 1.0
    hole_mm: float = 6.0
    lighting: float = 0.3
    randomize: Randomization | None = None

    def __post_init__(self) -> None:
        if isinstance(self.randomize, dict):
            object.__setattr__(self, "randomize", Randomization(**self.randomize))


# Of recordings in which micro-expressions are looked for, and their weights.
RECORDED = Difficulty(pose_deg=5.0, shift_mm=4.0)
MICRO_STRENGTH = (0.05, 0.25)
_DRIFT = 0.3  # of a head in a recording, share of the spread of poses


@dataclasses.dataclass(frozen=True)
class Subject:
    """A person of a family, as datasets have them.

    Attributes:
      person: as the family gives them.
      colors: (n, 3) pigments in [0, 1].
      gains: on the weight of each action; 1 where it is not named.
      scale: factor on lengths.
    """

    person: Person
    colors: Float32[np.ndarray, "n 3"]
    gains: Mapping[str, float] = dataclasses.field(default_factory=dict)
    scale: float = 1.0


def sample_subject(
    model: FaceModel, rng: np.random.Generator, difficulty: Difficulty
) -> Subject:
    """Draws a person. Skin runs from light to dark, evenly (this project's choice)."""
    how = difficulty.randomize
    if how:
        person = unlike_any(model, rng, difficulty.identity, how)
        gains = draw_gains((*model.actions, *model.idle), rng, how)
        scale = float(rng.uniform(*how.scale))
    else:
        person = model.sample_person(rng, difficulty.identity)
        gains, scale = {}, 1.0
    light, dark = np.array([0.93, 0.76, 0.66]), np.array([0.28, 0.17, 0.12])
    tone = rng.uniform()
    skin = light * (1 - tone) + dark * tone + 0.02 * rng.standard_normal(3)
    lips = skin * [1.0, 0.68, 0.68] + 0.03 * rng.standard_normal(3)
    brows = skin * rng.uniform(0.25, 0.8)
    colors = model.base_colors.copy()
    for weight, pigment in (
        (model.skin, skin),
        (model.lips, lips),
        (model.brows, brows),
    ):
        colors = colors * (1 - weight[:, None]) + weight[:, None] * pigment
    return Subject(
        person=person,
        colors=np.clip(colors, 0, 1).astype(np.float32),
        gains=gains,
        scale=scale,
    )


@dataclasses.dataclass(frozen=True)
class Clip(Sequence[Mesh]):
    """A performed expression; its frames are made when they are asked for.

    Attributes:
      model, subject, difficulty: as given to `sample_clip`.
      course: action -> (t,) weight in each frame.
      pose_deg: (t, 3) yaw, pitch and twice the roll of the head in each frame.
      shift: of the head from the scanner's middle, in mm.
      light: direction of the light that stays in the texture.
      faces: triangles without the scan's holes.
      surface: how the scanner samples the head; None: by the model's own points.
      noise: state of the generator that the sensor noise is drawn from.
      events: what is expressed when, in order.
    """

    model: FaceModel
    subject: Subject
    difficulty: Difficulty
    course: Mapping[str, np.ndarray]
    pose_deg: np.ndarray
    shift: np.ndarray
    light: np.ndarray
    faces: np.ndarray
    surface: Surface | None
    noise: Any
    events: tuple[Event, ...]

    def __len__(self) -> int:
        return len(self.pose_deg)

    def __getitem__(self, index):
        frame = range(len(self))[index]
        course = self.course.items()
        gains = self.subject.gains
        actions = {
            name: weights[frame] * gains.get(name, 1.0)
            for name, weights in course
            if weights[frame]
        }
        vertices = self.model.acting(self.subject.person.rest, actions)
        rotation = _head_rotation(self.pose_deg[frame])
        if self.surface is None:
            vertices = vertices + self._sensor_noise(frame, vertices)
            vertices = (vertices @ rotation.T + self.shift).astype(np.float32)
            landmarks = vertices[self.model.landmarks]
            colors, faces = self.subject.colors, self.faces
        else:
            vertices = self.subject.scale * vertices
            landmarks = vertices[self.model.landmarks] @ rotation.T + self.shift
            vertices = self.surface.sampling @ vertices
            vertices = vertices + self._sensor_noise(frame, vertices)
            vertices = (vertices @ rotation.T + self.shift).astype(np.float32)
            colors = self.surface.sampling @ self.subject.colors
            faces = self.surface.faces
        return Mesh(
            vertices=vertices,
            faces=faces,
            colors=_baked_light(colors, vertices, faces, self.light, self.difficulty),
            landmarks=landmarks.astype(np.float32),
        )

    def _sensor_noise(self, frame: int, vertices: np.ndarray) -> np.ndarray:
        """Depth noise of a scanner, along z; each frame's is its own."""
        bits = np.random.PCG64()
        bits.state = self.noise
        bits.advance(frame << 40)
        noise = np.zeros_like(vertices)
        draws = np.random.Generator(bits).standard_normal(len(vertices))
        noise[:, 2] = self.difficulty.sensor_mm * draws
        return noise


def sample_clip(
    model: FaceModel,
    subject: Subject,
    expression: str,
    intensity: int,
    rng: np.random.Generator,
    difficulty: Difficulty,
    num_frames: int = 1,
) -> Clip:
    """Performs an expression: one scan, or a sequence from neutral over apex back.

    Pose, position, light, holes and the performance are drawn once a clip, sensor
    noise once a frame; in a sequence the head also drifts a little.

    Args:
      model: the face model.
      subject: drawn by `sample_subject` from the same model.
      expression: one of `EXPRESSIONS`.
      intensity: 1 to 4; 0 with "neutral".
      rng: source of all randomness, of NumPy's default kind (PCG64).
      difficulty: see there.
      num_frames: T; 1 is a scan at the apex.
    """
    draw = functools.partial(
        sample_actions,
        intensity=intensity,
        rng=rng,
        dropout=difficulty.dropout,
        asymmetry=difficulty.asymmetry,
        noise=difficulty.noise,
        unrelated=difficulty.unrelated,
    )
    actions = draw(expression)
    if difficulty.blend and expression != "neutral":
        other, share = draw_blend(expression, rng, difficulty.blend)
        mixed = draw(other)
        actions = {
            name: (1 - share) * actions.get(name, 0.0) + share * mixed.get(name, 0.0)
            for name in {**actions, **mixed}  # in one order
        }
    curve = expression_curve(num_frames, rng) if num_frames > 1 else np.ones(1)
    pose = difficulty.pose_deg * rng.standard_normal(3)
    drift = 0.2 * difficulty.pose_deg * rng.standard_normal(3)
    time = np.arange(num_frames) / max(num_frames - 1, 1)
    shift = np.append(difficulty.shift_mm * rng.standard_normal(2), 0)
    faces = _punch_holes(model, rng, difficulty)
    surface = _surface(model, subject, faces, rng, difficulty)
    return Clip(
        model=model,
        subject=subject,
        difficulty=difficulty,
        course={
            name: weight * curve
            for name, weight in scale_actions(actions, difficulty.strength).items()
        },
        pose_deg=pose + drift * (time - 0.5)[:, None],
        shift=shift,
        light=rng.standard_normal(3) + np.array([0, 0, 2]),
        faces=faces,
        surface=surface,
        noise=rng.bit_generator.state,
        events=(),
    )


def seed_of(name: str) -> int:
    """The seed of a person or performance, by its name."""
    return zlib.crc32(name.encode())


def micro_seeds(seed: int, person: int, take: int) -> tuple[int, int]:
    """Returns the seeds of a person and of one of the micro-expressions, from 1 on.

    They are the same wherever the micro-expression is performed.
    """
    subject = f"S{person:04d}"
    return seed_of(f"{seed}/{subject}"), seed_of(f"{seed}/{subject}_{take:03d}")


def sample_micro_clip(
    model: FaceModel,
    subject: Subject,
    emotions: Sequence[str],
    rng: np.random.Generator,
    difficulty: Difficulty,
    num_frames: int,
    rate_hz: float,
) -> Clip:
    """Draws one micro-expression, between a moment before it and one after.

    Args:
      model: see `sample_clip`.
      subject: see `sample_clip`.
      emotions: names of 4DME's, shown all at once.
      rng: see `sample_clip`.
      difficulty: see `sample_clip`.
      num_frames: T.
      rate_hz: frames a second.
    """
    return _recorded(
        model, subject, [MICRO], [emotions], rng, difficulty, num_frames, rate_hz
    )


def sample_recording(
    model: FaceModel,
    subject: Subject,
    rng: np.random.Generator,
    difficulty: Difficulty,
    num_frames: int,
    rate_hz: float,
) -> Clip:
    """A long sequence in which several micro- and macro-expressions are to be found.

    Args: as of `sample_micro_clip`.
    """
    kinds = [MICRO] * int(rng.integers(2, 6)) + [MACRO] * int(rng.integers(1, 4))
    kinds = [kinds[i] for i in rng.permutation(len(kinds))]
    takes = micro_takes(int(rng.integers(1 << 31)))
    emotions = [takes[rng.integers(len(takes))] for _ in kinds]
    return _recorded(
        model, subject, kinds, emotions, rng, difficulty, num_frames, rate_hz
    )


def _recorded(
    model: FaceModel,
    subject: Subject,
    kinds: Sequence[str],
    emotions: Sequence[Sequence[str]],
    rng: np.random.Generator,
    difficulty: Difficulty,
    num_frames: int,
    rate_hz: float,
) -> Clip:
    """Events among blinks, speech, gaze and a drifting head."""
    events = place_events(
        kinds,
        emotions,
        rng,
        num_frames=num_frames,
        rate_hz=rate_hz,
        strength=MICRO_STRENGTH,
    )
    idle = idle_course(num_frames, rate_hz, rng)
    course: dict[str, Any] = dict(idle)
    for event in events:
        curve = event.curve(num_frames)
        for name, weight in event.actions.items():
            course[name] = course.get(name, 0.0) + weight * curve
    course = {name: np.minimum(weights, 1) for name, weights in course.items()}
    pose = difficulty.pose_deg * rng.standard_normal(3)
    drift = head_drift(num_frames, rate_hz, _DRIFT * difficulty.pose_deg, rng)
    shift = np.append(difficulty.shift_mm * rng.standard_normal(2), 0)
    light = rng.standard_normal(3) + np.array([0, 0, 2])
    faces = _punch_holes(model, rng, difficulty)
    return Clip(
        model=model,
        subject=subject,
        difficulty=difficulty,
        course=course,
        pose_deg=pose + drift,
        shift=shift,
        light=light,
        faces=faces,
        surface=_surface(model, subject, faces, rng, difficulty),
        noise=rng.bit_generator.state,
        events=events,
    )


def _surface(
    model: FaceModel,
    subject: Subject,
    faces: np.ndarray,
    rng: np.random.Generator,
    difficulty: Difficulty,
) -> Surface | None:
    how = difficulty.randomize
    return draw_surface(model, subject.person.rest, faces, rng, how) if how else None


def _head_rotation(pose_deg: np.ndarray) -> np.ndarray:
    yaw, pitch, roll = pose_deg
    angle = np.deg2rad(roll / 2)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ view_rotation(-yaw, -pitch)


def _baked_light(
    colors: np.ndarray,
    vertices: np.ndarray,
    faces: np.ndarray,
    light: np.ndarray,
    difficulty: Difficulty,
) -> np.ndarray:
    """Vertex colours under one distant light, as far as it stays in the texture."""
    normals = vertex_normals(vertices, faces)
    lit = np.maximum(normals @ (light / np.linalg.norm(light)), 0)
    shade = 1 - difficulty.lighting * (1 - lit)
    return (colors * shade[:, None]).astype(np.float32)


def _punch_holes(
    model: FaceModel, rng: np.random.Generator, difficulty: Difficulty
) -> np.ndarray:
    """The model's faces without those inside the scan's holes."""
    keep = np.ones(len(model.faces), bool)
    for _ in range(rng.poisson(difficulty.holes)):
        center = model.mean[rng.integers(len(model.mean))]
        radius = difficulty.hole_mm * rng.gamma(4.0) / 4
        near = np.linalg.norm(model.mean - center, axis=1) < radius
        keep &= ~near[model.faces].any(axis=1)
    return np.ascontiguousarray(model.faces[keep])
