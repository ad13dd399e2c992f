"""Any meshes of yours: a tree whose paths say what they are, or a CSV that does."""

import contextlib
import csv
import dataclasses
import difflib
import io
import json
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from smile_jax.core.text_files import read_text
from smile_jax.data.examples import Sequence4D
from smile_jax.data.folder_layout import LayoutError, read_layout
from smile_jax.data.mesh_sequence import check_texture
from smile_jax.data.scan_builder import (
    ScanBuilder,
    ScanConfig,
    with_small,
)
from smile_jax.data.source_folder import (
    DatasetFolder,
    FolderError,
    pattern_regex,
)
from smile_jax.landmarking.face_units import unit_of
from smile_jax.landmarking.first_look import require_face
from smile_jax.mesh import Mesh, MeshError, VertexSequence, read_mesh
from smile_jax.mesh.depth_image import DEPTH_SUFFIXES, is_depth_image
from smile_jax.mesh.readers import MESH_SUFFIXES, is_scan

_GROUPS = (
    "subject", "sequence", "expression", "intensity", "gender", "ethnicity", "frame",
)  # fmt: skip
_SUFFIXES = (*MESH_SUFFIXES, *DEPTH_SUFFIXES)
_LOOKED_AT = 50  # meshes, before a config is suggested


@dataclasses.dataclass(kw_only=True)
class MeshFolderConfig(ScanConfig):
    """Settings of how a folder of meshes is read.

    Attributes:
      pattern: of the paths, with any of the groups subject, sequence, expression,
        intensity, gender, ethnicity, frame; `*` is anything but /, a final `.*` any
        mesh suffix. Files that differ in nothing but {frame} are one sequence.
      csv: in place of the pattern, a file in the folder with the column `path` and any
        of the groups as columns.
      classes: names of the expressions; () where there are no labels.
      template: a mesh in the folder whose triangles the `.npy` sequences have.
      unit_mm: see `ScanConfig`; 0: each file's is told by its face.
    """

    pattern: str = "{subject}/{expression}/{frame}.*"
    csv: str = ""
    classes: Sequence[str] = ()
    template: str = ""

    MAY_GUESS_UNIT: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.classes = tuple(self.classes)
        if not self.csv:
            regex = pattern_regex(self.pattern, _SUFFIXES)
            names = [part.split(">")[0] for part in regex.split("(?P<")[1:]]
            _check_names(names, f"pattern {self.pattern!r}")


def _check_names(names: Sequence[str], where: str) -> None:
    for name in names:
        if name not in _GROUPS:
            near = difflib.get_close_matches(name, _GROUPS, 1) or _GROUPS
            raise ValueError(f"{where} has {name!r}; did you mean {', '.join(near)}?")


def _check_people(
    table: pathlib.Path, rows: Sequence[tuple[dict[str, str], pathlib.Path]]
) -> None:
    """Refuses a table in which one file is of two people, or some are of nobody.

    Raises:
      FolderError: naming a file.
    """
    of_file: dict[pathlib.Path, str] = {}
    nobody = None
    for cells, path in rows:
        person = cells.get("subject", "")
        nobody = nobody or (None if person else path)
        if of_file.setdefault(path, person) != person:
            raise FolderError(
                f"{table}: {path} is of {of_file[path]!r} and of {person!r}; keep one"
            )
    if nobody is not None and any(of_file.values()):
        raise FolderError(
            f"{table}: {nobody} has no subject, where others have; name everybody"
        )


def _any_of(suffixes: Sequence[str]) -> str:
    return "|".join(map(re.escape, suffixes))


def _look(path: pathlib.Path, within: pathlib.Path) -> tuple[Mesh | None, str]:
    """A mesh, and what is to be said of it: that it cannot be read, or is no face."""
    try:
        mesh = read_mesh(path, within)
    except MeshError as error:
        return None, str(error)
    try:
        require_face(mesh)
    except MeshError as error:
        return mesh, f"{path}: {error}"
    return mesh, ""


def _unit_of(looked: Sequence[tuple[pathlib.Path, Mesh]]) -> tuple[float, str]:
    """The unit of all files, or 0 where each has its own; and a line on that."""
    of_unit: dict[float, pathlib.Path] = {}
    for path, mesh in looked:
        with contextlib.suppress(MeshError):
            of_unit.setdefault(unit_of(mesh), path)
    if len(of_unit) < 2:
        return next(iter(of_unit), 1.0), ""
    said = ", ".join(f"{unit:g} mm as {path}" for unit, path in of_unit.items())
    return 0.0, f"heads in several units ({said}): each file's is told by its face"


