"""A tokenizer that needs no vocabulary file: words hashed to ids."""

import json
import pathlib
import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32

PAD = 0
FILE = "hash_tokenizer.json"


class HashTokenizer:
    """Lower-cased words and punctuation marks to ids 1 .. vocab_size - 1 by CRC-32.

    A random text tower tells hashed words apart better than bytes: prompts of different
    classes share most of their bytes (docs/performance.md has the measurement).

    Example:
      >>> HashTokenizer(context_length=6)(["A happy face"])
      array([[ 8497, 16267,  4026,     0,     0,     0]], dtype=int32)
    """

    def __init__(self, context_length: int = 32, vocab_size: int = 16384) -> None:
        self.context_length, self.vocab_size = context_length, vocab_size

    @classmethod
    def load(cls, folder: pathlib.Path) -> "HashTokenizer":
        """Reads what `save` wrote.

        Raises:
          ValueError: the file is damaged.
        """
        try:
            found = json.loads((folder / FILE).read_text())
            sizes = found["context_length"], found["vocab_size"]
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(_damaged(folder / FILE, error)) from error
        if not all(type(size) is int and 1 < size <= 1 << 24 for size in sizes):
            raise ValueError(_damaged(folder / FILE, f"its sizes are {sizes}"))
        return cls(*sizes)

    def save(self, folder: pathlib.Path) -> None:
        """Writes the settings into a folder."""
        settings = {
            "context_length": self.context_length,
            "vocab_size": self.vocab_size,
        }
        (folder / FILE).write_text(json.dumps(settings) + "\n")

    def __call__(self, texts: Sequence[str]) -> Int32[np.ndarray, "K L"]:
        """Encodes texts, padded with 0.

        Raises:
          ValueError: a text that is empty or does not fit, or two words with the same
            id, named: a prompt would silently mean something else.
        """
        owners: dict[int, str] = {}
        ids = np.full((len(texts), self.context_length), PAD, np.int32)
        for row, text in zip(ids, texts, strict=True):
            words = re.findall(r"\w+|[^\w\s]", text.lower())
            if not 0 < len(words) <= self.context_length:
                raise ValueError(
                    f"prompt {text!r} has {len(words)} tokens; it must have 1 to "
                    f"{self.context_length} (model.text.context_length)"
                )
            row[: len(words)] = [self._id(word) for word in words]
            for word in words:
                if owners.setdefault(self._id(word), word) != word:
                    raise ValueError(
                        f"the words {word!r} and {owners[self._id(word)]!r} have the "
                        "same id; choose another model.text.vocab_size"
                    )
        return ids

    def _id(self, word: str) -> int:
        return 1 + zlib.crc32(word.encode()) % (self.vocab_size - 1)


def _damaged(path: pathlib.Path, what: Any) -> str:
    return (
        f"{path}: damaged ({what}); copy it from where the run was trained, or from a "
        "run of the same model.text keys"
    )
