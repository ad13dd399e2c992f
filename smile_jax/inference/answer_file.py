"""Answers of long work, kept in a file as they come, then written as tables."""

import base64
import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from smile_jax.core.files import replace_text
from smile_jax.core.text_files import printable
from smile_jax.inference.prediction import ARRAYS, Prediction
from smile_jax.inference.timeline import Timeline

_SUFFIX = ".part"
_KEYS = {"name", "row"}
_CURVES = ("frames", "time_s", "motion_mm", "probabilities")


@dataclasses.dataclass
class AnswerFile:
    """A line of JSON for each answer, beside the table that they become.

    Attributes:
      path: of the file; its first line says what was asked.
      asked: settings that the answers depend on.
      arrays: whether features are kept.
      done: lines of answers by clip, without features and timelines.
    """

    path: pathlib.Path
    asked: Mapping[str, Any]
    arrays: bool = False
    done: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    @classmethod
    def beside(
        cls,
        table: pathlib.Path,
        asked: Mapping[str, Any],
        *,
        arrays: bool = False,
        resume: bool = False,
    ) -> "AnswerFile":
        """Opens the file beside a table, anew or to go on with.

        Raises:
          ValueError: there is one of work that did not end, and `resume` does not ask
            for it; or it was asked something else.
        """
        found = cls(table.with_name(table.name + _SUFFIX), dict(asked), arrays)
        lines = list(found.lines())
        if lines and not resume:
            raise ValueError(
                f"{found.path}: {len(lines) - 1} answers of work that did not end: go "
                "on with --resume, or remove it"
            )
        if lines:
            before, now = lines[0], json.loads(json.dumps(found.asked))
            other = sorted(k for k in {*before, *now} if before.get(k) != now.get(k))
            if other:
                raise ValueError(
                    f"{found.path}: it was begun with another {', '.join(other)}; ask "
                    "the same, or remove it"
                )
            for line in lines[1:]:
                found._keep(line)
        found._rewrite(lines or [dict(found.asked)])
        return found

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yields what the file holds; a line that a killed process left half is not."""
        if not self.path.is_file():
            return
        with self.path.open(encoding="utf-8") as file:
            for number, text in enumerate(file):
                if not text.endswith("\n"):
                    return
                try:
                    line = json.loads(text)
                except ValueError:
                    line = None
                if not isinstance(line, dict) or (number and not {*line} >= _KEYS):
                    raise ValueError(
                        f"{self.path}: line {number + 1} is damaged; remove the file "
                        "and begin again"
                    )
                yield line

    def add(self, name: str, answer: Prediction) -> None:
        """Keeps one answer."""
        line: dict[str, Any] = {"name": printable(name), "row": answer.row()}
        timeline = answer.timeline
        if timeline is not None:
            line["timeline"] = {
                "prompts": list(timeline.prompts),
                "seconds": timeline.seconds,
                **{one: _packed(getattr(timeline, one)) for one in _CURVES},
            }
        if self.arrays:
            line["arrays"] = {one: _packed(getattr(answer, one)) for one in ARRAYS}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._keep(line)

    def has(self, name: str) -> bool:
        """True if a clip was answered."""
        return printable(name) in self.done

    def rows(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of some clips that were answered, in their order."""
        return [self.done[name]["row"] for name in self._known(names)]

    def timelines(self, names: Sequence[str]) -> dict[str, Timeline]:
        """The answers over time of those that have some."""
        found = {}
        for line in self.lines():
            if "timeline" in line:
                held = line["timeline"]
                found[line["name"]] = Timeline(
                    prompts=tuple(held["prompts"]),
                    seconds=held["seconds"],
                    **{one: _unpacked(held[one]) for one in _CURVES},
                )
        return {name: found[name] for name in self._known(names) if name in found}

    def features(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The features of some clips, stacked, and their "names"."""
        found = {line["name"]: line["arrays"] for line in self.lines() if "row" in line}
        known = self._known(names)
        arrays = {
            one: np.stack([_unpacked(found[name][one]) for name in known])
            for one in ARRAYS
            if known
        }
        return {"names": np.array(known, dtype=str), **arrays}

    def remove(self) -> None:
        """Removes the file, now that the tables are written."""
        self.path.unlink()

    def _known(self, names: Sequence[str]) -> list[str]:
        return [name for name in map(printable, names) if name in self.done]

    def _keep(self, line: Mapping[str, Any]) -> None:
        self.done[line["name"]] = {"row": line["row"]}

    def _rewrite(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Writes whole lines alone, so that the next one begins on its own."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        replace_text(self.path, text)


def _packed(array: np.ndarray) -> dict[str, Any]:
    array = np.ascontiguousarray(array)
    content = base64.b64encode(array.tobytes()).decode()
    return {"dtype": array.dtype.str, "shape": array.shape, "base64": content}


def _unpacked(held: Mapping[str, Any]) -> np.ndarray:
    content = base64.b64decode(held["base64"])
    return np.frombuffer(content, held["dtype"]).reshape(held["shape"])
