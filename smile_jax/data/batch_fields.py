"""Fields of a batch that are derived from a dataset's index."""

from collections.abc import Iterable, Sequence

import numpy as np

from smile_jax.data.dataset import DERIVED, FaceDataset, Fields


def example_fields(
    needs: Iterable[str],
    dataset: FaceDataset,
    classes: Sequence[str],
    prompt_rows: np.ndarray,
) -> Fields:
    """Returns the columns of what a method needs, by name.

    "label" is the index into `classes`, "subject" and "sequence" number the dataset's,
    "dataset" those of a mixture; -1 stands for none.

    Args:
      needs: names, of `DERIVED` or `dataset.stored`.
      dataset: whose records.
      classes: of the run.
      prompt_rows: (n,) row of the bank that each record is aligned with, "prompt".
    """

    def column(name: str) -> np.ndarray | None:
        if name == "label":
            return dataset.labels_over(classes)
        if name == "prompt":
            return prompt_rows
        if name == "dataset":
            return dataset.part_numbers
        if name in ("subject", "sequence"):
            names = dataset.subjects if name == "subject" else dataset.sequences
            return np.unique(names, return_inverse=True)[1].astype(np.int32)
        return None  # records hold it

    return {name: column(name) for name in sorted(set(needs))}


def field_shapes(
    needs: Iterable[str], dataset: FaceDataset
) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape of one example's value, and dtype, of what a method needs."""
    number = (), np.dtype(np.int32)
    return {
        name: number if name in DERIVED else dataset.stored[name]
        for name in sorted(set(needs))
    }


def read_fields(
    needs: Iterable[str],
    dataset: FaceDataset,
    classes: Sequence[str],
    records: np.ndarray,
) -> dict[str, np.ndarray]:
    """Reads fields of n records at once: name -> (n, ...) values."""
    nothing = np.full(len(dataset.labels), -1, np.int32)
    columns = example_fields(needs, dataset, classes, nothing)
    stored = [name for name, column in columns.items() if column is None]
    found = {name: x[records] for name, x in columns.items() if x is not None}
    if not stored:
        return found
    source = dataset.open_records(pixels=False)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in stored}
    for number in records:
        record = source[number]
        for name in stored:
            rows[name].append(record[name])
    return found | {name: np.stack(values) for name, values in rows.items()}
