"""Arrays that are filled row by row, in memory or in files mapped into it."""

import math
import os
import pathlib
import tempfile

import numpy as np


class RowStore:
    """Arrays of n rows each, filled a few rows at a time.

    With a folder they are mapped from files there, so that what a million clips give
    does not have to fit into memory. The files have no name: their space is free again
    when the arrays are gone, however that happens.
    """

    def __init__(self, rows: int, folder: pathlib.Path | None = None) -> None:
        self._rows, self._folder = rows, folder
        self._arrays: dict[str, np.ndarray | None] = {}

    def write(self, name: str, first: int, values: np.ndarray) -> None:
        """Writes rows of an array from the first one on.

        An array whose rows differ in shape, as frames of two datasets do, is dropped.
        """
        if name not in self._arrays:
            self._arrays[name] = self._allocate(values)
        array = self._arrays[name]
        if array is None or array.shape[1:] != values.shape[1:]:
            self._arrays[name] = None
        else:
            array[first : first + len(values)] = values

    def __getitem__(self, name: str) -> np.ndarray:
        array = self._arrays[name]
        if array is None:
            raise ValueError(f"{name!r}: clips of two datasets give different shapes")
        return array

    def get(self, name: str) -> np.ndarray | None:
        """Returns an array; None if there is none of that name."""
        return self._arrays.get(name)

    def _allocate(self, values: np.ndarray) -> np.ndarray:
        shape = self._rows, *values.shape[1:]
        if self._folder is None:
            return np.empty(shape, values.dtype)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            size = math.prod(shape) * values.dtype.itemsize
            # A full disk is an error here, and would be a signal when rows are written.
            if hasattr(os, "posix_fallocate"):  # macOS has none
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, values.dtype, "r+", shape=shape)
