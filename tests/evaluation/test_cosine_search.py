"""Nearest neighbours in blocks, as by the whole matrix of similarities."""

import numpy as np
import pytest

from smile_jax.evaluation import cosine_search as module
from smile_jax.evaluation.base import Fold
from smile_jax.evaluation.cosine_search import nearest
from smile_jax.evaluation.identity_probe import IdentityProbe


def by_all(queries, keys, k, own=None):
    """The same in float64, of the whole matrix."""
    units = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, keys)]
    alike = units[0] @ units[1].T
    if own is not None:
        alike[np.arange(len(queries)), own] = -np.inf
    places = np.argsort(-alike, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(alike, places, axis=1), places


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "_QUERIES", 16)
    monkeypatch.setattr(module, "_KEYS", 32)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("m, n, k", [(1, 5, 5), (16, 32, 1), (50, 100, 20), (7, 33, 3)])
def test_blocks_find_what_the_whole_matrix_holds(rng, m, n, k):
    queries, keys = rng.normal(size=(m, 6)) * 9, rng.normal(size=(n, 6))
    cosines, places = nearest(queries, keys, k)
    expected, where = by_all(queries, keys, k)
    np.testing.assert_array_equal(places, where)
    np.testing.assert_allclose(cosines, expected, atol=1e-6)


@pytest.mark.usefixtures("small_blocks")
def test_no_clip_is_its_own_neighbour(rng):
    clips = rng.normal(size=(70, 4))
    own = np.arange(70)
    _, places = nearest(clips, clips, 3, own=own)
    np.testing.assert_array_equal(places, by_all(clips, clips, 3, own)[1])
    assert not (places == own[:, None]).any()
    assert (nearest(clips, clips, 1)[1][:, 0] == own).all()  # without that it is


def test_equal_clips_of_others_are_neighbours(rng):
    """Two people with the same two features each: nobody is found by himself."""
    features = np.array([[1.0, 0], [0, 1.0], [1.0, 0], [0, 1.0]])
    fold = Fold(features, 0, {"subject": np.array([0, 0, 1, 1])}, ())
    outcome = IdentityProbe().run(fold)
    np.testing.assert_array_equal(outcome.answers[""], [1, 1, 0, 0])
