"""The pixel baseline: principal components of what the model sees."""

import jax
import numpy as np
from jaxtyping import Float, Int
from sklearn.decomposition import PCA

from smile_jax.evaluation.embed import Seen

# Pixels are averaged down to at most so many a side.
_SIZE = 64


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
    """Principal components of pixels, fitted on the rows `fit` (the training fold)."""
    components = min(components, len(fit), pixels.shape[1])
    pca = PCA(components, svd_solver="randomized", random_state=0)
    return pca.fit(pixels[fit]).transform(pixels)
