"""Sorts the files that a user names into single scans and sequences."""

import dataclasses
import functools
import glob
import itertools
import pathlib
import re
from collections.abc import Iterable

import numpy as np

from smile_jax.core.text_files import read_names
from smile_jax.data.folder_layout import numbers_as_numbers, of_another_sequence
from smile_jax.data.source_folder import missing_numbers
from smile_jax.landmarking.head_scan import look_at
from smile_jax.mesh import Mesh, MeshError, frame_mesh, read_mesh
from smile_jax.mesh.displacement import Displacement
from smile_jax.mesh.readers import MESH_SUFFIXES, is_scan
from smile_jax.mesh.texture_paths import IMAGE_SUFFIXES

HOWS = ("auto", "sequence", "each")
# Frames that follow each other are nearer, scans of other people or of other takes
# farther apart (this project's choice, see `Displacement.misfit`).
_ONE_HEAD_MM = 0.7
_LARGEST_NUMBER = 10**8  # of a frame; what is larger is a date or a time
_DEEPEST_LISTS = 8  # lists that name lists
_BELONGING = {*IMAGE_SUFFIXES, ".mtl", ".bin", ".lm2", ".lm3", ".bnd", ".json"}


@dataclasses.dataclass(frozen=True)
class InputClip:
    """A scan or a sequence, which gets one answer.

    Attributes:
      name: the file, or the folder of the frames.
      paths: one scan, or frames in order.
      within: folder outside of which nothing that they name is opened; see `read_mesh`.
      head: which of the heads that it shows, the surest first; -1 where nobody asked.
    """

    name: str
    paths: tuple[pathlib.Path, ...]
    within: pathlib.Path | None = None
    head: int = -1

    @functools.cached_property
    def numbers(self) -> tuple[int, ...] | None:
        """The frames' numbers in their names; None where these have none.

        Raises:
          MeshError: two frames have the same number.
        """
        if len(self.paths) < 2 or of_another_sequence(self.paths):
            return None
        parts = [re.split(r"(\d+)", path.name) for path in self.paths]
        both = enumerate(zip(*parts[:2], strict=True))
        place = next((i for i, (one, other) in both if one != other), None)
        if place is None:
            return None
        numbers = tuple(int(part[place]) for part in parts)
        for first, second in itertools.pairwise(
            sorted(zip(numbers, self.paths, strict=True))
        ):
            if first[0] == second[0]:
                raise MeshError(
                    f"{first[1]} and {second[1]} are both frame {first[0]}: keep one"
                )
        return numbers if max(numbers) <= _LARGEST_NUMBER else None

    @property
    def gaps(self) -> tuple[str, ...]:
        """What is to be said of frame numbers that are missing."""
        if self.numbers is None:
            return ()
        numbers = np.sort(self.numbers)
        steps = np.diff(numbers)
        if (steps == steps[0]).all():
            if steps[0] == 1:
                return ()
            return (
                f"its frame numbers go in steps of {steps[0]}: the rate is taken as "
                "that of the numbers",
            )
        missing = missing_numbers(numbers.tolist())
        at = int(steps.argmax())
        return (
            f"{missing} frame numbers are missing between {numbers[0]} and "
            f"{numbers[-1]}, such as after {numbers[at]}; times are by the numbers",
        )


def clip_of(*paths: pathlib.Path) -> InputClip:
    """A scan, or a sequence's frames in order, named by the first file."""
    return InputClip(str(paths[0]), paths)


@dataclasses.dataclass
class InputFiles:
    """The scans and sequences that were found.

    Attributes:
      clips: to be answered.
      decided: a line for each folder of which nobody said what it is.
      other_files: what lies in folders and is neither a mesh nor belongs to one.
    """

    clips: list[InputClip] = dataclasses.field(default_factory=list)
    decided: list[str] = dataclasses.field(default_factory=list)
    other_files: list[str] = dataclasses.field(default_factory=list)


def each_head(clips: Iterable[InputClip]) -> list[InputClip]:
    """The clips, and one for each head of those that show several.

    They are named `FILE#1`, `FILE#2`, ..., the surest head first.
    """
    found: list[InputClip] = []
    for clip in clips:
        try:
            count = look_at(read_mesh(clip.paths[0], clip.within)).heads
        except MeshError:  # it is said where the clip itself is read
            count = 1
        if count < 2:
            found.append(clip)
            continue
        found += [
            dataclasses.replace(clip, name=f"{clip.name}#{head + 1}", head=head)
            for head in range(count)
        ]
    return found


def find_inputs(
    given: Iterable[str | pathlib.Path], how: str = "auto", *, recursive: bool = False
) -> InputFiles:
    """Sorts files and folders into scans and sequences.

    Args:
      given: mesh files, folders, globs, or `@FILE`, a text file that lists them, a line
        each.
      how: "sequence": a folder's meshes are frames of one; "each": single scans;
        "auto": frames, if their names differ by one number alone and neighbours show
        the same head.
      recursive: also folders in folders, each by itself.

    Raises:
      MeshError: there is no such file; or a folder is neither the one nor the other.
    """
    if how not in HOWS:
        raise ValueError(f"{how!r}: must be one of {', '.join(HOWS)}")
    found = InputFiles()
    for path in _expanded(given, _DEEPEST_LISTS):
        if not path.is_dir():
            found.clips.append(InputClip(str(path), (path,)))
            continue
        folders = [path]
        if recursive:
            folders += sorted(p for p in path.rglob("*") if p.is_dir())
        with_meshes = [folder for folder in folders if _listed(folder)]
        if not with_meshes:
            raise _without_meshes(path, deeper=not recursive and _any_below(path))
        for folder in with_meshes:
            _add_folder(found, folder, how, path)
        for folder in folders:
            found.other_files += other_files(folder)
    return found


