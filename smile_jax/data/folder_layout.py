"""Reads how a folder of meshes is laid out from the names in it.

Words that name expressions are classes, names that are left are people, and stems that
differ by one number alone are frames.
"""

import collections
import dataclasses
import pathlib
import re
from collections.abc import Sequence

from smile_jax.faces import EXPRESSIONS
from smile_jax.faces.class_spellings import BOSPHORUS, BU3DFE, BU4DFE, COMA, FACESCAPE

_SYNONYMS = (
    *("happiness", "smile", "smiling", "joy", "joyful", "laugh", "laughing", "amused"),
    *("unhappy", "crying", "mad", "rage", "furious", "disgusted", "scared", "afraid"),
    *("fearful", "frightened", "surprised", "astonished", "contempt", "contemptuous"),
    *("calm", "rest", "relaxed", "neutrality", "frown", "pain", "embarrassed"),
    *("embarrassment", "startled", "skeptical", "sceptical", "bored", "confused"),
    *("kiss", "pucker", "yawn", "wink", "blink", "talk", "speech", "positive"),
    *("negative", "repression", "others", "tired", "excited", "nervous", "serious"),
)
_WORDS = frozenset(
    word.lower()
    for words in (EXPRESSIONS, BU3DFE, BU4DFE, BOSPHORUS, COMA, FACESCAPE, _SYNONYMS)
    for word in words
)
_OF_SEQUENCES = re.compile(
    r"(?:seq|sequence|clip|take|rec|recording|video|trial|session)[\W_\d]*", re.I
)
_OF_PEOPLE = re.compile(
    r"(?:p|s|f|m|id|sub|subj|subject|person|people|user|participant)[\W_]*\d+", re.I
)
_BETWEEN = re.compile(r"[_\-. ]+")
_NAMED = 4  # names that a line shows
_MOSTLY = 0.75  # share of names that are known words, where all are expressions
_USUAL = 0.9  # share of the paths that one layout must fit
_SPECIAL = set("{}*")


class LayoutError(ValueError):
    """Paths can be read in several ways; the message shows the patterns."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How paths are read.

    Attributes:
      pattern: see `smile_jax.data.source_folder.pattern_regex`.
      classes: expressions that they name.
      said: the reading in a line.
    """

    pattern: str
    classes: tuple[str, ...]
    said: str


@dataclasses.dataclass
class _Column:
    """A part of every path: a folder, the stem, or a word of one.

    Attributes:
      values: of each path.
      kind: "expression", "number" (of a frame), "take" (a number of the name before),
        "name", or "same" for all.
      before: what stands between it and the column before.
      prefix, suffix: of a frame's number in its stem.
    """

    values: list[str]
    kind: str
    before: str
    prefix: str = ""
    suffix: str = ""


def numbers_as_numbers(path: pathlib.PurePath) -> list[tuple[int, str]]:
    """A key to sort by: 2.obj comes before 10.obj."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(p) if p.isdecimal() else -1, p) for p in parts]


def of_another_sequence(paths: Sequence[pathlib.PurePath]) -> pathlib.PurePath | None:
    """The first whose name differs by more than one number from the first one's."""
    first = re.split(r"(\d+)", paths[0].name)
    for other in paths[1:]:
        parts = re.split(r"(\d+)", other.name)
        differing = [
            i for i, (a, b) in enumerate(zip(first, parts, strict=False)) if a != b
        ]
        # Odd places are numbers.
        if len(parts) != len(first) or len(differing) > 1 or (
            differing and differing[0] % 2 == 0
        ):  # fmt: skip
            return other
    return None


def names_expression(name: str) -> bool:
    """True if a name is a word for an expression, whatever numbers stand beside it."""
    words = [w for w in _BETWEEN.split(name.lower()) if w and not w.isdecimal()]
    whole = "_".join(words).rstrip("0123456789")
    return bool(words) and (
        whole in _WORDS or all(w.rstrip("0123456789") in _WORDS for w in words)
    )


