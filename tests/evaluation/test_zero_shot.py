"""Prompts by way of captions."""

import numpy as np
import pytest

from smile_jax.inference.prompting import in_terms_of


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_by_hand():
    """Two prompts that differ along one axis, of captions that differ along it too."""
    captions = unit(np.array([[1.0, 0.1, 5.0], [-1.0, 0.1, 5.0], [0.0, -0.2, 5.0]]))
    bank = unit(np.array([[1.0, 7.0, 0.0], [-1.0, 7.0, 0.0]]))  # of another style
    found = in_terms_of(bank, captions)
    away = unit(captions - captions.mean(axis=0))
    weights = np.exp(np.array([1.0, 0.0, 0.0]) @ away.T / 0.07)
    np.testing.assert_allclose(found[0], unit(weights @ captions / weights.sum()))
    np.testing.assert_allclose(found[1], found[0] * [-1, 1, 1], atol=1e-12)


def test_words_never_seen_beside_an_image_are_understood(rng):
    """An encoder knows where captions lie and is lost elsewhere; their style is not
    the prompts'."""
    classes, width = 6, 64
    meanings = rng.standard_normal((classes, width))
    shared, style = 2 * rng.standard_normal((2, width))
    noise = 0.3 * rng.standard_normal((48, width))
    captions = unit(shared + np.repeat(meanings, 8, axis=0) + noise)
    images = unit(captions + 0.1 * rng.standard_normal(captions.shape))
    truth = np.repeat(np.arange(classes), 8)
    # One of the prompts has more of what all captions share, and wins for that.
    like_captions = 0.5 * (np.arange(classes) == 2)[:, None] * shared
    bank = unit(meanings + style + like_captions)
    plain = ((images @ bank.T).argmax(axis=1) == truth).mean()
    said = in_terms_of(bank, captions)
    assert plain < 0.5
    assert ((images @ said.T).argmax(axis=1) == truth).mean() > 0.95
    np.testing.assert_allclose(np.linalg.norm(said, axis=1), 1)


def test_one_prompt_alone_is_all_captions_together(rng):
    """There is nothing to tell it from."""
    captions = unit(rng.standard_normal((5, 4)))
    found = in_terms_of(unit(rng.standard_normal((1, 4))), captions)
    assert found[0] == pytest.approx(unit(captions.mean(axis=0)))
