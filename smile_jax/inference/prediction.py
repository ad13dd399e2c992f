"""Predictions for scans and sequences: for Python, for tables and for the page."""

import csv
import dataclasses
import io
import json
import pathlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from jaxtyping import Float32

from smile_jax.core.extras import needed_for
from smile_jax.core.files import replace_files
from smile_jax.core.text_files import printable
from smile_jax.inference.preprocessing import RenderedClip
from smile_jax.inference.timeline import Timeline

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = 4
_SUFFIXES = (".csv", ".jsonl", ".parquet")
ARRAYS = ("embedding", "feature", "views", "view_weights")  # of `write_features`


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The answer for one scan or sequence.

    Attributes:
      name: its file, or the folder of its frames.
      frames: how many meshes it has.
      label: the likeliest of the prompts or classes; "" of a run without text that was
        asked for features alone.
      probabilities: of each prompt or class; they sum to 1.
      view_probabilities: the same by each single view, (V, K); of `head="zero_shot"`.
      embedding: (E,) unit norm, in the space of texts.
      feature: (F,) fused feature, for probes and neighbours.
      views: (V, E) unit norm, of each view.
      yaws_deg: (V,) cameras of the views.
      view_weights: (V,) share of each view in the fused feature; they sum to 1.
      frame_weights: (T,) share of each frame that the model saw, where it is a mean of
        frames (`model.temporal` "mean" or "attention"); None elsewhere.
      is_face: whether it is taken for a face: by its geometry (`face_score`), and where
        that is not sure by `distance`.
      face_score: mean confidence in the landmarks of a face that were found on it, 0 to
        1; faces have 0.85 and more, 0.5 is the least.
      distance: from the faces that the run was trained on: up to 1 are 99 % of other
        people's; None of a run that was not evaluated, which keeps them.
      nearest: (sequence, class) of the training clips that are most alike.
      pose: how the head was turned to the front.
      turned_deg: how far it was off the front; NaN where nobody looked.
      unit_mm: millimetres of the file's unit.
      timeline: answers over the frames of a sequence, where asked for, or where the
        model knows single scans only; None elsewhere.
      cosines: of the embedding with each prompt; None of a probe.
      read: what was rendered, where `ReadingOptions.keep` asked for it; None elsewhere.
      warnings: what to know before one believes it.
    """

    name: str
    frames: int
    label: str
    probabilities: Mapping[str, float]
    view_probabilities: Float32[np.ndarray, "V K"] | None
    embedding: Float32[np.ndarray, "E"]
    feature: Float32[np.ndarray, "F"]
    views: Float32[np.ndarray, "V E"]
    yaws_deg: tuple[float, ...]
    view_weights: Float32[np.ndarray, "V"]
    frame_weights: Float32[np.ndarray, "T"] | None
    is_face: bool
    face_score: float
    distance: float | None
    nearest: tuple[tuple[str, str], ...]
    pose: str
    turned_deg: float
    unit_mm: float
    timeline: Timeline | None = None
    cosines: Mapping[str, float] | None = None
    read: RenderedClip | None = None
    warnings: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """Returns a line of a table.

        The file, the prediction, a column for each prompt, the same by each view,
        whether it is a face, how it was turned, and for a timeline the frames of onset,
        apex and offset.
        """
        prompts = list(self.probabilities)
        found: dict[str, Any] = {
            "file": printable(self.name),
            "prediction": self.label,
        }
        found |= {prompt: _short(p) for prompt, p in self.probabilities.items()}
        if self.cosines is not None and len(self.cosines) == 1:
            found["cosine"] = _short(*self.cosines.values())
        if self.view_probabilities is not None:
            for yaw, p in zip(self.yaws_deg, self.view_probabilities, strict=True):
                found[f"prediction at {yaw:g} deg"] = prompts[int(p.argmax())]
        for yaw, weight in zip(self.yaws_deg, self.view_weights, strict=True):
            found[f"weight at {yaw:g} deg"] = _short(weight)
        phases = dict.fromkeys(("onset", "apex", "offset"))
        if self.timeline is not None and self.label:
            phases |= self.timeline.phases(self.label)
        return (
            found
            | {"is_face": self.is_face, "face_score": _short(self.face_score)}
            | {"distance": _short(self.distance)}
            | {"pose": self.pose, "turned_deg": _short(self.turned_deg)}
            | {"unit_mm": self.unit_mm, "frames": self.frames}
            | phases
            | {"warnings": printable("; ".join(self.warnings))}
        )


def _short(value: Any) -> float | None:
    if value is None or not np.isfinite(value):
        return None
    return round(float(value), _DIGITS)


class Predictions(Sequence[Prediction]):
    """Answers in the order of the inputs.

    Attributes:
      skipped: scan or sequence -> why it has no answer.
      other_files: in the folders, which are no meshes.
      decided: what folders were taken for, and why.
    """

    def __init__(
        self,
        answers: Sequence[Prediction],
        skipped: Mapping[str, str] | None = None,
        other_files: Sequence[str] = (),
        decided: Sequence[str] = (),
    ) -> None:
        self._answers = list(answers)
        self.skipped = dict(skipped or {})
        self.other_files = tuple(other_files)
        self.decided = tuple(decided)

    def __len__(self) -> int:
        return len(self._answers)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> "Predictions": ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            part = self._answers[index]
            return Predictions(part, self.skipped, self.other_files, self.decided)
        return self._answers[index]

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self._answers)

    def __repr__(self) -> str:
        return f"Predictions({len(self)} answers, {len(self.skipped)} files skipped)"

    def rows(self) -> list[dict[str, Any]]:
        """A line for each, all with the same columns."""
        return _of_one_width([answer.row() for answer in self])

    def to_csv(self) -> str:
        """The rows as text."""
        return as_csv(self.rows())

    def to_pandas(self) -> "pd.DataFrame":
        """The rows as a table of pandas.

        Raises:
          MissingExtraError: pandas is not installed.
        """
        with needed_for("a table of pandas"):
            import pandas as pd

        return pd.DataFrame(self.rows())

    def write(self, path: str | pathlib.Path) -> None:
        """Writes the rows as `.csv`, `.jsonl` or `.parquet`.

        Parquet needs pandas and pyarrow.

        Raises:
          ValueError: another suffix.
        """
        path = pathlib.Path(path)
        check_table(path)
        write_table(self.rows(), path)

    def write_embeddings(self, path: str | pathlib.Path) -> None:
        """Writes the features as `.npz`.

        "names", "embedding" (n, E), "feature" (n, F), "views" (n, V, E) and
        "view_weights" (n, V).
        """
        path = pathlib.Path(path)
        check_output(path, (".npz",))
        arrays: dict[str, Any] = {
            name: np.stack([getattr(answer, name) for answer in self])
            for name in ARRAYS
            if len(self)
        }
        names = np.array([printable(a.name) for a in self], dtype=str)
        write_features({"names": names, **arrays}, path)


def _of_one_width(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in columns} for row in rows]


def as_csv(rows: Sequence[Mapping[str, Any]], *, header: bool = True) -> str:
    """Rows of the same columns as text."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]) if rows else ["file"])
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def write_table(rows: Sequence[Mapping[str, Any]], path: pathlib.Path) -> None:
    """Writes rows of answers as `check_table` allows, all at once."""
    rows = _of_one_width(rows)
    with replace_files(path.parent) as part:
        file = part / path.name
        if path.suffix == ".csv":
            file.write_text(as_csv(rows), encoding="utf-8")
        elif path.suffix == ".jsonl":
            lines = (json.dumps(row, ensure_ascii=False) for row in rows)
            file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        else:
            with needed_for(str(path)):
                import pandas as pd

            pd.DataFrame(rows).to_parquet(file)


def write_features(arrays: Mapping[str, np.ndarray], path: pathlib.Path) -> None:
    """Writes `names` and `ARRAYS` of answers as `.npz`, all at once."""
    with replace_files(path.parent) as part:
        np.savez(part / path.name, **arrays)  # type: ignore[arg-type]


def check_table(path: pathlib.Path) -> None:
    """Refuses a file that `Predictions.write` cannot write, before anything is done.

    Raises:
      ValueError: its suffix is another, or nothing can be written there.
      MissingExtraError: what parquet takes is not installed.
    """
    check_output(path, _SUFFIXES)
    if path.suffix == ".parquet":
        with needed_for(str(path)):
            import pandas  # noqa: F401
            import pyarrow  # noqa: F401


def check_output(path: pathlib.Path, suffixes: Sequence[str]) -> None:
    """Refuses a file that cannot be written, and makes its folder.

    Raises:
      ValueError: naming it and why.
    """
    if path.suffix not in suffixes or path.is_dir():
        raise ValueError(f"{path}: name a file of {', '.join(suffixes)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ValueError(
            f"{path}: nothing can be written there ({error.strerror})"
        ) from error
