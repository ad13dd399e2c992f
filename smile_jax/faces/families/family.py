"""What is to be said of a face family, and how it is found and loaded."""

import dataclasses
import pathlib
from collections.abc import Callable

from smile_jax.faces.families.face_model import FaceModel


@dataclasses.dataclass(frozen=True)
class Family:
    """A face family and its card.

    Attributes:
      name: as datasets and results name it.
      title: in words.
      source: who made it, and from what.
      licence: as its makers state it, and where they do.
      where: it comes from.
      points: of a head as it is used here.
      people: how they vary.
      units: of its files.
      odd: what to know before using it.
      archive: a word of its archives' names, in lower case.
      load: reads it from a path, "" where none is needed, with so many identity modes
        at most (None: all); raises `MeshError`.
      has_mark: tells by the path of one file inside a tree or archive that this is it.
    """

    name: str
    title: str
    source: str
    licence: str
    where: str
    points: int
    people: str
    units: str
    odd: str
    archive: str
    load: Callable[[str | pathlib.Path, int | None], FaceModel]
    has_mark: Callable[[str], bool]
