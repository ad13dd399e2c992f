"""The prompt bank's words: descriptions of each class, in templates, by view."""

import collections
import dataclasses
import functools
import itertools
import pathlib
import string
from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml

from smile_jax.core.own_files import find_own
from smile_jax.core.text_files import TextFileError, read_text
from smile_jax.faces import captions as faces_captions

STYLES = ("plain", "facs", "actions")
_ALL = ("plain", "facs")  # what "all" is; captions' own words are apart
_LONGEST = 1000  # letters of a description or template
_MOST_CLASSES = 1000
BUILT_IN = pathlib.Path(__file__).with_name("prompts.yaml")


class PromptError(ValueError):
    """Prompts cannot be made; the message names the file and the key."""


# Compared by content: arrays have no truth value, of which Python's own would ask.
@dataclasses.dataclass(frozen=True, eq=False)
class Prompts:
    """P prompts of K classes, in G groups: the fused view's, then those of each view.

    Attributes:
      classes: names, K of them.
      texts: (P,) prompts.
      owners: (P,) group times K plus class.
      templates, styles: (P,) what each was made of.
      groups: G; 1 where prompts do not tell views apart.
    """

    classes: tuple[str, ...]
    texts: tuple[str, ...]
    owners: np.ndarray
    templates: tuple[str, ...]
    styles: tuple[str, ...]
    groups: int = 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prompts) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def to_json(self) -> dict[str, Any]:
        """Returns the prompts for JSON; `from_json` reads them."""
        return {
            "classes": list(self.classes),
            "texts": list(self.texts),
            "owners": self.owners.tolist(),
            "templates": list(self.templates),
            "styles": list(self.styles),
            "groups": self.groups,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Prompts":
        """Returns the prompts that `to_json` gave, whatever became of their file."""
        return cls(
            tuple(stored["classes"]),
            tuple(stored["texts"]),
            np.array(stored["owners"], np.int32),
            tuple(stored["templates"]),
            tuple(stored["styles"]),
            stored["groups"],
        )


@dataclasses.dataclass(frozen=True)
class PromptBook:
    """A prompt file, checked.

    Attributes:
      path: of the file.
      templates: with a place `{}` for a description.
      view_templates: with places `{}` and `{view}`.
      views: (largest angle, words) in growing order; `{side}` in words is a side.
      classes: class -> style -> descriptions.
    """

    path: pathlib.Path
    templates: tuple[str, ...]
    view_templates: tuple[str, ...]
    views: tuple[tuple[float, tuple[str, ...]], ...]
    classes: dict[str, dict[str, tuple[str, ...]]]

    def descriptions(self, name: str, style: str) -> list[tuple[str, str]]:
        """(style, description) of a class; of "a+b" those of both, joined by "and".

        Raises:
          PromptError: the file has no such class, or none of that style.
        """
        parts = name.split("+")
        unknown = [part for part in parts if part not in self.classes]
        if unknown:
            raise PromptError(
                f"{self.path}: no prompts for the classes {unknown}; it has "
                f"{', '.join(self.classes)}. Add them, or name another file with "
                "--config.prompts.file"
            )
        found = []
        for kind in _ALL if style == "all" else (style,):
            lists = [self.classes[part].get(kind, ()) for part in parts]
            # Joined classes pair up their first descriptions, their second, ...
            found += [
                (kind, " and ".join(texts)) for texts in zip(*lists, strict=False)
            ]
        if not found:
            raise PromptError(f"{self.path}: class {name!r} has no {style!r} prompts")
        return found

    def words_of_view(self, yaw_deg: float) -> tuple[str, ...]:
        """Words for a camera's yaw; a positive one sees the face's left side."""
        side = "left" if yaw_deg > 0 else "right"
        for largest, words in self.views:
            if abs(yaw_deg) <= largest:
                return tuple(word.format(side=side) for word in words)
        raise PromptError(f"{self.path}: views: no words for {yaw_deg} degrees")


def make_prompts(
    classes: Sequence[str],
    *,
    file: str | pathlib.Path = "",
    style: str = "all",
    yaws_deg: Sequence[float] = (),
    phrasings: int = 1,
) -> Prompts:
    """Returns every description of every class in every template.

    Args:
      classes: names; "a+b" is a face of both classes, for multi-label sets.
      file: a prompt file; "" takes this project's.
      style: "plain", "facs", both as "all", or "actions".
      yaws_deg: of the dataset's cameras, for prompts that tell views apart; without,
        all views share the same.
      phrasings: in so many ways each of the "actions" is said, as captions are.

    Raises:
      PromptError: naming the file and what is wrong.
    """
    book = read_prompt_file(pathlib.Path(file) if file else BUILT_IN)
    rows: list[tuple[str, int, str, str]] = []
    class_of: dict[str, str] = {}
    for k, name in enumerate(classes):
        for kind, text in book.descriptions(name, style):
            if class_of.setdefault(text, name) != name:
                raise PromptError(
                    f"{book.path}: {text!r} describes both {class_of[text]} and "
                    f"{name}: no face could be told by it"
                )
            ways = faces_captions.phrasings(text, phrasings if kind == "actions" else 1)
            for said, template in itertools.product(ways, book.templates):
                rows.append((template.format(said), k, template, kind))
            for v, yaw in enumerate(yaws_deg):
                owner = (1 + v) * len(classes) + k
                words = book.words_of_view(yaw)
                for template, view in itertools.product(book.view_templates, words):
                    rows.append(
                        (template.format(text, view=view), owner, template, kind)
                    )
    if yaws_deg and not book.view_templates:
        raise PromptError(f"{book.path}: prompts.view_aware needs `view_templates`")
    texts, owners, templates, styles = zip(*rows, strict=True)
    groups = 1 + len(yaws_deg)
    return Prompts(
        tuple(classes), texts, np.array(owners, np.int32), templates, styles, groups
    )


def caption_prompts(texts: Sequence[str], phrasings: int) -> Prompts:
    """Returns each caption as a class of its own, in so many phrasings."""
    said = [faces_captions.phrasings(text, phrasings) for text in texts]
    owners = np.repeat(np.arange(len(said), dtype=np.int32), [len(s) for s in said])
    words = tuple(itertools.chain(*said))
    return Prompts(
        tuple(texts), words, owners, ("{}",) * len(words), ("plain",) * len(words)
    )


def plain_prompts(texts: Sequence[str]) -> Prompts:
    """Returns each text as a class of its own, for words from the command line."""
    return caption_prompts(texts, 1)


def read_prompt_file(path: pathlib.Path) -> PromptBook:
    """Reads and checks a prompt file (`smile_jax/data/prompts.yaml` shows the shape).

    Raises:
      PromptError: naming the file, the key and what was expected.
    """
    path = pathlib.Path(find_own(str(path)))
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise PromptError(f"{path}: cannot be read ({error.strerror})") from error
    return _read_prompt_file(path, changed)


@functools.cache
def _read_prompt_file(path: pathlib.Path, changed: int) -> PromptBook:
    """A file that has not changed is read once."""
    del changed
    try:
        content = yaml.load(read_text(path), _StrictLoader)
    except TextFileError as error:
        raise PromptError(str(error)) from error
    except yaml.YAMLError as error:
        raise PromptError(f"{path}: not YAML ({str(error)[:300]})") from error
    except (RecursionError, TypeError, ValueError) as error:
        raise PromptError(f"{path}: nested too deep, or keys of odd kinds") from error
    known = {"templates", "view_templates", "views", "classes"}
    if not isinstance(content, dict) or "classes" not in content:
        raise PromptError(f"{path}: expected a mapping with the key `classes`")
    if not set(content) <= known:
        raise PromptError(
            f"{path}: unknown keys {sorted(map(str, set(content) - known))}; known: "
            f"{sorted(known)}"
        )
    templates = _texts(content.get("templates", ["{}"]), path, "templates")
    view_templates = _texts(content.get("view_templates", []), path, "view_templates")
    if not templates:
        raise PromptError(f"{path}: templates: name one, or leave the key out")
    for template in templates:
        _try_format(template, path, "templates")
    for template in view_templates:
        _try_format(template, path, "view_templates", view="from the front")
    views = content.get("views") or {180: ["from its {side}"]}
    try:
        angles = sorted((float(angle), words) for angle, words in views.items())
    except (AttributeError, TypeError, ValueError) as error:
        raise PromptError(f"{path}: views: expected `angle: [words]`") from error
    words_of = tuple((angle, _texts(words, path, "views")) for angle, words in angles)
    for words in itertools.chain(*(words for _, words in words_of)):
        try:
            fields = string.Formatter().parse(words)
            if any(spec or how for _, _, spec, how in fields):
                raise ValueError("a format")
            words.format(side="left")
        except (AttributeError, LookupError, ValueError) as error:
            raise PromptError(
                f"{path}: views: {words!r}: {{side}} is the only place there can be"
            ) from error
    return PromptBook(
        path,
        templates,
        view_templates,
        words_of,
        _classes(content["classes"], path),
    )


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key that comes twice is an error, not the last one's."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = [key for key, count in collections.Counter(keys).items() if count > 1]
    if twice:
        raise yaml.constructor.ConstructorError(
            None, None, f"the key {twice[0]!r} comes twice", node.start_mark
        )
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.Resolver.DEFAULT_MAPPING_TAG, _mapping)