class Builder(ScanBuilder):
    """Meshes of a folder, described by the config."""

    BUILDER_CONFIGS = with_small(
        MeshFolderConfig(
            name="static",
            pattern="{subject}/{expression}.*",
            channels=("depth", "normals"),
            description="one mesh of each subject and expression, no labels",
        ),
        MeshFolderConfig(
            name="frames",
            frames=8,
            motion=True,
            channels=("depth", "normals"),
            description="sequences {subject}/{expression}/{frame}, no labels",
        ),
    )

    builder_config: MeshFolderConfig

    @classmethod
    def suggest(
        cls, folder: pathlib.Path, given: dict[str, Any]
    ) -> tuple[dict[str, Any], list[str]]:
        """Fills in what a config leaves open.

        That is how paths are read, classes, unit, and channels if they are not named or
        "auto".

        Args:
          folder: of the meshes.
          given: fields of the config.

        Returns:
          The fields, and lines that say what was filled in, and what is no face.

        Raises:
          FolderError: there are no meshes, or their paths can be read in several ways.
        """
        tree = DatasetFolder(folder)
        paths = [path for _, path in tree.take(rf".*(?:{_any_of(_SUFFIXES)})")]
        paths = [path for path in paths if is_scan(path)]
        if not paths:
            raise FolderError(
                f"{folder}: no mesh in it ({', '.join(MESH_SUFFIXES)}); found:"
                f"{tree.describe()}"
            )
        found: dict[str, Any] = dict(given)
        lines = []
        if "csv" not in given and "pattern" not in given:
            try:
                layout = read_layout([p.relative_to(folder) for p in paths])
            except LayoutError as error:
                raise FolderError(f"{folder}: {error}") from error
            found["pattern"] = layout.pattern
            lines.append(f"  {layout.said}")
        if "classes" not in given and "csv" not in given:
            regex = pattern_regex(found["pattern"], _SUFFIXES)
            groups = [match.groupdict() for match, _ in tree.take(regex)]
            names = {g["expression"] for g in groups if g.get("expression")}
            found["classes"] = sorted(names)
        sample = paths[:: -(-len(paths) // _LOOKED_AT)]
        if len(sample) < len(paths):
            lines.append(
                f"  looked at {len(sample)} of {len(paths)} meshes (--dry_run=all "
                "reads every one)"
            )
        looked = [(path, *_look(path, folder)) for path in sample]
        meshes = [(path, mesh) for path, mesh, _ in looked if mesh is not None]
        if "unit_mm" not in given and meshes:
            found["unit_mm"], said = _unit_of(meshes)
            lines += [f"  {said}"] if said else []
        lines += [f"  {why}" for _, _, why in looked if why]
        if found.get("channels", "auto") == "auto":
            bare = [mesh for _, mesh in meshes if not mesh.has_texture]
            found["channels"] = [*(() if bare else ("texture",)), "depth", "normals"]
            if bare:
                said = f"{len(bare)} of {len(meshes)} meshes that were looked at"
                lines.append(f"  no texture in the channels: {said} have none")
        found.setdefault("pose", "auto")
        found.setdefault("name", "mine")
        return found, [f"--config='{json.dumps(found)}'", *lines]

    @property
    def CLASSES(self) -> Sequence[str]:  # type: ignore[override]
        return self.builder_config.classes

    @property
    def TREE(self) -> str:  # type: ignore[override]
        config = self.builder_config
        return f"  {config.csv or config.pattern}"

    def describe(self) -> dict:
        return {"description": "Meshes of a folder, rendered from several views."}

    def find(self, tree: DatasetFolder) -> list[Sequence4D]:
        rows = self._csv_rows(tree) if self.builder_config.csv else self._rows(tree)
        tree.take(r".*\.(?:jpg|jpeg|png|bmp|mtl|bin|json)")
        template = self._template(tree)
        sequences: dict[tuple, list[tuple[dict[str, str], pathlib.Path]]] = {}
        for groups, path in rows:
            named = tuple(groups.get(name) or "" for name in _GROUPS[:-1])
            if not any(named):
                named = (path.parent.name if groups.get("frame") else path.stem,)
            sequences.setdefault(named, []).append((groups, path))
        names = [frames[0][0].get("sequence") for frames in sequences.values()]
        unique = len(set(names)) == len(names)
        return [
            self._sequence(named, frames, template, unique)
            for named, frames in sequences.items()
        ]

    def _sequence(
        self,
        named: tuple[str, ...],
        frames: list[tuple[dict[str, str], pathlib.Path]],
        template: Mesh | None,
        unique: bool,
    ) -> Sequence4D:
        """One sequence; its own name is its key where no other has it."""
        numbered = sorted(
            (
                (_number(groups, "frame", path) or 0, path, groups)
                for groups, path in frames
            ),
            key=lambda row: row[:2],
        )
        numbers = [number for number, _, _ in numbered]
        _, path, groups = numbered[0]
        sequence = path.suffix.lower() == ".npy" and not is_depth_image(path)
        if sequence and len(numbered) > 1:
            raise FolderError(
                f"{path} and {numbered[1][1]} are frames of one sequence; a .npy file "
                "is a sequence by itself, so use a pattern without {frame}"
            )
        if len(set(numbers)) < len(numbered):
            raise FolderError(
                f"{path} and {numbered[1][1]} have the same groups and frame; name "
                "what tells them apart with {frame} or {sequence}"
            )
        own = groups.get("sequence") if unique else None
        key = own or "_".join(name for name in named if name)
        labels: dict[str, Any] = {
            "subject": groups.get("subject") or "unknown",
            "expression": self._expression(groups.get("expression"), path),
        }
        labels |= {g: groups[g] for g in ("gender", "ethnicity") if groups.get(g)}
        intensity = _number(groups, "intensity", path)
        if intensity is not None:
            labels["intensity"] = intensity
        if not sequence:
            meshes = self.mesh_files([path for _, path, _ in numbered])
            return Sequence4D(key, meshes, labels, numbers)
        if template is None:
            raise FolderError(
                f"{path}: a .npy sequence has no triangles; set the config's `template`"
            )
        unit = self.builder_config.unit_mm or unit_of(template)
        return Sequence4D(key, VertexSequence(path, template, unit), labels)

    def _expression(self, name: str | None, path: pathlib.Path) -> str | None:
        classes = self.builder_config.classes
        if not name or not classes:
            return None
        if name not in classes:
            raise FolderError(
                f"{path}: expression {name!r} is none of the config's classes {classes}"
            )
        return name

    def _rows(self, tree: DatasetFolder) -> list[tuple[dict[str, str], pathlib.Path]]:
        found = tree.take(pattern_regex(self.builder_config.pattern, _SUFFIXES))
        return [
            (match.groupdict(), path)
            for match, path in found
            if is_scan(path) or path.suffix.lower() == ".npy"
        ]

    def _csv_rows(
        self, tree: DatasetFolder
    ) -> list[tuple[dict[str, str], pathlib.Path]]:
        table = tree.root / self.builder_config.csv
        if not table.is_file():
            raise FolderError(f"{table}: no such file; found:{tree.describe()}")
        try:
            rows = self._rows_of(table, tree)
        except csv.Error as error:
            raise FolderError(f"{table}: no CSV ({error})") from error
        tree.take(r".*\.csv")
        tree.mark(path for _, path in rows)
        return rows

    def _rows_of(
        self, table: pathlib.Path, tree: DatasetFolder
    ) -> list[tuple[dict[str, str], pathlib.Path]]:
        reader = csv.DictReader(io.StringIO(read_text(table), newline=""), strict=True)
        names = list(reader.fieldnames or [])
        if "path" not in names:
            raise FolderError(f"{table}: row 1: no column `path` in {names}")
        _check_names([n for n in names if n != "path"], f"{table}: row 1")
        rows = []
        for number, row in enumerate(reader, start=2):
            # A row with more cells than names has them under None; one with fewer has
            # None for the rest.
            cells = (
                {} if None in row else {n: (x or "").strip() for n, x in row.items()}
            )
            if not cells.get("path") or "\0" in "".join(cells.values()):
                raise FolderError(
                    f"{table}: row {number}: no path, a byte 0, or other cells than "
                    f"{names}"
                )
            name = os.path.normpath(cells.pop("path"))
            if os.path.isabs(name) or name.startswith(".."):
                raise FolderError(
                    f"{table}: row {number}: {name} lies outside of {tree.root}; name "
                    "files by their path in it"
                )
            rows.append((cells, tree.root / name))
        _check_people(table, rows)
        return rows

    def _template(self, tree: DatasetFolder) -> Mesh | None:
        if not self.builder_config.template:
            return None
        path = tree.root / self.builder_config.template
        tree.mark([path])
        mesh = read_mesh(path, tree.root)
        if "texture" in self.builder_config.channels:
            check_texture(mesh, path)
        return mesh


def _number(groups: dict[str, str], name: str, path: pathlib.Path) -> int | None:
    text = groups.get(name) or ""
    if not text:
        return None
    if not text.isdecimal() or len(text) > 8:
        raise FolderError(f"{path}: {name} is {text!r}, no number of at most 8 digits")
    return int(text)
