"""Scores over the full class list.

Widely copied code drops classes that do not occur, which inflates UF1 and UAR; here a
class with nothing in it scores 0.
"""

import numpy as np
from jaxtyping import Bool, Float, Int


def confusion(
    labels: Int[np.ndarray, "n"], predictions: Int[np.ndarray, "n"], num_classes: int
) -> Int[np.ndarray, "k k"]:
    """Counts by true class (rows) and predicted class (columns)."""
    matrix = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


def calibration(
    probabilities: Float[np.ndarray, "n K"],
    labels: Int[np.ndarray, "n"],
    bins: int = 10,
) -> tuple[float, Float[np.ndarray, "b 3"]]:
    """`calibration_of` the most probable classes."""
    right = probabilities.argmax(axis=1) == labels
    return calibration_of(probabilities.max(axis=1), right, bins)


def calibration_of(
    confidence: Float[np.ndarray, "n"], right: Bool[np.ndarray, "n"], bins: int = 10
) -> tuple[float, Float[np.ndarray, "b 3"]]:
    """Returns the expected calibration error and the points of its curve.

    Guo et al., "On Calibration of Modern Neural Networks", 2017: how far confidence is
    from accuracy, weighted by clips.

    Returns:
      The error, and of each bin that has some: mean confidence, accuracy, share.
    """
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    rows = [
        (confidence[place == b].mean(), right[place == b].mean(), (place == b).mean())
        for b in range(bins)
        if (place == b).any()
    ]
    table = np.array(rows)
    error = float((np.abs(table[:, 0] - table[:, 1]) * table[:, 2]).sum())
    return error, table


def people_interval(
    right: Bool[np.ndarray, "n"], subjects: np.ndarray, rounds: int = 2000
) -> tuple[float, float]:
    """Returns the 95 per cent bootstrap interval of an accuracy, by drawing people.

    Clips of one person are not independent.
    """
    _, person = np.unique(subjects, return_inverse=True)
    hits = np.bincount(person, right)
    counts = np.bincount(person)
    drawn = np.random.default_rng(0).integers(len(counts), size=(rounds, len(counts)))
    scores = hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


def accuracy(matrix: Int[np.ndarray, "k k"]) -> float:
    """Share of examples on the diagonal; 0 without examples."""
    return float(np.trace(matrix) / max(matrix.sum(), 1))


def per_class_f1(matrix: Int[np.ndarray, "k k"]) -> Float[np.ndarray, "k"]:
    """2TP / (2TP + FP + FN) of each class, 0 where the denominator is 0."""
    hits = np.diagonal(matrix)
    return 2 * hits / np.maximum(matrix.sum(axis=0) + matrix.sum(axis=1), 1)


def uf1(matrix: Int[np.ndarray, "k k"]) -> float:
    """Unweighted mean F1 over all classes."""
    return float(per_class_f1(matrix).mean())


def uar(matrix: Int[np.ndarray, "k k"]) -> float:
    """Unweighted mean recall over all classes."""
    recall = np.diagonal(matrix) / np.maximum(matrix.sum(axis=1), 1)
    return float(recall.mean())
