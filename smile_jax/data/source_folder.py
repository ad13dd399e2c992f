"""The folder of a dataset as it was delivered: finds the files that a builder knows."""

import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

from smile_jax.core.text_files import printable

_LISTED = 20


class FolderError(ValueError):
    """A folder does not hold the dataset; the message shows what was expected."""


class DatasetFolder:
    """The files below a folder, and those of them that a builder recognised.

    Args:
      root: the folder.

    Raises:
      FolderError: there is no such folder.
    """

    def __init__(self, root: str | pathlib.Path) -> None:
        self.root = pathlib.Path(root)
        if not self.root.is_dir():
            raise FolderError(f"{root}: no such folder")
        self._files = sorted(self._walk())
        self._matched = [_lower_suffix(name) for name in self._files]
        self._known: set[str] = set()

    def _walk(self) -> Iterator[str]:
        """Paths relative to the root; a folder that links lead to twice counts once."""
        visited = set()
        for folder, folders, names in os.walk(
            self.root, followlinks=True, onerror=_cannot_list
        ):
            real = os.path.realpath(folder)
            if real in visited:
                folders.clear()
                continue
            visited.add(real)
            for name in names:
                if not name.startswith((".", "~$")):
                    path = os.path.relpath(os.path.join(folder, name), self.root)
                    yield path.replace(os.sep, "/")

    def take(self, pattern: str) -> list[tuple[re.Match, pathlib.Path]]:
        """Files whose path ends as `pattern` says, at any depth, in order.

        Args:
          pattern: regular expression of the last parts of the path, with /; suffixes
            in lower case, whatever the files' case.

        Returns:
          (match, path) pairs; the files count as recognised.
        """
        regex = re.compile(rf"(?:.*/)?(?:{pattern})")
        names = zip(self._matched, self._files, strict=True)
        found = [(regex.fullmatch(lowered), name) for lowered, name in names]
        taken = [(match, name) for match, name in found if match]
        self._known.update(name for _, name in taken)
        return [(match, self.root / name) for match, name in taken]

    def mark(self, paths: Iterable[pathlib.Path]) -> None:
        """Counts files as recognised."""
        self._known.update(
            os.path.relpath(path, self.root).replace(os.sep, "/") for path in paths
        )

    def unmatched(self) -> list[str]:
        """The files that no pattern took, relative to the root."""
        return [printable(name) for name in self._files if name not in self._known]

    def describe(self) -> str:
        """A short listing of what there is, two levels deep."""
        names = sorted({printable("/".join(n.split("/")[:2])) for n in self._files})
        more = f"\n  ... and {len(names) - _LISTED} more" * (len(names) > _LISTED)
        return (
            "".join(f"\n  {name}" for name in names[:_LISTED]) + more or "\n  nothing"
        )


def pattern_regex(pattern: str, suffixes: tuple[str, ...]) -> str:
    """The regular expression of a path pattern with named groups.

    Args:
      pattern: such as `{subject}/{expression}/{frame}.obj`. `{frame}` and `{intensity}`
        are numbers, other groups anything but /; `*` is anything but /, too.
      suffixes: what a final `.*` stands for.

    Raises:
      ValueError: a group twice, or braces that do not match.
    """
    if pattern.endswith(".*"):
        ending = "|".join(re.escape(suffix) for suffix in suffixes)
        return pattern_regex(pattern[:-2], suffixes) + f"(?:{ending})"
    parts = re.split(r"({\w+}|\*)", pattern)
    names = [part[1:-1] for part in parts[1::2] if part != "*"]
    if len(set(names)) < len(names) or re.search(r"[{}]", "".join(parts[::2])):
        raise ValueError(
            f"pattern {pattern!r} needs names in braces, each once, such as "
            "{subject}/{expression}/{frame}.obj"
        )
    for i in range(1, len(parts), 2):
        if parts[i] == "*":
            parts[i] = "[^/]*?"
        else:
            digits = parts[i] in ("{frame}", "{intensity}")
            parts[i] = f"(?P<{parts[i][1:-1]}>{'[0-9]+' if digits else '[^/]+?'})"
        parts[i - 1] = re.escape(parts[i - 1])
    return "".join([*parts[:-1], re.escape(parts[-1])])


def missing_numbers(numbers: Sequence[int], first: int | None = None) -> int:
    """Counts the numbers that are missing between the first and the last.

    Args:
      numbers: distinct, in any order.
      first: where they should begin; by default where they do.
    """
    start = min(numbers) if first is None else min(first, *numbers)
    return max(numbers) - start + 1 - len(numbers)


def _lower_suffix(name: str) -> str:
    stem, suffix = os.path.splitext(name)
    return stem + suffix.lower()


def _cannot_list(error: OSError) -> None:
    raise FolderError(f"{error.filename}: cannot be listed ({error.strerror})")
