"""transformers' tokenizers, with texts that do not fit as errors."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int32

from smile_jax.models.pretrained.hub import PretrainedError
from smile_jax.models.towers import TowersConfig


class PretrainedTokenizer:
    """Texts to ids, padded on the right as the towers expect.

    Attributes:
      reference: the tokenizer of transformers behind it.
      max_tokens: longest text, end marks counted.
    """

    def __init__(self, reference: Any, config: TowersConfig) -> None:
        assert config.text is not None
        self.reference, self.max_tokens = reference, config.max_tokens
        self._pad_id = config.text.pad_id
        # SigLIP pools the last position and was trained on texts of full length.
        self._full_length = config.text.pool == "last"
        self._masked = config.text.mask_padding

    @classmethod
    def load(cls, folder: pathlib.Path, config: TowersConfig) -> "PretrainedTokenizer":
        """Raises PretrainedError: files are missing."""
        from transformers import AutoTokenizer

        try:
            return cls(AutoTokenizer.from_pretrained(str(folder)), config)
        except Exception as error:  # many kinds, by tokenizer
            reason = str(error).strip().splitlines()[0] if str(error).strip() else error
            raise PretrainedError(
                f"{folder}: its tokenizer cannot be read ({type(error).__name__}: "
                f"{reason}); expected tokenizer.json and tokenizer_config.json, or the "
                "vocabulary files they stand for"
            ) from error

    def __call__(self, texts: Sequence[str]) -> Int32[np.ndarray, "K L"]:
        """Encodes texts.

        Raises:
          ValueError: a text that is empty, too long, or contains the padding token.
        """
        rows = [list(ids) for ids in self.reference(list(texts))["input_ids"]]
        for text, ids in zip(texts, rows, strict=True):
            if not text.strip():
                raise ValueError("a prompt is empty")
            if len(ids) > self.max_tokens:
                raise ValueError(
                    f"prompt {text!r} has {len(ids)} tokens, more than the tower's "
                    f"{self.max_tokens}"
                )
            if self._masked and self._pad_id in ids:
                raise ValueError(f"prompt {text!r} contains the padding token")
        length = self.max_tokens if self._full_length else max(map(len, rows))
        padded = np.full((len(rows), length), self._pad(), np.int32)
        for row, ids in zip(padded, rows, strict=True):
            row[: len(ids)] = ids
        return padded

    def save(self, folder: pathlib.Path) -> None:
        """Writes the tokenizer's files."""
        self.reference.save_pretrained(str(folder))

    def _pad(self) -> int:
        """SigLIP sees its padding: it must be the tokenizer's own."""
        own = self.reference.pad_token_id
        return self._pad_id if self._masked or own is None else own