def read_layout(paths: Sequence[pathlib.PurePath]) -> Layout:
    """Guesses how the paths of a folder's meshes are to be read.

    Args:
      paths: relative to the folder; those of the usual depth are looked at.

    Raises:
      LayoutError: several readings are as good.
    """
    depths = collections.Counter(len(path.parts) for path in paths)
    depth = depths.most_common(1)[0][0]
    usual = [path for path in paths if len(path.parts) == depth]
    columns = _columns(usual)
    kinds = [column.kind for column in columns]
    readings = _readings(columns)
    patterns = [_pattern(columns, roles) for roles in readings]
    if len(patterns) > 1:
        shown = "\n".join(
            f"  {pattern}   ({_told(columns, roles)})"
            for pattern, roles in zip(patterns, readings, strict=True)
        )
        raise LayoutError(
            f"its paths, such as {usual[0]}, can be read in {len(patterns)} ways as "
            f'well; choose one by --config=\'{{"pattern": "..."}}\':\n{shown}'
        )
    (roles,) = readings
    classes: set[str] = set()
    if "expression" in kinds:
        classes = set(columns[kinds.index("expression")].values)
    rest = len(paths) - len(usual)
    others = f"; {rest} paths of another depth are not" if rest else ""
    said = f"paths are read as {patterns[0]}: {_told(columns, roles)}{others}"
    return Layout(patterns[0], tuple(sorted(classes)), said)


def _columns(paths: Sequence[pathlib.PurePath]) -> list[_Column]:
    """The folders and words of paths of one depth, with what each is."""
    found: list[_Column] = []
    rows = [[*path.parts[:-1], path.stem] for path in paths]
    for place, values in enumerate(map(list, zip(*rows, strict=True))):
        last = place == len(rows[0]) - 1
        parts = _words(values)
        kind = _kind(values)
        frames = _frames(paths) if last else None
        told = any(column.kind == "expression" for column in found)
        if frames is not None and not told and any(map(names_expression, frames)):
            frames = None  # `p1_happy`: the number may be a person's
        takes = _takes(values) if last and frames is None else []
        if takes and not parts:
            found += takes
            parts = takes
        elif frames is not None:
            found.append(_Column(values, "number", "", *frames))
        elif parts:
            found += parts
        else:
            found.append(_Column(values, kind, ""))
        if place:
            start = len(found) - (len(parts) if found[-1] in parts else 1)
            found[start].before = "/"
    _number_frames(found)
    return found


def _kind(values: Sequence[str]) -> str:
    distinct = set(values)
    if sum(map(names_expression, distinct)) >= _MOSTLY * len(distinct):
        return "expression"
    return "same" if len(set(values)) == 1 else "name"


def _words(values: Sequence[str]) -> list[_Column]:
    """The words of names that all have as many, between the same signs."""
    signs = {tuple(_BETWEEN.findall(value)) for value in values}
    if len(signs) > 1:
        return []
    between = ["", *signs.pop()]
    words = list(zip(*map(_BETWEEN.split, values), strict=True))
    columns = [
        _Column(list(column), _kind(column), sign)
        for column, sign in zip(words, between, strict=True)
    ]
    named = [c.values for c in columns if c.kind == "expression"]
    # `1_neutral`, where each word has a number of its own, is a name as a whole.
    whole = len(set(values)) == len(set(zip(*named, strict=True)))
    return columns if named and not (whole and _kind(values) == "expression") else []


def _takes(values: Sequence[str]) -> list[_Column]:
    """Names and numbers of stems such as `anna_1`, where names have several numbers.

    Else one person would become as many as there are numbers.
    """
    parts = [re.fullmatch(r"(.*?\D)([_\-. ]+)(\d+)", value) for value in values]
    if not all(parts):
        return []
    names = [part[1] for part in parts if part]
    signs = {part[2] for part in parts if part}
    if len(signs) > 1 or not 1 < len(set(names)) < len(set(values)):
        return []
    numbers = [part[3] for part in parts if part]
    return [_Column(names, _kind(names), ""), _Column(numbers, "take", signs.pop())]


def _frames(paths: Sequence[pathlib.PurePath]) -> tuple[str, str] | None:
    """What stands around the number of frames, where the files of folders are some."""
    groups: dict[pathlib.PurePath, list[pathlib.PurePath]] = {}
    for path in paths:
        groups.setdefault(path.parent, []).append(path)
    several = [group for group in groups.values() if len(group) > 1]
    inside = [group for group in several if not of_another_sequence(group)]
    if not inside or sum(map(len, inside)) < _USUAL * len(paths):
        return None
    around = set()
    for group in inside:
        parts = [re.split(r"(\d+)", path.stem) for path in group[:2]]
        differ = [i for i, (a, b) in enumerate(zip(*parts, strict=True)) if a != b]
        if not differ:  # one mesh in two formats
            return None
        first, place = parts[0], differ[0]
        around.add(("".join(first[:place]), "".join(first[place + 1 :])))
    if len(around) == 1:
        (both,) = around
        return ("*", "") if _SPECIAL & set("".join(both)) else both
    return ("*", "") if not any(suffix for _, suffix in around) else None


