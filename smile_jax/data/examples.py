"""The unit of work of a build: one sequence of meshes in, one example out."""

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from smile_jax.data.channels import MOVING
from smile_jax.data.records import PIXELS, as_stored
from smile_jax.data.rendering import RenderConfig, render_example, sample_frames
from smile_jax.data.rest import rest_by_model, rest_of_person
from smile_jax.faces.captions import action_vector, apex_of, caption, tempo_of
from smile_jax.faces.landmark_motion import (
    Reference,
    ScanPoints,
    first_frame,
    scan_points,
)
from smile_jax.landmarking.face_template import pose_by_landmarks
from smile_jax.mesh import Landmarks, Mesh, MeshError, RankPooling, frame_mesh
from smile_jax.mesh.cameras import used_points
from smile_jax.mesh.displacement import Displacement, RigidMotion
from smile_jax.mesh.motion_magnification import MagnifiedSequence
from smile_jax.mesh.pose import (
    Anchors,
    Placement,
    Pose,
    frontalize,
    on_the_nose,
    placed_by,
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
      anchors: reads the landmarks that fix the pose of the first frame; without, those
        that its mesh has do.
      landmarks: gives the landmarks of a frame, by its place and mesh; without, those
        that its mesh has.
      facts: gives more labels, that are known where the example is made.
      rate_hz: frames a second; 0 where that is not known.
      place: says how the first frame is turned, framed and cut, in place of the config.
    """

    key: str
    frames: Sequence[Mesh]
    labels: dict[str, Any]
    numbers: Sequence[int] | None = None
    anchors: Callable[[], Anchors] | None = None
    landmarks: Callable[[int, Mesh], Landmarks] | None = None
    facts: Callable[[], dict[str, Any]] | None = None
    rate_hz: float = 0.0
    place: Callable[[Mesh], Placement] | None = None


@dataclasses.dataclass(frozen=True)
class Task:
    """What one process makes in one go.

    Attributes:
      sequences: examples to make.
      person: captions are measured against the person's scans; otherwise against each
        sequence's own first frame.
      others: sequences of that person that are made elsewhere, and measured here.
    """

    sequences: tuple[Sequence4D, ...]
    person: bool = False
    others: tuple[Sequence4D, ...] = ()


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
    return make_examples(Task((sequence,)), config)[0]


def make_examples(task: Task, config: RenderConfig) -> list[BuildResult]:
    """Makes the examples of several sequences.

    Each scan is read once: it is drawn and measured, and the measurements wait until
    all of the person's scans are there.
    """
    begun = [_Begun.of(sequence, config) for sequence in task.sequences]
    if not config.captions:
        return [one.made for one in begun]
    rest = None
    if task.person:
        found = {s.key: b.first for s, b in zip(task.sequences, begun, strict=True)}
        # A second time only what could not be drawn, or is drawn elsewhere.
        again = [s for s in task.sequences if found[s.key] is None]
        found |= {s.key: _first_points(s) for s in (*again, *task.others)}
        first = {key: points for key, points in found.items() if points is not None}
        rest = rest_of_person([first[key] for key in sorted(first)])
    for one in begun:
        one.caption(rest, task, config)
    return [one.made for one in begun]


def _first_points(sequence: Sequence4D) -> ScanPoints | None:
    """The points of a first frame; None where the sequence's own task says why not."""
    read = sequence.landmarks
    try:
        mesh = sequence.frames[0]
        return scan_points(mesh, read(0, mesh) if read else None)
    except MeshError:
        return None


@dataclasses.dataclass
class _Begun:
    """An example whose captions are not yet written.

    Attributes:
      made: what it is.
      points: that were measured, by the frame's place.
      numbers: of the frames.
      rate_hz: frames a second.
    """

    made: BuildResult
    points: dict[int, ScanPoints] = dataclasses.field(default_factory=dict)
    numbers: np.ndarray | None = None
    rate_hz: float = 0.0

    @classmethod
    def of(cls, sequence: Sequence4D, config: RenderConfig) -> "_Begun":
        """Reads and draws a sequence."""
        made = BuildResult(sequence.key)
        renderer = _Renderer(sequence, config, made)
        try:
            made.example = _example(sequence, config, made, renderer)
        except MeshError as error:
            made.skipped.append(f"{sequence.key}: {error}")
        return cls(made, renderer.points, renderer.numbers, sequence.rate_hz)

    @property
    def first(self) -> ScanPoints | None:
        """Of the first frame that was measured."""
        return next(iter(self.points.values()), None)

    def caption(self, rest: Reference | None, task: Task, config: RenderConfig) -> None:
        """Adds the caption in words and numbers, and the reference behind it."""
        if self.made.example is None:
            return
        first = self.first
        assert first is not None and self.numbers is not None
        try:
            if rest is None:
                rest = rest_by_model(first) if task.person else first_frame(first)
            measured = [rest.measure(points) for points in self.points.values()]
        except MeshError as error:
            self.made.example = None
            self.made.skipped.append(f"{self.made.key}: {error}")
            return
        vector = action_vector(measured[apex_of(measured)], rest.kind)
        tempo: tuple[str, ...] = ()
        if config.tempo and self.rate_hz and len(measured) > 1:
            times = self.numbers[list(self.points)] / self.rate_hz
            tempo = tempo_of(measured, times)
        said = caption(vector, tempo)
        self.made.example |= {"caption": said, "actions": vector, "rest": rest.kind}
        self.made.rest = rest.kind


def _example(
    sequence: Sequence4D,
    config: RenderConfig,
    made: BuildResult,
    renderer: "_Renderer",
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
        renderer.sequence = dataclasses.replace(sequence, frames=frames)
    kept = sample_frames(total, config.frames)
    needed = range(total) if config.dynamic else kept.tolist()
    pooling = RankPooling(total)
    images: dict[int, np.ndarray] = {}
    motion: dict[int, np.ndarray] = {}
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
    placement = renderer.placement
    assert placement is not None
    example = {
        "sequence": sequence.key,
        "intensity": -1,
        "gender": "unknown",
        "ethnicity": "unknown",
        "seed": -1,
        "yaw_deg": np.asarray(config.yaws_deg, np.float32),
        "mm_per_pixel": placement.framing.mm_per_pixel(config.size),
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
        self.sequence, self._config, self._made = sequence, config, made
        numbers = sequence.numbers or range(len(sequence.frames))
        self.numbers = np.asarray(numbers, np.int32)
        self.placement: Placement | None = None
        self.points: dict[int, ScanPoints] = {}  # by the frame's place
        self._displacement: Displacement | None = None

    def __call__(self, index: int) -> _RenderedFrame:
        mesh = self.sequence.frames[index]
        _check_reach(mesh)
        placement = self.placement or self._place(mesh)
        pose, framing = placement.pose, placement.framing
        turned = frontalize(mesh, pose) if pose else mesh
        if self._config.captions:
            self.points[index] = self._measure(index, mesh)
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
        image = render_example(shown, config, framing, maps, placement.ball)
        self.placement = placement
        self._tell(mesh)
        return _RenderedFrame(image, turned, head)

    def naming_file(self, error: MeshError, index: int) -> MeshError:
        """The error, with the frame's file in it."""
        paths = getattr(self.sequence.frames, "paths", ())
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

    def _measure(self, index: int, mesh: Mesh) -> ScanPoints:
        read = self.sequence.landmarks
        landmarks = read(index, mesh) if read else None
        self._made.found = landmarks is not None and landmarks.confidence is not None
        return scan_points(mesh, landmarks)

    def _place(self, mesh: Mesh) -> Placement:
        """Returns how the sequence is shown, by its first frame."""
        if self.sequence.place:
            return self.sequence.place(mesh)
        config = self._config
        pose = self._find_pose(mesh)
        if pose is None:
            return Placement(None, frame_mesh(mesh))
        return placed_by(
            pose, turn=config.pose != "as_is", crop=config.framing == "crop"
        )

    def _find_pose(self, mesh: Mesh) -> Pose | None:
        """By what the config says; None where nothing is turned or looked for."""
        how, framing = self._config.pose, self._config.framing
        if how == "as_is" and framing == "box":
            return None
        ways = _WAYS[framing if how == "as_is" else how]
        failed: list[tuple[str, MeshError]] = []
        for name in ways:
            try:
                pose = self._pose_by(name, mesh)
            except MeshError as error:
                failed.append((name, error))
                continue
            if name == _LANDMARKS and framing == "crop":
                pose = on_the_nose(mesh, pose)
            for other, why in failed:
                if other != _LANDMARKS or how != "auto":
                    self._made.notes.append(
                        f"{self.sequence.key}: placed by its {name}, not by its "
                        f"{other}: {why}"
                    )
            return pose
        raise failed[0][1]

    def _pose_by(self, way: str, mesh: Mesh) -> Pose:
        if way == _SURFACE:
            return pose_from_surface(mesh)
        if way == _FACE:
            # jax is slow to import, and builds by landmarks or surfaces do without.
            from smile_jax.landmarking.first_look import require_face

            turn = self._config.pose != "as_is"
            return require_face(mesh, turn=turn).pose
        if self.sequence.anchors is not None:
            return pose_from_anchors(self.sequence.anchors())
        if mesh.landmarks is not None and len(mesh.landmarks) == _MULTIPIE:
            return pose_by_landmarks(mesh.landmarks)
        raise MeshError("it has no landmarks")


_FACE, _LANDMARKS, _SURFACE = "face", "landmarks", "surface"
_MULTIPIE = 68  # landmarks
# By what a face is placed, in order, by the pose of the config, or by its framing where
# heads stay as they are.
_WAYS = {
    "crop": (_FACE, _LANDMARKS),
    "face": (_SURFACE, _LANDMARKS),
    "found": (_FACE, _LANDMARKS, _SURFACE),
    "landmarks": (_LANDMARKS, _FACE, _SURFACE),
    "auto": (_LANDMARKS, _FACE, _SURFACE),
    "surface": (_SURFACE,),
}


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
