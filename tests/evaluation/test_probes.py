"""Probes on data with a known answer."""

import numpy as np

from smile_jax.evaluation.linear_probe import linear_probe
from smile_jax.evaluation.neighbours import nearest_neighbours
from smile_jax.evaluation.pixels import pca_features


def clusters(rng, spread):
    labels = np.arange(240) % 3
    centers = 4 * np.eye(3, 10)
    x = centers[labels] + spread * rng.normal(size=(240, 10))
    return x.astype(np.float32), labels, np.repeat(np.arange(24), 10).astype(str)


def test_linear_probe_separates_clusters_and_not_noise(rng):
    x, labels, subjects = clusters(rng, 0.5)
    predicted, strength = linear_probe(x[:180], labels[:180], subjects[:180], x[180:])
    assert (predicted == labels[180:]).mean() == 1
    assert strength in (1e-3, 1e-2, 1e-1, 1.0)
    noise = rng.normal(size=x.shape)
    predicted, _ = linear_probe(noise[:180], labels[:180], subjects[:180], noise[180:])
    assert (predicted == labels[180:]).mean() < 0.6


def test_probe_standardises_with_the_training_fold(rng):
    """A feature scaled by a million does not drown the others."""
    x, labels, subjects = clusters(rng, 0.5)
    x = x * np.array([1e6] + [1.0] * 9, np.float32)
    predicted, _ = linear_probe(x[:180], labels[:180], subjects[:180], x[180:])
    assert (predicted == labels[180:]).mean() == 1


def test_nearest_neighbours_by_cosine(rng):
    x, labels, _ = clusters(rng, 0.5)
    scaled = x * rng.uniform(0.1, 10, (240, 1))
    predicted = nearest_neighbours(
        scaled[:180], labels[:180], scaled[180:], k=10, num_classes=3
    )
    assert (predicted == labels[180:]).mean() == 1
    few = nearest_neighbours(x[:6], labels[:6], x[180:], k=10, num_classes=3)
    assert few.shape == (60,)


def test_pca_is_fitted_on_the_training_rows_only(rng):
    x = rng.normal(size=(60, 20))
    moved = x.copy()
    moved[50:] += 100  # test rows must not move the components
    fit = np.arange(50)
    a, b = (pca_features(v, fit, 5)[:50] for v in (x, moved))
    np.testing.assert_allclose(a, b)
