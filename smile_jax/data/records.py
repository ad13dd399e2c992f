"""The records of a built dataset, one at a time."""

import functools
from typing import Any

import numpy as np
from etils import epath

from smile_jax.core.extras import needed_for

# Features of pixels. Motion is small against the range of a dynamic image: a micro-
# expression moves it by less than a 256th.
PIXELS: dict[str, Any] = {"views": np.uint8, "dynamic": np.uint16}
FORMAT = "array_record"  # the one with random access


def as_stored(image: np.ndarray, feature: str) -> np.ndarray:
    """Converts pixels in [0, 1] to the integers that a feature stores."""
    kind = PIXELS[feature]
    return (image * np.iinfo(kind).max).round().astype(kind)


def as_shares(pixels: np.ndarray) -> np.ndarray:
    """Converts stored pixels to [0, 1]."""
    return pixels / np.iinfo(pixels.dtype).max


class DataError(ValueError):
    """A dataset cannot be read; the message names it and says what to do."""


class RecordSource:
    """Random access to the decoded records of a dataset."""

    def __init__(self, path: epath.Path, *, pixels: bool = True) -> None:
        self._path, self._pixels = path, pixels

    @functools.cached_property
    def builder(self) -> Any:
        """TFDS' read-only builder of the dataset."""
        with needed_for("a dataset"):
            import tensorflow_datasets as tfds

        return tfds.builder_from_directory(str(self._path))

    @functools.cached_property
    def _source(self) -> Any:
        with needed_for("a dataset"):
            import tensorflow_datasets as tfds

        decoders = {
            name: tfds.decode.SkipDecoding()
            for name in PIXELS
            if not self._pixels and name in self.builder.info.features
        }
        try:
            return self.builder.as_data_source("train", decoders=decoders or None)
        except Exception as error:  # TFDS and ArrayRecord raise many kinds
            raise self._unreadable(error) from error

    def shards(self) -> dict[str, int | None]:
        """Bytes of each of its files by name; None where it is missing."""
        there = {path.name: path for path in self._path.iterdir()}
        splits = self.builder.info.splits.values()
        return {
            name: there[name].stat().length if name in there else None
            for split in splits
            for name in split.filenames
        }

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        try:
            return self._source[int(index)]
        except Exception as error:
            raise self._unreadable(error, index) from error

    def __getstate__(self) -> dict[str, Any]:
        # Worker processes open their own readers.
        return {"_path": self._path, "_pixels": self._pixels}

    def _unreadable(self, error: Exception, index: int | None = None) -> DataError:
        where = "" if index is None else f" record {index}"
        return DataError(
            f"{self._path}:{where} cannot be read ({type(error).__name__}: {error}). A "
            "shard is damaged or missing: build the dataset again with `tfds build ... "
            "--overwrite`"
        )
