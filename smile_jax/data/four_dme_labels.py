"""The spreadsheets of 4DME's release."""

import dataclasses
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from smile_jax.core.extras import needed_for
from smile_jax.data.source_folder import FolderError
from smile_jax.faces.class_spellings import FOUR_DME

_COLUMNS = ("sub_ID", "fold_name", "Onset", "Apex", "Offset", "AUs")
_UNIT = re.compile(r"(?:AU)?[LRB]?(?P<unit>\d+)[A-E]?(?P<kept>\(k\))?", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Label:
    """The row of a spreadsheet for one clip.

    Attributes:
      where: file and row, for messages.
      kind: "micro" or "macro".
      emotions: 0 or 1 for each of `FOUR_DME`.
      action_units: numbers of those that move; kept ones, `(k)`, are left out.
      onset, apex, offset: frame numbers, -1 where there is none.
      fold: of the release, -1 where there is none.
    """

    where: str
    kind: str
    emotions: tuple[int, ...]
    action_units: tuple[int, ...]
    onset: int
    apex: int
    offset: int
    fold: int

    def emotion(self) -> str | None:
        """The clip's emotion where it has exactly one."""
        names = [name for name, on in zip(FOUR_DME, self.emotions, strict=True) if on]
        return names[0] if len(names) == 1 else None


def read_labels(
    path: pathlib.Path, kind: str, swap_rows: Sequence[Sequence[int]] = ()
) -> dict[tuple[str, str], Label]:
    """Reads one spreadsheet.

    Args:
      path: the `.xlsx` file.
      kind: "micro" or "macro".
      swap_rows: pairs of rows, 0 the first below the header, whose action units are
        swapped in the release and are swapped back here.

    Returns:
      (subject, clip folder) -> label.

    Raises:
      FolderError: no spreadsheet, columns missing, or a cell that cannot be read; with
        file and row.
    """
    rows = _rows(path)
    for a, b in swap_rows:
        if max(a, b) < len(rows):
            changed = [c for c in rows[a] if c == "AUs" or re.fullmatch(r"AU\d+", c)]
            for column in changed:
                rows[a][column], rows[b][column] = rows[b][column], rows[a][column]
    labels: dict[tuple[str, str], Label] = {}
    for number, row in enumerate(rows):
        where = f"{path}: row {number + 2}"
        if row["sub_ID"] is None and row["fold_name"] is None:
            continue  # an empty row at the end
        emotions = tuple(
            _whole(row.get(name.capitalize()) or 0, where, name) for name in FOUR_DME
        )
        if not any(emotions) or not set(emotions) <= {0, 1}:
            raise FolderError(
                f"{where}: emotions {emotions} are not 0 or 1, at least one 1"
            )
        clip = _name(row["sub_ID"]), _name(row["fold_name"])
        if clip in labels:
            raise FolderError(f"{where}: {clip} again, after {labels[clip].where}")
        labels[clip] = Label(
            where=where,
            kind=kind,
            emotions=emotions,
            action_units=_units(row["AUs"], where),
            onset=_whole(row["Onset"], where, "Onset"),
            apex=_whole(row["Apex"], where, "Apex"),
            offset=_whole(row["Offset"], where, "Offset"),
            fold=_whole(row.get("fold"), where, "fold"),
        )
    return labels


def _rows(path: pathlib.Path) -> list[dict[str, Any]]:
    with needed_for("a spreadsheet"):
        import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        cells: Iterator[tuple] = book.worksheets[0].iter_rows(values_only=True)
        header = [str(cell).strip() for cell in next(cells, ())]
        table = [dict(zip(header, row, strict=False)) for row in cells]
    except Exception as error:  # openpyxl and zipfile raise many kinds
        raise FolderError(
            f"{path}: not a readable spreadsheet ({type(error).__name__}: {error}); "
            "copy it again"
        ) from error
    if any(name.endswith("'") for name in header):
        old = [name for name in header if name.endswith("'")]
        raise FolderError(
            f"{path}: row 1: columns {', '.join(old[:3])} are of an earlier label file "
            "of 4DME, whose emotions are words such as Surprise+Positive; ask for "
            "'4DME_Labelling_Micro_release v1.xlsx', whose columns are "
            f"{', '.join(_COLUMNS[:3])} and so on"
        )
    names = [*_COLUMNS, *(name.capitalize() for name in FOUR_DME)]
    missing = [name for name in names if name not in header]
    if missing:
        raise FolderError(f"{path}: row 1: columns {missing} are missing of {header}")
    return table


def _name(cell: Any) -> str:
    return str(int(cell) if isinstance(cell, float) else cell).strip()


def _whole(cell: Any, where: str, column: str) -> int:
    """A whole number; -1 for an empty cell."""
    if cell is None or str(cell).strip() in ("", "-", "/"):
        return -1
    try:
        return int(float(cell))
    except ValueError:
        raise FolderError(f"{where}: {column} is {cell!r}, not a number") from None


def _units(cell: Any, where: str) -> tuple[int, ...]:
    """Numbers of `4+L7+(k)…`; sides are dropped, and so are kept action units."""
    units = set()
    for word in str(cell or "").replace(" ", "").split("+"):
        match = _UNIT.fullmatch(word)
        if match is None and word:
            raise FolderError(f"{where}: AUs has {word!r}, which is no action unit")
        if match and not match["kept"]:
            units.add(int(match["unit"]))
    return tuple(sorted(units))