def _expanded(given: Iterable[str | pathlib.Path], depth: int) -> list[pathlib.Path]:
    """Globs and lists as the paths that they stand for."""
    found: list[pathlib.Path] = []
    for one in given:
        text = str(one)
        path = pathlib.Path(one)
        if text.startswith("@"):
            listed = pathlib.Path(text[1:])
            if not listed.is_file():
                raise MeshError(f"{listed}: there is no such list")
            if not depth:
                raise MeshError(f"{listed}: lists in lists, more than {_DEEPEST_LISTS}")
            found += _expanded(read_names(listed), depth - 1)
        elif path.exists():
            found.append(path)
        elif glob.has_magic(text):
            matching = _matching(path)
            if not matching:
                raise MeshError(f"{text}: no file matches")
            found += matching
        else:
            raise MeshError(f"{path}: there is no such file or folder")
    return found


def _matching(pattern: pathlib.Path) -> list[pathlib.Path]:
    """The paths of a glob, whose leading folders may have its signs in their names."""
    there = next(p for p in [*pattern.parents, pathlib.Path()] if p.is_dir())
    rest = glob.glob(str(pattern.relative_to(there)), root_dir=there, recursive=True)
    return sorted(there / name for name in rest)


def meshes_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """The meshes of a folder, in order of their names and numbers.

    Raises:
      MeshError: it has none.
    """
    found = _listed(folder)
    if not found:
        raise _without_meshes(folder)
    return found


def _without_meshes(folder: pathlib.Path, *, deeper: bool = False) -> MeshError:
    below = "; its folders have some: use --recursive" if deeper else ""
    return MeshError(f"{folder}: no meshes in it ({', '.join(MESH_SUFFIXES)}){below}")


def _listed(folder: pathlib.Path) -> list[pathlib.Path]:
    found = [
        p for p in folder.iterdir() if is_scan(p) and p.name[0] != "." and p.is_file()
    ]
    return sorted(found, key=numbers_as_numbers)


def _any_below(folder: pathlib.Path) -> bool:
    return any(map(is_scan, folder.rglob("*")))


def _add_folder(
    found: InputFiles, folder: pathlib.Path, how: str, within: pathlib.Path
) -> None:
    paths = _listed(folder)
    if len(paths) == 1:
        how = "each"
    elif how == "auto":
        how, why = _decide(folder, paths, within)
        kind = "one sequence" if how == "sequence" else "single scans"
        found.decided.append(f"{folder}: {len(paths)} meshes, taken as {kind}: {why}")
    if how == "sequence":
        found.clips.append(InputClip(str(folder), frames_in(folder), within))
    else:
        found.clips += [InputClip(str(path), (path,), within) for path in paths]


def frames_in(folder: pathlib.Path) -> tuple[pathlib.Path, ...]:
    """The meshes of a folder, in order of their names and numbers.

    Raises:
      MeshError: it has none, or their names are not those of one sequence's frames.
    """
    paths = meshes_in(folder)
    if other := of_another_sequence(paths):
        raise MeshError(
            f"{folder}: {paths[0].name} and {other.name} are not frames of one "
            "sequence, whose names differ by one number alone: give each sequence a "
            "folder of its own, or take them as single scans (--each)"
        )
    return tuple(paths)


def _decide(
    folder: pathlib.Path, paths: list[pathlib.Path], within: pathlib.Path
) -> tuple[str, str]:
    """Decides if a folder's meshes are scans or frames, and says why."""
    if other := of_another_sequence(paths):
        return "each", f"{paths[0].name} and {other.name} differ by more than a number"
    middle = len(paths) // 2
    # Neighbours at the start, in the middle and at the end.
    starts = sorted({0, min(middle, len(paths) - 2), len(paths) - 2})
    apart: list[float] = []
    for i in starts:
        try:
            apart.append(_apart(paths[i], paths[i + 1], within))
        except MeshError as error:
            failed = error
    if not apart:
        raise MeshError(f"{folder}: neither a sequence nor scans: {failed}")
    near = [distance < _ONE_HEAD_MM for distance in apart]
    said = f"{min(apart):.2g} to {max(apart):.2g} mm apart"
    if all(near):
        return "sequence", f"neighbours are {said}"
    if not any(near):
        return "each", f"neighbours are {said}, as other heads are"
    raise MeshError(
        f"{folder}: some of its meshes are as near to the next as frames of a sequence "
        f"are, some are not ({said}): say which it is, --sequence or --each"
    )


def _apart(first: pathlib.Path, second: pathlib.Path, within: pathlib.Path) -> float:
    """Returns the distance of two heads in mm; infinite if their units differ."""
    meshes: list[Mesh] = [read_mesh(first, within), read_mesh(second, within)]
    scans = [look_at(mesh) for mesh in meshes]
    if scans[0].unit_mm != scans[1].unit_mm:
        return float("inf")
    one, other = (s.prepared(m) for s, m in zip(scans, meshes, strict=True))
    return Displacement(one, frame_mesh(one)).misfit(other)


def other_files(folder: pathlib.Path) -> list[str]:
    """Lists the files of a folder that are no meshes and belong to none.

    Textures, materials, buffers and landmarks belong to meshes.
    """
    known = {*MESH_SUFFIXES, *_BELONGING}
    return sorted(
        str(p)
        for p in folder.iterdir()
        if p.is_file() and (p.suffix.lower() not in known or p.name[0] == ".")
    )