def _classes(content: Any, path: pathlib.Path) -> dict[str, dict[str, tuple[str, ...]]]:
    if not isinstance(content, dict) or not content:
        raise PromptError(f"{path}: classes: expected `name: descriptions`")
    if len(content) > _MOST_CLASSES:
        raise PromptError(f"{path}: {len(content)} classes, more than {_MOST_CLASSES}")
    classes = {}
    for name, entry in content.items():
        where = f"classes: {name}"
        styles = {"plain": entry} if isinstance(entry, list) else entry
        if not isinstance(styles, dict) or not set(styles) <= set(STYLES) or not styles:
            raise PromptError(
                f"{path}: {where}: expected a list of descriptions, or lists for some "
                f"of {STYLES}"
            )
        classes[str(name)] = {
            style: _texts(texts, path, f"{where}: {style}")
            for style, texts in styles.items()
        }
    return classes


def _texts(content: Any, path: pathlib.Path, where: str) -> tuple[str, ...]:
    good = isinstance(content, list) and all(
        isinstance(text, str) and text.strip() and len(text) <= _LONGEST
        for text in content
    )
    if not good or len(set(content)) != len(content):
        raise PromptError(
            f"{path}: {where}: expected a list of different texts of at most "
            f"{_LONGEST} letters"
        )
    return tuple(content)


def _try_format(template: str, path: pathlib.Path, where: str, **fields: str) -> None:
    try:
        # A place has a name and nothing else: `{:>3000000000}` would be three GB long.
        parsed = string.Formatter().parse(template)
        plain = not any(spec or how for _, _, spec, how in parsed)
        good = plain and "@" in template.format("@", **fields)
    except (AttributeError, LookupError, ValueError):
        good = False
    if not good or any(
        text not in template.format("@", **fields) for text in fields.values()
    ):
        places = " and ".join(["{}", *("{" + name + "}" for name in fields)])
        raise PromptError(f"{path}: {where}: {template!r} must have {places}")
