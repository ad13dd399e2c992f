"""transformers' tokenizers, with texts that do not fit as errors."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32

from smile_jax.core.extras import needed_for
from smile_jax.models.pretrained.hub import PretrainedError
from smile_jax.models.pretrained_towers import TowersConfig

_FILE = "smile_tokenizer.json"


@dataclasses.dataclass(frozen=True)
class PretrainedTokenizer:
    """Texts to ids, padded on the right as the towers expect.

    Attributes:
      reference: the tokenizer of transformers behind it.
      max_tokens: longest text, end marks counted.
      pad_id: what fills a row.
      full_length: fill every row to `max_tokens` (SigLIP pools the last position and
        was trained so), or to the longest text.
      pad_is_reserved: texts must not contain `pad_id`: the tower masks it.
      lower_case: SigLIP 2 was trained on lower-cased texts, which Gemma's tokenizer in
        its files does not see to (transformers' `Siglip2Tokenizer` does).
    """

    reference: Any
    max_tokens: int
    pad_id: int
    full_length: bool
    pad_is_reserved: bool
    lower_case: bool = False

    @classmethod
    def of_towers(
        cls, folder: pathlib.Path, config: TowersConfig
    ) -> "PretrainedTokenizer":
        """The tokenizer in a pretrained model's folder.

        Raises:
          PretrainedError: its files are missing or another model's.
        """
        assert config.text is not None
        reference, text = _read(folder), config.text
        if len(reference) > text.vocab_size:
            raise PretrainedError(
                f"{folder}: its tokenizer has {len(reference)} ids, its text tower "
                f"{text.vocab_size}; they are not of the same model"
            )
        pad_id = text.pad_id
        if not text.mask_padding and reference.pad_token_id is not None:
            pad_id = reference.pad_token_id  # SigLIP sees it: the tokenizer's own
        gemma = "gemma" in type(reference).__name__.lower()
        return cls(
            reference,
            config.max_tokens,
            pad_id,
            text.pool == "last",
            text.mask_padding,
            lower_case=gemma and config.family == "siglip",
        )

    @classmethod
    def load(cls, folder: pathlib.Path) -> "PretrainedTokenizer":
        """Reads what `save` wrote.

        Raises:
          PretrainedError: files are missing.
        """
        if not (folder / _FILE).is_file():
            raise PretrainedError(f"{folder}: no tokenizer of a run there, no {_FILE}")
        try:
            settings = json.loads((folder / _FILE).read_text())
            return cls(_read(folder), **settings)
        except (ValueError, TypeError) as error:
            if isinstance(error, PretrainedError):
                raise
            raise PretrainedError(
                f"{folder / _FILE}: damaged ({error}); copy it from where the run was "
                "trained"
            ) from error

    def save(self, folder: pathlib.Path) -> None:
        """Writes the tokenizer's files, and ours beside them."""
        self.reference.save_pretrained(str(folder))
        settings = dataclasses.asdict(dataclasses.replace(self, reference=None))
        del settings["reference"]
        (folder / _FILE).write_text(json.dumps(settings) + "\n")

    def __call__(self, texts: Sequence[str]) -> Int32[np.ndarray, "K L"]:
        """Encodes texts.

        Raises:
          ValueError: a text that is empty, too long, or contains the padding token.
        """
        given = [text.lower() for text in texts] if self.lower_case else list(texts)
        rows = [list(ids) for ids in self.reference(given)["input_ids"]]
        for text, ids in zip(texts, rows, strict=True):
            if not text.strip():
                raise ValueError("a prompt is empty")
            if len(ids) > self.max_tokens:
                raise ValueError(
                    f"prompt {text!r} has {len(ids)} tokens, more than the tower's "
                    f"{self.max_tokens}"
                )
            if self.pad_is_reserved and self.pad_id in ids:
                raise ValueError(f"prompt {text!r} contains the padding token")
        length = self.max_tokens if self.full_length else max(map(len, rows))
        padded = np.full((len(rows), length), self.pad_id, np.int32)
        for row, ids in zip(padded, rows, strict=True):
            row[: len(ids)] = ids
        return padded


def _read(folder: pathlib.Path) -> Any:
    with needed_for("a pretrained tower"):
        from transformers import AutoTokenizer

    try:
        # Never a folder's own code, nor a question whether to run it.
        return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as error:  # many kinds, by tokenizer
        reason = (str(error).strip().splitlines() or [repr(error)])[0]
        raise PretrainedError(
            f"{folder}: its tokenizer cannot be read ({type(error).__name__}: "
            f"{reason}); expected tokenizer.json and tokenizer_config.json, or the "
            "vocabulary files they stand for"
        ) from error
