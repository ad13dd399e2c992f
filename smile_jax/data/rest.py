"""A person's face at rest, against which captions are measured."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

from smile_jax.faces.families.procedural import load_procedural
from smile_jax.faces.landmark_motion import (
    Reference,
    ScanPoints,
    first_frame,
    modelled_at_rest,
    person_at_rest,
    scan_points,
)
from smile_jax.mesh import Landmarks, Mesh, MeshError

_ENOUGH = 3  # readable scans of a person, of which the median is at rest


@dataclasses.dataclass(frozen=True)
class PersonScans:
    """Scans of a person, whatever they show.

    Attributes:
      build: what tells one dataset's scans from another's of the same names.
      names: of the sequences.
      scans: the meshes of each, of which the first is looked at.
      landmarks: readers of a frame's landmarks, see `Sequence4D`.
    """

    build: str
    names: tuple[str, ...]
    scans: tuple[Sequence[Mesh], ...] = dataclasses.field(compare=False)
    landmarks: tuple[Callable[[int, Mesh], Landmarks] | None, ...] = dataclasses.field(
        compare=False
    )


def at_rest(first: ScanPoints, person: PersonScans | None) -> Reference:
    """Returns the reference of a sequence.

    Its first frame if nothing else is given; otherwise the median of the person's
    scans, or the face model's idea of the person if fewer than three scans can be read.

    Raises:
      MeshError: the landmarks do not suffice.
    """
    if person is None:
        return first_frame(first)
    return _of_person(person) or modelled_at_rest(first, _model())


@functools.lru_cache(maxsize=4)
def _of_person(person: PersonScans) -> Reference | None:
    found = []
    for meshes, landmarks in zip(person.scans, person.landmarks, strict=True):
        try:
            mesh = meshes[0]
            found.append(scan_points(mesh, landmarks(0, mesh) if landmarks else None))
        except MeshError:
            continue  # it is said where the scan itself is built
    return person_at_rest(found) if len(found) >= _ENOUGH else None


_model = functools.cache(load_procedural)
