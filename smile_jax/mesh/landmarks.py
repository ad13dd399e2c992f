"""Landmark files: Bosphorus `.lm2`, `.lm3`; Binghamton `.bnd`, `.bndplus`, `.pse`."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from smile_jax.mesh.types import MeshError

_MAX_LANDMARKS = 10_000
_BINGHAMTON = 83  # landmarks of Binghamton's sets


@dataclasses.dataclass(frozen=True)
class Landmarks:
    """Points of a face.

    Attributes:
      points: (l, 3) float32 in the scan's frame, or (l, 2) pixels for `.lm2`.
      labels: l names, where the format has them.
      vertices: (l,) int32 indices of the scan's points, where the format has them.
      scheme: which points these are, a name of
        `smile_jax.mesh.landmark_schemes.SCHEMES`; "" where that is not known.
      valid: (l,) bool, whether each was found; None: all were.
      confidence: (l,) in [0, 1]; None: as somebody delivered them.
    """

    points: np.ndarray
    labels: tuple[str, ...] = ()
    vertices: np.ndarray | None = None
    scheme: str = ""
    valid: np.ndarray | None = None
    confidence: np.ndarray | None = None


def read_landmarks(path: str | pathlib.Path) -> Landmarks:
    """Reads a landmark file by its suffix.

    The number of landmarks is what the file has: occluded and turned scans lack some.

    Args:
      path: `.lm2`, `.lm3`, `.bnd`, `.bndplus` or `.pse`; of the last three, rows of
        `index x y z`, or 83 of `x,y,z`.

    Raises:
      MeshError: naming the file, the byte and the fault.

    Example:
      >>> read_landmarks("bs000_N_N_0.lm3").labels[13]
      'Nose tip'
    """
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".lm2", ".lm3", ".bnd", ".bndplus", ".pse"):
        raise MeshError(
            f"{path}: unknown landmark format {suffix!r}; known: .bnd, .bndplus, .lm2, "
            ".lm3, .pse"
        )
    if not path.is_file():
        raise MeshError(f"{path}: byte 0: no such file, or nothing that can be read")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MeshError(f"{path}: byte 0: cannot be read ({error.strerror})") from error
    lines = _Lines(path, data)
    if suffix == ".lm3":
        return _lm3(lines)
    if suffix == ".lm2":
        return _lm2(lines)
    return _table(lines)


class _Lines:
    """The lines of a file that are not blank, with the byte where each begins."""

    def __init__(self, path: pathlib.Path, data: bytes) -> None:
        self.path, self.size = path, len(data)
        self._rest: list[tuple[int, str]] = []
        at = 0
        for line in data.splitlines(keepends=True):
            text = line.decode("latin-1").strip()
            if text:
                self._rest.append((at, text))
            at += len(line)
        self._rest.reverse()

    def __bool__(self) -> bool:
        return bool(self._rest)

    def next(self, wanted: str) -> tuple[int, str]:
        if not self._rest:
            raise MeshError(
                f"{self.path}: byte {self.size}: the file ends where {wanted} should "
                "follow; it is truncated"
            )
        return self._rest.pop()

    def columns(self) -> int:
        """How many words the next line has."""
        return len(self._rest[-1][1].replace(",", " ").split()) if self._rest else 0

    def numbers(self, count: int, wanted: str) -> list[float]:
        """The finite numbers of the next line, at least `count`."""
        at, text = self.next(wanted)
        try:
            values = [float(word) for word in text.replace(",", " ").split()]
        except ValueError:
            values = []
        if len(values) < count or not np.isfinite(values).all():
            raise self.fault(at, text, wanted)
        return values

    def fault(self, at: int, text: str, wanted: str) -> MeshError:
        return MeshError(
            f"{self.path}: byte {at}: {text[:40]!r} stands where {wanted} should; the "
            "file is damaged or of another format"
        )

    def announced(self) -> int:
        """The N of a line `N landmarks`, comments before it skipped."""
        wanted = "the number of landmarks"
        at, text = self.next(wanted)
        while text.startswith("#"):
            at, text = self.next(wanted)
        count, _, word = text.partition(" ")
        if not count.isdecimal() or not word.strip().lower().startswith("landmark"):
            raise self.fault(at, text, wanted)
        if len(count) > 9 or int(count) > min(_MAX_LANDMARKS, len(self._rest)):
            raise MeshError(
                f"{self.path}: byte {at}: {text[:40]!r} is more than the file has; it "
                "is truncated or damaged"
            )
        return int(count)


def _lm3(lines: _Lines) -> Landmarks:
    labels, points = [], []
    for _ in range(lines.announced()):
        labels.append(lines.next("a landmark's label")[1])
        points.append(lines.numbers(3, f"x y z of {labels[-1]!r}")[:3])
    read = _landmarks(lines.path, points, 3, labels=tuple(labels))
    return dataclasses.replace(read, scheme="bosphorus")


def _lm2(lines: _Lines) -> Landmarks:
    count = lines.announced()
    labels: list[str] = []
    at, text = lines.next("'Labels:'")
    if not text.lower().startswith("labels"):
        raise lines.fault(at, text, "'Labels:'")
    labels = [lines.next("a landmark's label")[1] for _ in range(count)]
    at, text = lines.next("'2D Image coordinates:'")
    if "coordinates" not in text.lower():
        raise lines.fault(at, text, "'2D Image coordinates:'")
    points = [lines.numbers(2, f"x y of {label!r}")[:2] for label in labels]
    return _landmarks(lines.path, points, 2, labels=tuple(labels))


def _bare_table(lines: _Lines) -> Landmarks:
    """83 rows `x,y,z` without an index, as users of BP4D+ write `.bndplus`.

    What follows them, such as action units, is not read.
    """
    wanted = "one of 83 rows of x,y,z"
    points: list[list[float]] = []
    while lines and len(points) < _BINGHAMTON:
        at = len(points)
        values = lines.numbers(3, wanted)
        if len(values) != 3:
            raise lines.fault(at, f"row {at}: {values}", wanted)
        points.append(values)
    if len(points) < _BINGHAMTON:
        raise MeshError(
            f"{lines.path}: byte {lines.size}: {len(points)} rows of x,y,z, and not "
            f"{_BINGHAMTON}; the file is truncated"
        )
    read = _landmarks(lines.path, points, 3)
    return dataclasses.replace(read, scheme="binghamton83")


def _table(lines: _Lines) -> Landmarks:
    """Rows `index x y z`; what has fewer columns at the very end is an empty row."""
    if lines.columns() == 3:
        return _bare_table(lines)
    rows: list[list[float]] = []
    while lines:
        wanted = "a row of index x y z"
        values = lines.numbers(1, wanted)
        if len(values) < 4 and not lines:
            break
        at = len(rows)
        if len(values) < 4 or values[0] % 1 or not -1 <= values[0] < 2**31:
            raise lines.fault(at, f"row {at}: {values}", wanted)
        rows.append(values[:4])
    if not rows:
        raise MeshError(
            f"{lines.path}: byte {lines.size}: no row of index x y z; the file is empty"
        )
    table = np.array(rows)
    return dataclasses.replace(
        _landmarks(lines.path, table[:, 1:], 3),
        vertices=table[:, 0].astype(np.int32),
        scheme="binghamton83" if len(table) == _BINGHAMTON else "",
    )


def _landmarks(
    path: pathlib.Path, points: Any, columns: int, labels: tuple[str, ...] = ()
) -> Landmarks:
    with np.errstate(over="ignore"):
        array = np.array(points, np.float64).reshape(-1, columns).astype(np.float32)
    if not np.isfinite(array).all():
        raise MeshError(
            f"{path}: byte 0: a coordinate of {np.abs(points).max():.3g} is beyond "
            "what can be; the file is damaged"
        )
    return Landmarks(points=array, labels=labels)
