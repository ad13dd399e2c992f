"""Any meshes of yours: a tree whose paths say what they are, or a CSV that does."""

import csv
import dataclasses
import difflib
import pathlib
from collections.abc import Sequence
from typing import Any

from smile_jax.data.dataset_folder import (
    DatasetFolder,
    FolderError,
    pattern_regex,
)
from smile_jax.data.examples import Sequence4D
from smile_jax.data.mesh_files import check_texture
from smile_jax.data.scan_builder import (
    ScanBuilder,
    ScanConfig,
    with_small,
)
from smile_jax.mesh import Mesh, VertexSequence, read_mesh
from smile_jax.mesh.readers import MESH_SUFFIXES

_GROUPS = (
    "subject", "sequence", "expression", "intensity", "gender", "ethnicity", "frame",
)  # fmt: skip
_SUFFIXES = (*MESH_SUFFIXES, ".npy")


@dataclasses.dataclass(kw_only=True)
class MeshFolderConfig(ScanConfig):
    """How to read a folder of meshes.

    Attributes:
      pattern: of the paths, with any of the groups subject, sequence, expression,
        intensity, gender, ethnicity, frame; `*` is anything but /, a final `.*` any
        mesh suffix. Files that differ in nothing but {frame} are one sequence.
      csv: in place of the pattern, a file in the folder with the column `path` and any
        of the groups as columns.
      classes: names of the expressions; () where there are no labels.
      template: a mesh in the folder whose triangles the `.npy` sequences have.
    """

    pattern: str = "{subject}/{expression}/{frame}.*"
    csv: str = ""
    classes: Sequence[str] = ()
    template: str = ""

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
        tree.take(r".*\.(?:jpg|jpeg|png|bmp|mtl|bin)")
        template = self._template(tree)
        sequences: dict[tuple, list[tuple[dict[str, str], pathlib.Path]]] = {}
        for groups, path in rows:
            named = tuple(groups.get(name) or "" for name in _GROUPS[:-1])
            if not any(named):
                named = (path.stem,)
            sequences.setdefault(named, []).append((groups, path))
        return [
            self._sequence(named, frames, template)
            for named, frames in sequences.items()
        ]

    def _sequence(
        self,
        named: tuple[str, ...],
        frames: list[tuple[dict[str, str], pathlib.Path]],
        template: Mesh | None,
    ) -> Sequence4D:
        numbered = sorted(
            (
                (_number(groups, "frame", path) or 0, path, groups)
                for groups, path in frames
            ),
            key=lambda row: row[:2],
        )
        numbers = [number for number, _, _ in numbered]
        _, path, groups = numbered[0]
        if path.suffix.lower() == ".npy" and len(numbered) > 1:
            raise FolderError(
                f"{path} and {numbered[1][1]} are frames of one sequence; a .npy file "
                "is a sequence by itself, so use a pattern without {frame}"
            )
        if len(set(numbers)) < len(numbered):
            raise FolderError(
                f"{path} and {numbered[1][1]} have the same groups and frame; name "
                "what tells them apart with {frame} or {sequence}"
            )
        key = groups.get("sequence") or "_".join(name for name in named if name)
        labels: dict[str, Any] = {
            "subject": groups.get("subject") or "unknown",
            "expression": self._expression(groups.get("expression"), path),
        }
        labels |= {g: groups[g] for g in ("gender", "ethnicity") if groups.get(g)}
        intensity = _number(groups, "intensity", path)
        if intensity is not None:
            labels["intensity"] = intensity
        if path.suffix.lower() != ".npy":
            meshes = self.mesh_files([path for _, path, _ in numbered])
            return Sequence4D(key, meshes, labels, numbers)
        if template is None:
            raise FolderError(
                f"{path}: a .npy sequence has no triangles; set the config's `template`"
            )
        unit = self.builder_config.unit_mm
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
        return [(match.groupdict(), path) for match, path in found]

    def _csv_rows(
        self, tree: DatasetFolder
    ) -> list[tuple[dict[str, str], pathlib.Path]]:
        table = tree.root / self.builder_config.csv
        if not table.is_file():
            raise FolderError(f"{table}: no such file; found:{tree.describe()}")
        try:
            rows = self._rows_of(table, tree)
        except (UnicodeDecodeError, csv.Error) as error:
            raise FolderError(
                f"{table}: no CSV in UTF-8 ({error}); save it as that"
            ) from error
        tree.take(r".*\.csv")
        tree.mark(path for _, path in rows)
        return rows

    def _rows_of(
        self, table: pathlib.Path, tree: DatasetFolder
    ) -> list[tuple[dict[str, str], pathlib.Path]]:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            names = list(reader.fieldnames or [])
            if "path" not in names:
                raise FolderError(f"{table}: row 1: no column `path` in {names}")
            _check_names([n for n in names if n != "path"], f"{table}: row 1")
            rows = []
            for number, row in enumerate(reader, start=2):
                # A row with more cells than names has them under None; one with fewer
                # has None for the rest.
                texts = [] if None in row else [text or "" for text in row.values()]
                if not texts or not row["path"] or "\0" in "".join(texts):
                    raise FolderError(
                        f"{table}: row {number}: no path, a byte 0, or other cells "
                        f"than {names}"
                    )
                rows.append((row, tree.root / row.pop("path")))
        return rows

    def _template(self, tree: DatasetFolder) -> Mesh | None:
        if not self.builder_config.template:
            return None
        path = tree.root / self.builder_config.template
        tree.mark([path])
        mesh = read_mesh(path)
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
