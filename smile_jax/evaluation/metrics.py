"""Scores over the full class list.

Widely copied code drops classes that do not occur, which inflates UF1 and UAR; here a
class with nothing in it scores 0.
"""

import numpy as np
from jaxtyping import Float, Int


def confusion(
    labels: Int[np.ndarray, "n"], predictions: Int[np.ndarray, "n"], num_classes: int
) -> Int[np.ndarray, "k k"]:
    """Counts by true class (rows) and predicted class (columns)."""
    matrix = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


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
