"""Finds the files that a mesh names: names in scans are rarely quite right."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable

from smile_jax.mesh.types import Material

MOST_NAMES = 16  # of images in a file that are looked for
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
TEXTURE_MISSING = "texture image missing"
_SHOWN = 100  # letters of a name
_LONGEST_NAME = 255  # bytes, that file systems take
_DEEPEST = 16  # folders in a name


@dataclasses.dataclass
class FilesBeside:
    """The files that a mesh may name, and what was not found among them.

    Attributes:
      mesh: the mesh file.
      within: no file outside of this folder is opened, whatever the mesh says.
      notes: a line for each name that led to no file.
      images_missed: how many images that are named were not found.
    """

    mesh: pathlib.Path
    within: pathlib.Path
    notes: list[str] = dataclasses.field(default_factory=list)
    images_missed: int = 0
    _listed: dict[pathlib.Path, dict[str, list[str]]] = dataclasses.field(
        default_factory=dict
    )

    def find(self, name: str, base: pathlib.Path | None = None) -> pathlib.Path | None:
        """Finds a file by the name that another file gives.

        Looked for where the name says, with slashes or backslashes between folders and
        whatever the case; then by its last part beside the mesh.

        Args:
          name: as written.
          base: folder of the file that says so; by default the mesh's.
        """
        parts = pathlib.PureWindowsPath(name).parts  # of either kind of slash
        if not parts or "\0" in name:
            return None
        folder = base or self.mesh.parent
        if not pathlib.PureWindowsPath(name).anchor:
            place = pathlib.Path(os.path.normpath(folder.joinpath(*parts)))
            if self._allowed(place) and (found := self._in_any_case(place)):
                return found
        return self._in_any_case(self.mesh.parent / parts[-1])

    def image(
        self, names: Iterable[str], base: pathlib.Path | None = None
    ) -> pathlib.Path | None:
        """Finds a texture image by its names, of which any may be right.

        After `find`, the same stem with any image suffix beside the mesh. What is named
        and not found is noted.
        """
        wanted = list(itertools.islice(dict.fromkeys(names), 2 * MOST_NAMES))
        for name in wanted:
            if found := self.find(name, base):
                return found
        for name in wanted:
            if found := self._of_stem(pathlib.PureWindowsPath(name).stem):
                return found
        if wanted:
            self.images_missed += 1
            self.miss("texture image", wanted[0])
        return None

    def _of_stem(self, stem: str) -> pathlib.Path | None:
        for suffix in IMAGE_SUFFIXES:
            if stem and (
                found := self._in_any_case(self.mesh.parent / (stem + suffix))
            ):
                return found
        return None

    def miss(self, what: str, name: str) -> None:
        """Notes that a file that the mesh names is not there, or may not be opened."""
        shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "..."
        line = f"its {what} {shown!r} is not found in {self.within}"
        if line not in self.notes and len(self.notes) < MOST_NAMES:
            self.notes.append(line)

    def with_own_image(
        self, materials: tuple[Material, ...]
    ) -> tuple[tuple[Material, ...], dict[str, int]]:
        """The materials, with the image of the mesh's own name where none has one.

        Args:
          materials: of a mesh with texture coordinates.

        Returns:
          The materials and what counts as a repair.
        """
        if any(material.image for material in materials):
            return materials, {}
        if image := self._of_stem(self.mesh.stem):
            self.notes.clear()
            return (Material(image),) * max(len(materials), 1), {}
        return materials, {TEXTURE_MISSING: 1} if self.images_missed else {}

    def _in_any_case(self, place: pathlib.Path) -> pathlib.Path | None:
        """A file of this path, or of one that differs in the case of its letters."""
        return self._entry(place, _DEEPEST, pathlib.Path.is_file)

    def _entry(
        self,
        place: pathlib.Path,
        depth: int,
        is_kind: Callable[[pathlib.Path], bool],
    ) -> pathlib.Path | None:
        if not depth or len(os.fsencode(place.name)) > _LONGEST_NAME:
            return None
        if is_kind(place):
            return place
        folder: pathlib.Path | None = place.parent
        if not place.parent.is_dir() and place.parent != place:
            folder = self._entry(place.parent, depth - 1, pathlib.Path.is_dir)
        if folder is None:
            return None
        if folder not in self._listed:
            self._listed[folder] = _names_in(folder)
        same = self._listed[folder].get(place.name.lower(), [])
        return next((folder / name for name in same if is_kind(folder / name)), None)

    def _allowed(self, place: pathlib.Path) -> bool:
        return _absolute(place).is_relative_to(_absolute(self.within))


def _absolute(path: pathlib.Path) -> pathlib.Path:
    """Without following links: data folders are often made of them."""
    return pathlib.Path(os.path.abspath(path))


def _names_in(folder: pathlib.Path) -> dict[str, list[str]]:
    """The names of a folder's entries by what they are in small letters."""
    found: dict[str, list[str]] = {}
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in entries:
                found.setdefault(entry.name.lower(), []).append(entry.name)
    return {lower: sorted(names) for lower, names in found.items()}


def as_text(name: bytes) -> str:
    """A file's name in a mesh: UTF-8, or what Western Windows wrote before."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")
