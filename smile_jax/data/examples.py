"""The unit of work of a build: one sequence of meshes in, one example out."""

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from smile_jax.data.channels import MOVING
from smile_jax.data.records import PIXELS, as_stored
from smile_jax.data.rendering import RenderConfig, render_example, sample_frames
from smile_jax.data.rest import PersonScans, at_rest
from smile_jax.faces.captions import action_vector, apex_of, caption, tempo_of
from smile_jax.faces.landmark_motion import Measures, Reference, scan_points
from smile_jax.mesh import (
    Framing,
    Landmarks,
    Mesh,
    MeshError,
    RankPooling,
    frame_mesh,
)
from smile_jax.mesh.cameras import used_points
from smile_jax.mesh.displacement import Displacement, RigidMotion
from smile_jax.mesh.motion_magnification import MagnifiedSequence
from smile_jax.mesh.pose import (
    Anchors,
    Pose,
    frontalize,
    pose_from_anchors,
    pose_from_surface,
)

# An unreadable frame is replaced by the first readable one at these steps; a sequence
# that loses more than this share of the frames it needs is given up (this project's
# choices).
_STEPS = (0, -1, 1, -2, 2)
_MAX_LOST = 0.1
_FARTHEST = 1e5  # mm, that a point may lie from the origin


@dataclasses.dataclass
class Sequence4D:
    """One example to build: its meshes, read lazily, and what is known about it.

    Everything in it must pickle: it is sent to the process that builds the example.

    Attributes:
      key: unique name; also the `sequence` feature.
      frames: its meshes in order; taking one reads it and may raise MeshError.
      labels: `subject`, `expression` (None where it has none) and any other features
        of the schema.
      numbers: each frame's number in the file names; 0, 1, 2, ... by default.
      anchors: reads the landmarks that fix the pose of the first frame.
      landmarks: gives the landmarks of a frame, by its place and mesh; without, those
        that its mesh has.
      facts: gives more labels, that are known where the example is made.
      person: scans that show how the person looks at rest, for captions; without, the
        sequence's own first frame does.
      rate_hz: frames a second; 0 where that is not known.
      place: says how the first frame is turned (None: it stays as it is) and framed, in
        place of the config.
    """

    key: str
    frames: Sequence[Mesh]
    labels: dict[str, Any]
    numbers: Sequence[int] | None = None
    anchors: Callable[[], Anchors] | None = None
    landmarks: Callable[[int, Mesh], Landmarks] | None = None
    facts: Callable[[], dict[str, Any]] | None = None
    person: PersonScans | None = None
    rate_hz: float = 0.0
    place: Callable[[Mesh], tuple[Pose | None, Framing]] | None = None


@dataclasses.dataclass
class BuildResult:
    """An example built from a sequence, and the files that could not be used.

    Attributes:
      key: of the sequence.
      example: of the schema, or None where the sequence was given up.
      frames: how many were rendered.
      skipped: a line for each file that was skipped, and why.
      notes: lines on what was done otherwise than asked.
      file_notes: lines on what files hold and was not read.
      texture_notes: of pictures with texture, lines on images and materials that files
        name and were not found.
      plain: of pictures with texture, frames whose colour is the same everywhere.
      repairs: what cleaning changed, by kind.
      rest: against what its caption was measured; "" without one.
      found: whether its landmarks were found, not delivered.
    """

    key: str
    example: dict[str, Any] | None = None
    frames: int = 0
    skipped: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    file_notes: list[str] = dataclasses.field(default_factory=list)
    texture_notes: list[str] = dataclasses.field(default_factory=list)
    plain: int = 0
    repairs: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    rest: str = ""
    found: bool = False


def make_example(sequence: Sequence4D, config: RenderConfig) -> BuildResult:
    """Reads, cleans, turns, renders and pools one sequence.

    Framing and pose are those of its first frame, so that motion stays motion. Frames
    are read and rendered one at a time, whatever their number.
    """
    made = BuildResult(sequence.key)
    try:
        made.example = _example(sequence, config, made)
    except MeshError as error:
        made.skipped.append(f"{sequence.key}: {error}")
    return made


def make_examples(
    sequences: Sequence[Sequence4D], config: RenderConfig
) -> list[BuildResult]:
    """Makes the examples of several sequences, one after the other.

    Those of one person share the face at rest, which the process remembers.
    """
    return [make_example(sequence, config) for sequence in sequences]


