"""Sources of a sequence's landmarks: files, fixed vertices, or the landmarker."""

import collections
import dataclasses
import json
import pathlib
from collections.abc import Iterable

import numpy as np

from smile_jax.core.text_files import read_text
from smile_jax.data.source_folder import FolderError
from smile_jax.mesh import Landmarks, Mesh, MeshError, read_landmarks
from smile_jax.mesh.landmark_tracks import read_frame

_OFFSETS = (0, 1, -1, 2, -2)


@dataclasses.dataclass(frozen=True)
class LandmarkFiles:
    """The landmark file of each frame.

    Attributes:
      paths: of the frames, in order; None where a frame has none.
      unit_mm: millimetres of the files' unit.
    """

    paths: tuple[pathlib.Path | None, ...]
    unit_mm: float = 1.0

    def __call__(self, index: int, mesh: Mesh) -> Landmarks:
        """Reads those of a frame.

        Raises:
          MeshError: it has none, or they are damaged.
        """
        path = self.paths[index]
        if path is None:
            raise MeshError(f"frame {index} has no landmark file")
        return _in_mm(read_landmarks(path), self.unit_mm)


@dataclasses.dataclass(frozen=True)
class LandmarkTrack:
    """The landmarks of a recording in one file, see `smile_jax.mesh.landmark_tracks`.

    Attributes:
      path: of the file.
      numbers: of the frames in the file, in order of the sequence.
      unit_mm: millimetres of the file's unit.
    """

    path: pathlib.Path
    numbers: tuple[int, ...]
    unit_mm: float = 1.0

    def __call__(self, index: int, mesh: Mesh) -> Landmarks:
        """Reads those of a frame.

        Raises:
          MeshError: it has none, or the file is damaged.
        """
        return _in_mm(read_frame(self.path, self.numbers[index]), self.unit_mm)


def _in_mm(landmarks: Landmarks, unit_mm: float) -> Landmarks:
    points = landmarks.points * np.float32(unit_mm)
    return dataclasses.replace(landmarks, points=points)


def numbers_offset(
    sequences: Iterable[tuple[Iterable[int], Iterable[int]]],
) -> tuple[int, int, int]:
    """Finds by how much landmark files are numbered higher than meshes.

    Some count from 1 where others count from 0. Frames that are missing are missing in
    both, so their order says nothing, and their numbers do.

    Args:
      sequences: numbers of the meshes and of the landmarks of each recording.

    Returns:
      (offset, meshes that have landmarks by it, meshes of the recordings that have
      any).

    Raises:
      FolderError: no offset fits half of the meshes, or two fit as many.
    """
    counts: collections.Counter[int] = collections.Counter()
    total = 0
    shown = ""
    for meshes, landmarks in sequences:
        first, second = set(meshes), set(landmarks)
        if not second:
            continue
        total += len(first)
        shown = shown or f"{_span(first)} and {_span(second)}"
        for offset in _OFFSETS:
            counts[offset] += len(first & {number - offset for number in second})
    ranked = sorted(_OFFSETS, key=lambda offset: -counts[offset])
    best, other = ranked[:2]
    if total and (2 * counts[best] < total or counts[best] == counts[other]):
        raise FolderError(
            f"meshes and landmarks are numbered {shown}: {counts[best]} of {total} fit "
            f"where these are {best} higher, {counts[other]} where {other}; name the "
            "config's landmark_offset"
        )
    return best, counts[best], total


def _span(numbers: set[int]) -> str:
    return f"{min(numbers)} to {max(numbers)}"


@dataclasses.dataclass(frozen=True)
class VertexLandmarks:
    """The same vertices of every mesh, for sets in correspondence.

    Attributes:
      vertices: (68,) numbers of the points, in Multi-PIE's order.
    """

    vertices: tuple[int, ...]

    def __call__(self, index: int, mesh: Mesh) -> Landmarks:
        """Returns the landmarks of a mesh.

        Raises:
          MeshError: it has fewer points, or cleaning changed which is which.
        """
        changed = [what for what in mesh.repairs if "points" in what]
        if changed:
            raise MeshError(
                f"{changed[0]}, so landmark_vertices no longer names its points; "
                "repair the file"
            )
        most = max(self.vertices)
        if most >= len(mesh.vertices):
            raise MeshError(
                f"landmark_vertices names the point {most} of {len(mesh.vertices)}; "
                "the list is of another topology"
            )
        points = mesh.vertices[list(self.vertices)]
        return Landmarks(points, scheme="multipie68")


@dataclasses.dataclass(frozen=True)
class DetectedLandmarks:
    """The landmarks that a mesh brings, or those that the landmarker finds on it.

    Attributes:
      always: find them even so.
    """

    always: bool = False

    def __call__(self, index: int, mesh: Mesh) -> Landmarks:
        """Returns the landmarks of a frame.

        Raises:
          MeshError: no face was found.
        """
        if mesh.landmarks is not None and not self.always:
            return Landmarks(mesh.landmarks, scheme="multipie68")
        # jax is slow to import, and most builds do without.
        from smile_jax.landmarking.landmarker import find_landmarks

        return find_landmarks(mesh)


def read_vertex_list(path: pathlib.Path) -> VertexLandmarks:
    """A JSON list of the numbers of 68 points, from 0.

    Raises:
      ValueError: naming the file and what is wrong.
    """
    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise ValueError(
            f"landmark_vertices={str(path)!r}: cannot be read as JSON "
            f"({str(error)[:200]})"
        ) from error
    good = isinstance(found, list) and all(type(i) is int and i >= 0 for i in found)
    if not good or len(found) != 68:
        raise ValueError(
            f"landmark_vertices={str(path)!r}: expected a list of the numbers of 68 "
            "points, in Multi-PIE's order, from 0"
        )
    return VertexLandmarks(tuple(found))