def _number_frames(columns: list[_Column]) -> None:
    """Finds frames in the last word, where it counts the files of all the others."""
    last = columns[-1]
    if last.kind != "name" or not all(value.isdecimal() for value in last.values):
        return
    if all(column.kind != "expression" for column in columns):
        return
    rest = list(zip(*(column.values for column in columns[:-1]), strict=True))
    if len(set(rest)) <= len(rest) / 2:
        last.kind = "number"


def _readings(columns: Sequence[_Column]) -> list[list[str]]:
    """The roles of the columns, "" for those that are the same; all as good."""
    kinds = [column.kind for column in columns]
    expressions = [i for i, kind in enumerate(kinds) if kind == "expression"]
    names = [i for i, kind in enumerate(kinds) if kind == "name"]
    numbers = [i for i, kind in enumerate(kinds) if kind == "number"]

    if "take" in kinds:
        place = kinds.index("take")
        return [
            _with_role(_readings([*columns[:place], dataclasses.replace(
                columns[place], kind="same")])[0], place, role)
            for role in ("frame", "sequence")
        ]  # fmt: skip

    def roles(given: dict[int, str]) -> list[str]:
        frames = dict.fromkeys(numbers, "frame")
        return [(frames | given).get(i, "") for i in range(len(kinds))]

    if len(expressions) > 1:
        return [
            roles({i: "expression" if i == one else "sequence" for i in expressions}
                  | dict.fromkeys(names[:1], "subject"))
            for one in expressions
        ]  # fmt: skip
    if expressions:
        known = {expressions[0]: "expression"}
        if not names and numbers:
            # Numbers in every class may be people or frames.
            return [roles(known | {numbers[-1]: "subject"}), roles(known)]
        if len(names) < 2:
            return [roles(known | dict.fromkeys(names, "subject"))]
        return [
            roles(known | dict(zip(names, pair, strict=False)))
            for pair in (("subject", "sequence"), ("sequence", "subject"))
        ]
    if len(names) > 1:
        pairs = (("subject", "expression"), ("expression", "subject"))
        if numbers:
            pairs = (("subject", "expression"), ("subject", "sequence"))
        return [roles(dict(zip(names, pair, strict=False))) for pair in pairs]
    if numbers and names:
        values = columns[names[0]].values
        for hint, role in ((_OF_SEQUENCES, "sequence"), (_OF_PEOPLE, "subject")):
            if all(hint.fullmatch(value) for value in values):
                return [roles({names[0]: role})]
        return [roles({names[0]: role}) for role in ("subject", "sequence")]
    alone = names or ([] if numbers else [len(kinds) - 1])
    return [roles(dict.fromkeys(alone, "sequence"))]


def _with_role(roles: list[str], place: int, role: str) -> list[str]:
    return [role if i == place else one for i, one in enumerate(roles)]


def _pattern(columns: Sequence[_Column], roles: Sequence[str]) -> str:
    """The pattern of the paths' last parts; folders that all have are left out."""
    parts: list[str] = []
    for column, role in zip(columns, roles, strict=True):
        text = f"{{{role}}}" if role else column.values[0]
        if role == "frame":
            text = f"{column.prefix}{text}{column.suffix}"
        if not role and (column.kind != "same" or _SPECIAL & set(text)):
            text = "*"
        parts.append(column.before + text)
    first = next((i for i, role in enumerate(roles) if role), len(roles) - 1)
    while first and not columns[first].before.startswith("/"):
        first -= 1  # words of the same name
    return "".join(parts[first:]).removeprefix("/") + ".*"


def _told(columns: Sequence[_Column], roles: Sequence[str]) -> str:
    """What the names are, in a reading."""
    words = {
        "expression": "expressions",
        "subject": "people",
        "sequence": "sequences",
    }
    said = []
    for role, word in words.items():
        if role in roles:
            names = sorted(set(columns[list(roles).index(role)].values))
            more = ", ..." if len(names) > _NAMED else ""
            said.append(f"{len(names)} {word}: {', '.join(names[:_NAMED])}{more}")
    if "frame" in roles:
        said.append("numbers are frames")
    return "; ".join(said) or "a scan each"
