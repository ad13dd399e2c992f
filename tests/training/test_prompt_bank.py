"""Prompts through the text tower, and how they are kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.models import Encoder, EncoderConfig, TextConfig, TextTower, VisionConfig
from smile_jax.models.temporal import TemporalConfig
from smile_jax.training import prompt_bank


@pytest.fixture
def model():
    return Encoder(
        EncoderConfig(
            vision=VisionConfig(patch_size=8, width=16, depth=1, heads=2, mlp_width=32),
            text=TextConfig(
                width=16,
                heads=2,
                depth=1,
                mlp_width=32,
                vocab_size=64,
                context_length=32,
            ),
            num_views=1,
            temporal=TemporalConfig(kind="mean"),
            embed_dim=8,
            logit_scale_init=10.0,
        )
    )


@pytest.fixture
def params(model):
    tower = TextTower(model.config.text, model.config.embed_dim)
    variables = tower.init(jax.random.PRNGKey(0), jnp.ones((1, 4), jnp.int32))
    return {"text": jax.device_get(variables["params"])}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SMILE_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prompts"


TOKENS = np.array([[1, 2, 0], [3, 4, 5]], np.int32)


def test_embedded_once_and_by_content(model, params, cache, monkeypatch):
    first = prompt_bank.embed_prompts(model, params, TOKENS)
    assert first.shape == (2, 8)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    assert len(list(cache.glob("*.npy"))) == 1
    # What is kept is what comes back: a value that no tower would give.
    np.save(next(cache.glob("*.npy")), np.full((2, 8), 7.0, np.float32))
    assert (prompt_bank.embed_prompts(model, params, TOKENS) == 7).all()
    # Other tokens and other parameters are other content.
    other = prompt_bank.embed_prompts(model, params, TOKENS[::-1].copy())
    np.testing.assert_allclose(other, first[::-1], atol=1e-6)
    params["text"]["position"] = 100 * params["text"]["position"][::-1]
    assert np.abs(prompt_bank.embed_prompts(model, params, TOKENS) - first).max() > 1e-4
    assert len(list(cache.glob("*.npy"))) == 3


def test_a_damaged_entry_is_made_again(model, params, cache):
    first = prompt_bank.embed_prompts(model, params, TOKENS)
    path = next(cache.glob("*.npy"))
    path.write_bytes(path.read_bytes()[:50])
    np.testing.assert_array_equal(
        prompt_bank.embed_prompts(model, params, TOKENS), first
    )
    np.testing.assert_array_equal(np.load(path), first)


def test_a_folder_that_cannot_be_written_only_costs_time(
    model, params, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SMILE_JAX_CACHE", str(tmp_path / "file"))
    assert prompt_bank.embed_prompts(model, params, TOKENS).shape == (2, 8)


def test_each_view_has_the_bank_of_its_camera():
    groups = jnp.arange(4.0)[:, None, None] * jnp.ones((4, 3, 2))
    found = prompt_bank.bank_of_views(groups, jnp.array([[0, 2], [1, 0]]))
    np.testing.assert_array_equal(found[..., 0, 0], [[1, 3], [2, 1]])
    assert prompt_bank.bank_of_views(groups[:1], jnp.array([[0, 2]])) is None
