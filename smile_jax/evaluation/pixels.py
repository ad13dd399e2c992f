"""The pixel baseline: principal components of what the model sees."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.decomposition import PCA, IncrementalPCA, KernelPCA

from smile_jax import parallel

# Pixels are averaged down to at most so many a side.
_SIZE = 64
_FEWEST = 32  # components worth trying
_AT_ONCE = 1024  # clips that are transformed together

# Up to so many clips their products are known to each other, which is exact and serves
# every fold; up to so many bytes pixels are decomposed in memory, beyond in batches.
_PRODUCTS = 5000
_IN_MEMORY = 3 << 30


def shrink_of(view: Callable) -> Callable[[Any], Any]:
    """Returns a compiled function of a batch on the devices: (devices, n, pixels)
    float32, what a model sees through `view`, averaged down."""

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

    def features(
        self,
        fit: Int[np.ndarray, "t"],
        others: Int[np.ndarray, "m"],
        components: int,
    ) -> Float[np.ndarray, "n c"]:
        """Returns the components of the rows `fit`, to which they are fitted, and then
        of other rows, the largest first."""
        components = min(components, len(fit) - 1, self._pixels.shape[1])
        if len(self._pixels) <= _PRODUCTS:
            return self._by_products(fit, others, components)
        if len(fit) * self._pixels[0].nbytes <= _IN_MEMORY:
            pca = PCA(components, svd_solver="randomized", random_state=0, copy=False)
            pca.fit(self._pixels[fit])
        else:
            # What a batch leaves out is lost to the next: as many more are kept.
            kept = min(2 * components, self._pixels.shape[1])
            pca = IncrementalPCA(kept, copy=False)
            for rows in _batches(fit, max(_AT_ONCE, kept)):
                pca.partial_fit(self._pixels[rows])
        rows = np.concatenate([fit, others])
        parts = [pca.transform(self._pixels[x]) for x in _batches(rows, _AT_ONCE)]
        return np.concatenate(parts)[:, :components].astype(np.float32)

    def _by_products(
        self, fit: np.ndarray, others: np.ndarray, components: int
    ) -> np.ndarray:
        pca = KernelPCA(components, kernel="precomputed", eigen_solver="dense")
        own = pca.fit_transform(self._products[np.ix_(fit, fit)])
        rest = self._products[np.ix_(others, fit)]
        if not len(others):
            return own.astype(np.float32)
        return np.concatenate([own, pca.transform(rest)]).astype(np.float32)

    @functools.cached_property
    def _products(self) -> Float[np.ndarray, "n n"]:
        """Scalar products of all clips. They are far fewer than pixels."""
        # Less the mean of all, or rounding would drown small components.
        centred = self._pixels - self._pixels.mean(axis=0)
        return (centred @ centred.T).astype(np.float64)


def _batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Cuts rows into parts of about equal size, none of them smaller."""
    yield from np.array_split(rows, max(len(rows) // size, 1))


def leading_counts(components: int) -> tuple[int, ...]:
    """How many of the components an evaluation may take: all, half, a quarter ..."""
    halves = [components >> k for k in range(components.bit_length())]
    return tuple(n for n in reversed(halves) if n >= _FEWEST) or (components,)
