"""The pixel baseline: principal components of what the model sees."""

import jax
import numpy as np
from jaxtyping import Float, Int
from sklearn.decomposition import KernelPCA

from smile_jax.evaluation.embed import Seen

# Pixels are averaged down to at most so many a side.
_SIZE = 64
_EXACT = 5000  # clips of which all components are computed at once, as fast
_FEWEST = 32  # components worth trying


def pixels_of(seen: Seen, records: np.ndarray) -> Float[np.ndarray, "n p"]:
    """(n, pixels) float32: what the model sees, averaged down."""

    @jax.jit
    def shrink(images):
        clips, _ = seen.view(images)
        b, t, v, h, w, c = clips.shape
        f = next(f for f in range(1, h + 1) if h % f == 0 and h <= f * _SIZE)
        split = clips.reshape(b, t, v, h // f, f, w // f, f, c)
        return split.mean(axis=(4, 6)).reshape(b, -1)

    return np.concatenate(
        [
            np.asarray(shrink(batch["views"]))[batch["weight"]]
            for batch in seen.batches(records)
        ]
    )


def pca_features(
    pixels: Float[np.ndarray, "n p"], fit: Int[np.ndarray, "t"], components: int
) -> Float[np.ndarray, "n c"]:
    """Principal components of pixels, fitted on the rows `fit` (the training fold), the
    largest first."""
    components = min(components, len(fit) - 1, pixels.shape[1])
    centred = pixels - pixels[fit].mean(axis=0)
    # Through the products of clips: there are fewer clips than pixels.
    solver = "dense" if len(fit) <= _EXACT else "randomized"
    pca = KernelPCA(components, kernel="linear", eigen_solver=solver, random_state=0)
    return pca.fit(centred[fit]).transform(centred)


def leading_counts(components: int) -> tuple[int, ...]:
    """How many of the components an evaluation may take: all, half, a quarter ..."""
    halves = [components >> k for k in range(components.bit_length())]
    return tuple(n for n in reversed(halves) if n >= _FEWEST) or (components,)