def _example(
    sequence: Sequence4D, config: RenderConfig, made: BuildResult
) -> dict[str, Any]:
    total = len(sequence.frames)
    if not total:
        raise MeshError("the sequence has no frames")
    if config.dynamic and total == 1:
        raise MeshError("one frame, of which there is no dynamic image: nothing moves")
    if config.magnify:
        low, high = config.band_hz
        frames = MagnifiedSequence(
            sequence.frames, config.magnify, sequence.rate_hz, (low, high)
        )
        sequence = dataclasses.replace(sequence, frames=frames)
    kept = sample_frames(total, config.frames)
    needed = range(total) if config.dynamic else kept.tolist()
    pooling = RankPooling(total)
    images: dict[int, np.ndarray] = {}
    motion: dict[int, np.ndarray] = {}
    renderer = _Renderer(sequence, config, made)
    for index in needed:
        shown = _nearest(renderer, index, total, made)
        if len(made.skipped) > max(_MAX_LOST * len(needed), 1):
            raise MeshError(f"{len(made.skipped)} of its frames are unreadable")
        made.frames += 1
        if index in kept:
            images[index] = shown.image.round().astype(PIXELS["views"])
            if config.motion:
                motion[index] = renderer.moved(shown)
        if config.dynamic:
            pooling.add(index, shown.image / 255)
    framing = renderer.framing
    assert framing is not None
    example = {
        "sequence": sequence.key,
        "intensity": -1,
        "gender": "unknown",
        "ethnicity": "unknown",
        "seed": -1,
        "yaw_deg": np.asarray(config.yaws_deg, np.float32),
        "mm_per_pixel": framing.mm_per_pixel(config.size),
        "rate_hz": sequence.rate_hz,
        **sequence.labels,
        **(sequence.facts() if sequence.facts else {}),
    }
    if example.get("expression") is None:
        example["expression"] = -1
    if config.frames:
        places = kept.tolist()
        example["views"] = _filled([images[i] for i in places], config.frames, 0)
        example["frame_index"] = _filled(renderer.numbers[kept], config.frames, -1)
    if config.motion:
        example["motion"] = _filled([motion[i] for i in places], config.frames, 0)
    if config.captions:
        example |= renderer.told()
        made.rest = example["rest"]
    if config.dynamic:
        example["dynamic"] = as_stored(pooling.image()[None], "dynamic")
    return example


def _filled(frames: Any, count: int, value: int) -> np.ndarray:
    """Pads frames with a value that stands for missing ones."""
    frames = np.asarray(frames)
    rest = [(0, count - len(frames))] + [(0, 0)] * (frames.ndim - 1)
    return np.pad(frames, rest, constant_values=value)


class _RenderedFrame(NamedTuple):
    """A rendered frame.

    Its picture, the mesh as it was turned, and its head's own motion where something is
    measured against that.
    """

    image: np.ndarray
    mesh: Mesh
    head: RigidMotion | None


