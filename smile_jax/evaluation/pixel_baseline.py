"""The pixel baseline: principal components of what the model sees."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.decomposition import PCA, IncrementalPCA, KernelPCA

from smile_jax.core import parallel

# Pixels are averaged down to at most so many a side.
_SIZE = 64
_FEWEST = 32  # components worth trying

# Up to so many clips their products are known to each other, which is exact and serves
# every fold; up to so many bytes pixels are decomposed in memory, beyond in batches.
_PRODUCTS = 5000
_IN_MEMORY = 3 << 30
_BATCH = 256 << 20  # bytes that are read together, if components do not ask for more


def shrink_of(view: Callable) -> Callable[[Any], Any]:
    """Compiles a function that averages down what a model sees through `view`.

    It takes a batch on the devices and gives (devices, n, pixels) float32.
    """

    def shrink(_: None, batch: Any) -> Any:
        clips, _ = view(batch["views"])
        b, t, v, h, w, c = clips.shape
        f = next(f for f in range(1, h + 1) if h % f == 0 and h <= f * _SIZE)
        split = clips.reshape(b, t, v, h // f, f, w // f, f, c)
        return split.mean(axis=(4, 6)).reshape(b, -1)

    return functools.partial(parallel.pmap_eval(shrink), None)


class PixelComponents:
    """Principal components of clips, fitted to the training clips of a fold."""

    def __init__(self, pixels: Float[np.ndarray, "n p"]) -> None:
        """Takes the pixels of all clips, which may be a file mapped into memory."""
        self._pixels = pixels
        self._fitted: tuple[np.ndarray, Any] = (np.zeros(0, np.int64), None)

    def features(
        self,
        fit: Int[np.ndarray, "t"],
        rows: Int[np.ndarray, "n"],
        components: int,
    ) -> Float[np.ndarray, "n c"]:
        """Returns components of some clips, the largest first.

        Args:
          fit: clips to which the components are fitted.
          rows: clips whose components are asked for.
          components: how many, at most.
        """
        components = min(components, len(fit) - 1, self._pixels.shape[1])
        if not np.array_equal(self._fitted[0], fit):
            self._fitted = fit, self._fit(fit, components)
        _, pca = self._fitted
        if len(self._pixels) <= _PRODUCTS:
            found = pca.transform(self._products[np.ix_(rows, fit)])
        else:
            batches = _batches(rows, self._at_once)
            parts = [pca.transform(self._pixels[batch]) for batch in batches]
            found = np.concatenate(parts)
        return found[:, :components].astype(np.float32)

    def _fit(self, fit: np.ndarray, components: int) -> Any:
        """Fits by the way that the number and the size of clips allow."""
        if len(self._pixels) <= _PRODUCTS:
            pca = KernelPCA(components, kernel="precomputed", eigen_solver="dense")
            return pca.fit(self._products[np.ix_(fit, fit)])
        if len(fit) * self._pixels[0].nbytes <= _IN_MEMORY:
            pca = PCA(components, svd_solver="randomized", random_state=0, copy=False)
            return pca.fit(self._pixels[fit])
        # What a batch leaves out is lost to the next: as many more are kept.
        kept = min(2 * components, len(fit), self._pixels.shape[1])
        pca = IncrementalPCA(kept, copy=False)
        for batch in _batches(fit, max(self._at_once, kept)):
            pca.partial_fit(self._pixels[batch])
        return pca

    @property
    def _at_once(self) -> int:
        """Clips that are read together."""
        return max(_BATCH // self._pixels[0].nbytes, 1)

    @functools.cached_property
    def _products(self) -> Float[np.ndarray, "n n"]:
        """Scalar products of all clips, which are far fewer than pixels."""
        clips, width = self._pixels.shape
        total = np.zeros((clips, clips), np.float64)
        for columns in _batches(np.arange(width), max(_BATCH // (4 * clips), 1)):
            part = self._pixels[:, columns[0] : columns[-1] + 1]
            # Less the mean of all, or rounding would drown small components.
            part = part - part.mean(axis=0)
            total += part @ part.T
        return total


def _batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Cuts rows into parts of about equal size, none smaller than `size`."""
    yield from np.array_split(rows, max(len(rows) // size, 1))


def leading_counts(components: int) -> tuple[int, ...]:
    """Returns the numbers of components to choose from: all, half, a quarter ..."""
    halves = [components >> k for k in range(components.bit_length())]
    return tuple(n for n in reversed(halves) if n >= _FEWEST) or (components,)
