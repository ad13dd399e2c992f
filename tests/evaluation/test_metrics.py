import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from smile_jax.evaluation.metrics import accuracy, confusion, per_class_f1, uar, uf1


def test_by_hand():
    matrix = confusion(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0]), 3)
    np.testing.assert_array_equal(matrix, [[1, 1, 0], [0, 2, 0], [1, 0, 0]])
    assert accuracy(matrix) == pytest.approx(3 / 5)
    np.testing.assert_allclose(per_class_f1(matrix), [2 / 4, 4 / 5, 0])
    assert uf1(matrix) == pytest.approx((0.5 + 0.8 + 0) / 3)
    assert uar(matrix) == pytest.approx((0.5 + 1 + 0) / 3)


def test_equals_scikit_learn(rng):
    labels, predictions = rng.integers(0, 5, 300), rng.integers(0, 5, 300)
    matrix = confusion(labels, predictions, 5)
    assert uf1(matrix) == pytest.approx(f1_score(labels, predictions, average="macro"))
    assert uar(matrix) == pytest.approx(
        recall_score(labels, predictions, average="macro")
    )


def test_classes_without_examples_count_as_zero():
    """Widely copied code drops them: this batch would score 1."""
    matrix = confusion(np.array([0, 1]), np.array([0, 1]), 5)
    assert uf1(matrix) == pytest.approx(2 / 5)
    assert uar(matrix) == pytest.approx(2 / 5)


def test_no_examples():
    matrix = confusion(np.array([], int), np.array([], int), 3)
    assert accuracy(matrix) == uf1(matrix) == uar(matrix) == 0
