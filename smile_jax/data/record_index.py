"""The index of a dataset: facts of every record, in one small file beside the shards.

Records hold their pixels too: to learn labels from them is to read the whole dataset.
"""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from etils import epath

from smile_jax.data.records import DataError

FILE = "records.npz"
_SHARDS, _SIZES = "shard_names", "shard_bytes"
_NUMBERS = {
    "expression": np.int32,
    "intensity": np.int32,
    "mm_per_pixel": np.float32,
    "rate_hz": np.float32,
}
_TEXTS = ("subject", "sequence", "caption")


def index_row(example: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of an example that the index has of it; they can be written as JSON."""
    names = [name for name in (*_NUMBERS, *_TEXTS) if name in example]
    return {
        name: x.item() if isinstance(x := example[name], np.generic) else x
        for name in names
    }


def make_index(records: Iterable[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Collects columns (n,) of all records, or their rows, in their order.

    "expression" and "intensity" are int32, "mm_per_pixel" and "rate_hz" float32;
    "subject", "sequence" and, if there are any, "caption" are texts.
    """
    columns: dict[str, list] = {}
    for record in records:
        for name in (*_NUMBERS, *_TEXTS):
            if name in record:
                columns.setdefault(name, []).append(record[name])
    return {
        name: np.array(column, _NUMBERS[name])
        if name in _NUMBERS
        else np.array([_text(text) for text in column])
        for name, column in columns.items()
    }


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def write_index(
    folder: epath.Path, index: dict[str, Any], shards: Mapping[str, int | None]
) -> None:
    """Writes `records.npz` into a dataset's folder, local or on object storage.

    Args:
      folder: of the version.
      index: from `make_index`.
      shards: bytes of each file by name, by which they are known again.
    """
    content = io.BytesIO()
    sizes: dict[str, Any] = {_SHARDS: list(shards), _SIZES: list(shards.values())}
    np.savez_compressed(content, **index, **sizes)
    (folder / FILE).write_bytes(content.getvalue())


def read_index(
    folder: epath.Path, shards: Mapping[str, int | None]
) -> dict[str, np.ndarray] | None:
    """The index that `write_index` wrote; None where it has not.

    Raises:
      DataError: the file is damaged, or is of other shards than these.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as columns:
            index = dict(columns)
        names, sizes = index.pop(_SHARDS).tolist(), index.pop(_SIZES).tolist()
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds
        raise DataError(
            f"{path}: damaged ({type(error).__name__}: {str(error)[:200]}); remove it "
            "and it is not used, or build the dataset again with `tfds build ... "
            "--overwrite`"
        ) from error
    for name, size in zip(names, sizes, strict=True):
        if shards.get(name) != size:
            raise DataError(
                f"{folder / name}: {shards.get(name)} bytes, {size} when it was built: "
                "cut short, or of another build; copy the dataset again or build it "
                "with `tfds build ... --overwrite`"
            )
    return index
