"""Linear probe, k nearest neighbours and the pixel baseline, on frozen features."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# Inverse regularisation strengths of the probe, this project's choice.
_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)


def linear_probe(
    train: Float[np.ndarray, "n f"],
    labels: Int[np.ndarray, "n"],
    subjects: np.ndarray,
    test: Float[np.ndarray, "m f"],
) -> tuple[Int[np.ndarray, "m"], float]:
    """Logistic regression on standardised features.

    The strength is chosen by cross-validation over the training subjects, then the
    probe is fitted on all of them; the test subjects choose nothing.

    Returns:
      Predicted classes of `test`, and the chosen strength C.
    """
    folds = list(
        GroupKFold(min(3, len(np.unique(subjects)))).split(train, labels, subjects)
    )
    scores = [
        cross_val_score(_probe(strength), train, labels, cv=folds).mean()
        for strength in _STRENGTHS
    ]
    best = _STRENGTHS[int(np.argmax(scores))]
    return _probe(best).fit(train, labels).predict(test), best


def _probe(strength: float):
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=strength, max_iter=1000, tol=1e-3)
    )


def nearest_neighbours(
    train: Float[np.ndarray, "n f"],
    labels: Int[np.ndarray, "n"],
    test: Float[np.ndarray, "m f"],
    *,
    k: int,
    num_classes: int,
    temperature: float = 0.07,
) -> Int[np.ndarray, "m"]:
    """Weighted k nearest neighbours by cosine (Wu et al., 2018; T = 0.07).

    `train` must hold other subjects than `test`.
    """
    unit = [
        x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        for x in (train, test)
    ]
    similarity = unit[1] @ unit[0].T
    k = min(k, len(train))
    nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    weights = np.exp(np.take_along_axis(similarity, nearest, axis=1) / temperature)
    votes = np.zeros((len(test), num_classes))
    rows = np.repeat(np.arange(len(test)), k)
    np.add.at(votes, (rows, labels[nearest].ravel()), weights.ravel())
    return votes.argmax(axis=1).astype(np.int64)


def pca_features(
    pixels: Float[np.ndarray, "n p"], fit: Int[np.ndarray, "t"], components: int
) -> Float[np.ndarray, "n c"]:
    """Principal components of pixels, fitted on the rows `fit` (the training fold)."""
    components = min(components, len(fit), pixels.shape[1])
    pca = PCA(components, svd_solver="randomized", random_state=0)
    return pca.fit(pixels[fit]).transform(pixels)