class _Renderer:
    """Renders frames of a sequence, all turned and framed as the first one it got."""

    def __init__(
        self, sequence: Sequence4D, config: RenderConfig, made: BuildResult
    ) -> None:
        self._sequence, self._config, self._made = sequence, config, made
        numbers = sequence.numbers or range(len(sequence.frames))
        self.numbers = np.asarray(numbers, np.int32)
        self.framing: Framing | None = None
        self._motions: dict[int, Measures] = {}  # by the frame's place
        self._rest: Reference | None = None
        self._displacement: Displacement | None = None
        self._pose: Pose | None = None

    def __call__(self, index: int) -> _RenderedFrame:
        mesh = self._sequence.frames[index]
        _check_reach(mesh)
        framing, pose = self.framing, self._pose
        if framing is None:
            pose, framing = self._place(mesh)
        turned = frontalize(mesh, pose) if pose else mesh
        if self._config.captions:
            self._measure(index, mesh)
        config, look = self._config, self._displacement
        moving = [name for name in MOVING if name in config.channels]
        if look is None and (config.motion or config.still or moving):
            look = self._displacement = Displacement(turned, framing)
        head, shown = None, turned
        if look and (config.still or moving):  # once a frame, for all that needs it
            head = look.head_of(turned)
        if head and config.still:
            vertices = head(turned.vertices).astype(np.float32)
            shown = dataclasses.replace(turned, vertices=vertices)
        maps: dict[str, np.ndarray] = {}
        if look and moving:
            maps["displacement"] = look.of_points(turned, head)
            if "strain" in moving:
                maps["strain"] = look.strain(turned, maps["displacement"])
        image = render_example(shown, config, framing, maps)
        self.framing, self._pose = framing, pose
        self._tell(mesh)
        return _RenderedFrame(image, turned, head)

    def naming_file(self, error: MeshError, index: int) -> MeshError:
        """The error, with the frame's file in it."""
        paths = getattr(self._sequence.frames, "paths", ())
        if not paths or str(paths[index]) in str(error):
            return error
        return MeshError(f"{paths[index]}: {error}")

    def _tell(self, mesh: Mesh) -> None:
        """Counts what was repaired, and keeps what is to be said of a file."""
        made = self._made
        made.repairs.update(mesh.repairs)
        made.file_notes += [n for n in mesh.notes if n not in made.file_notes]
        if "texture" in self._config.channels:
            made.plain += not mesh.has_texture
            known = made.texture_notes
            known += [line for line in mesh.texture_notes if line not in known]

    def moved(self, shown: _RenderedFrame) -> np.ndarray:
        """Returns how far each region of a frame has moved since the first one."""
        assert self._displacement is not None
        return self._displacement(shown.mesh, shown.head)

    def _measure(self, index: int, mesh: Mesh) -> None:
        read, person = self._sequence.landmarks, self._sequence.person
        landmarks = read(index, mesh) if read else None
        self._made.found = landmarks is not None and landmarks.confidence is not None
        seen = scan_points(mesh, landmarks)
        self._rest = self._rest or at_rest(seen, person)
        self._motions[index] = self._rest.measure(seen)

    def told(self) -> dict[str, Any]:
        """Returns the caption in words and numbers, and the reference behind it."""
        assert self._rest is not None
        measured = list(self._motions.values())
        vector = action_vector(measured[apex_of(measured)], self._rest.kind)
        rate = self._sequence.rate_hz
        tempo: tuple[str, ...] = ()
        if self._config.tempo and rate and len(measured) > 1:
            tempo = tempo_of(measured, self.numbers[list(self._motions)] / rate)
        said = caption(vector, tempo)
        return {"caption": said, "actions": vector, "rest": self._rest.kind}

    def _place(self, mesh: Mesh) -> tuple[Pose | None, Framing]:
        """Returns the sequence's pose and framing, by its first frame."""
        if self._sequence.place:
            return self._sequence.place(mesh)
        pose = self._find_pose(mesh)
        if pose:
            return pose, pose.framing
        if self._config.framing == "face":
            return None, self._framing_of_face(mesh)
        return None, frame_mesh(mesh)

    def _framing_of_face(self, mesh: Mesh) -> Framing:
        """By the surface; by landmarks, if there are some, where it shows no face."""
        try:
            return pose_from_surface(mesh).framing
        except MeshError as error:
            if self._sequence.anchors is None:
                raise
            self._made.notes.append(
                f"{self._sequence.key}: framed by landmarks, not by its surface: "
                f"{error}"
            )
            return pose_from_anchors(self._sequence.anchors()).framing

    def _find_pose(self, mesh: Mesh) -> Pose | None:
        how = self._config.pose
        if how == "as_is":
            return None
        if how != "surface":
            try:
                if self._sequence.anchors is not None:
                    return pose_from_anchors(self._sequence.anchors())
                if how == "auto":
                    from smile_jax.landmarking.landmarker import find_pose

                    return find_pose(mesh)
                raise MeshError("it has no landmark file")
            except MeshError as error:
                self._made.notes.append(
                    f"{self._sequence.key}: turned by its surface, not by landmarks: "
                    f"{error}"
                )
        return pose_from_surface(mesh)


def _check_reach(mesh: Mesh) -> None:
    """Refuses coordinates that no scanner measures, now that the unit is known."""
    reach = np.abs(mesh.vertices[used_points(mesh)]).max()
    if not reach <= _FARTHEST:
        raise MeshError(
            f"its points reach {reach:.3g} mm; the mesh is damaged, or unit_mm is not "
            "its unit"
        )


def _nearest(
    render: _Renderer, index: int, total: int, made: BuildResult
) -> _RenderedFrame:
    """The picture of a frame, or of the nearest one that can be read."""
    first_error = None
    for step in _STEPS:
        if not 0 <= index + step < total:
            continue
        try:
            shown = render(index + step)
        except MeshError as error:
            first_error = first_error or render.naming_file(error, index + step)
            continue
        if first_error is not None:
            made.skipped.append(f"{made.key}: {first_error}")
        return shown
    raise first_error or MeshError(f"frame {index} cannot be read")
