"""A tokenizer that needs no vocabulary file: UTF-8 bytes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int32

PAD, START, END = 256, 257, 258


class ByteTokenizer:
    """Text to byte ids between START and END, padded with PAD.

    Example:
      >>> ByteTokenizer(context_length=6)(["hi"])
      array([[257, 104, 105, 258, 256, 256]], dtype=int32)
    """

    vocab_size = 259
    pad_id = PAD

    def __init__(self, context_length: int = 64) -> None:
        self.context_length = context_length

    def __call__(self, texts: Sequence[str]) -> Int32[np.ndarray, "K L"]:
        """Encodes texts, lower-cased.

        Raises:
          ValueError: a text that does not fit, named: a cut prompt would mean
            something else.
        """
        ids = np.full((len(texts), self.context_length), PAD, np.int32)
        for row, text in zip(ids, texts, strict=True):
            encoded = [START, *text.lower().strip().encode(), END]
            if len(encoded) > self.context_length:
                raise ValueError(
                    f"prompt {text!r} has {len(encoded)} tokens, more than "
                    f"context_length {self.context_length}; shorten it"
                )
            row[: len(encoded)] = encoded
        return ids
