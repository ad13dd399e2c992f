"""The masked autoencoder: by a loop, by hand, and what it must not see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.config import ConfigError
from smile_jax.config.validate import validate
from smile_jax.models.masked_decoder import MaskedDecoder, hide_patches
from smile_jax.models.vit import VisionConfig, patches_of
from smile_jax.objectives.mae import Mae
from smile_jax.objectives.text_sources import NoText
from tests.training.common import shrunk_config
from tests.training.test_step import assert_same_run, run_steps

SIZE, P, KEPT = 8, 16, 4
METHOD = {
    "objective.name": "mae",
    "text_source": "none",
    "augment.patch_dropout": 0.75,
    "objective.mae.decoder_width": 16,
    "objective.mae.decoder_depth": 1,
}


@pytest.fixture
def seen(rng):
    """Images, the patches that are kept, and tokens."""
    images = rng.normal(size=(3, 32, 32, 2))
    kept = np.stack([np.sort(rng.permutation(P)[:KEPT]) for _ in range(3)])
    return images, kept.astype(np.int32), rng.normal(size=(3, KEPT, 6))


def decoder(tokens, kept, images):
    made = MaskedDecoder(8, 1, 2)
    given = jnp.asarray(tokens), jnp.asarray(kept), jnp.asarray(images), SIZE
    params = made.init(jax.random.PRNGKey(0), *given)["params"]
    return made, params, given


def test_error_is_that_of_the_loop(seen, x64):
    """Of the decoder's own guesses, read from it by making it guess zero but for its
    last bias."""
    images, kept, tokens = seen
    made, params, given = decoder(tokens, kept, images)
    bias = np.linspace(-1, 1, SIZE * SIZE * 2)
    params["pixels"]["kernel"] = jnp.zeros_like(params["pixels"]["kernel"])
    params["pixels"]["bias"] = jnp.asarray(bias)
    expected = []
    for image, own in zip(images, kept, strict=True):
        errors = []
        for place in set(range(P)) - set(own.tolist()):
            row, column = divmod(place, 4)
            patch = image[row * SIZE :, column * SIZE :][:SIZE, :SIZE].ravel()
            standard = (patch - patch.mean()) / np.sqrt(patch.var() + 1e-6)
            errors.append(np.mean((bias - standard) ** 2))
        expected.append(np.mean(errors))
    found = made.apply({"params": params}, *given)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_by_hand(seen, x64):
    """Who guesses the mean of each patch is wrong by its variance, which is 1."""
    images, kept, tokens = seen
    made, params, given = decoder(tokens, kept, images)
    params["pixels"] = jax.tree.map(jnp.zeros_like, params["pixels"])
    found = made.apply({"params": params}, *given)
    np.testing.assert_allclose(found, 1, atol=1e-4)


def test_guesses_know_nothing_of_what_is_hidden(seen):
    """Neither the tower, whose stem overlaps, nor the decoder."""
    images, kept, tokens = seen
    config = VisionConfig(
        width=8, depth=1, heads=2, mlp_width=8, patch_size=8, stem="conv", pool="mean"
    )
    tower = config.make()
    is_kept = np.zeros((3, P), bool)
    np.put_along_axis(is_kept, kept, True, axis=1)
    wide = is_kept.reshape(3, 4, 4).repeat(SIZE, 1).repeat(SIZE, 2)[..., None]
    other = np.where(wide, images, 5 - images)
    shown = [
        hide_patches(jnp.asarray(x), jnp.asarray(kept), SIZE) for x in (images, other)
    ]
    np.testing.assert_array_equal(*shown)
    params = tower.init(jax.random.PRNGKey(0), shown[0])
    feature, out = tower.apply(params, shown[0], jnp.asarray(kept), with_tokens=True)
    assert out.shape == (3, KEPT, 8)
    np.testing.assert_allclose(
        feature, tower.apply(params, shown[0], jnp.asarray(kept)), atol=1e-6
    )
    # The decoder takes its guesses from tokens and places alone: with the targets'
    # own pixels changed, only hidden patches change the error.
    made, params, given = decoder(tokens, kept, images)
    same = np.where(wide, 5 - images, images)
    before, after = (
        made.apply({"params": params}, *given[:2], jnp.asarray(x), SIZE)
        for x in (images, same)
    )
    np.testing.assert_allclose(before, after, rtol=1e-5)


def test_patches_are_row_by_row(rng):
    images = rng.normal(size=(2, 16, 24, 3))
    found = patches_of(jnp.asarray(images), 8)
    np.testing.assert_allclose(found[1, 4], images[1, 8:, 8:16].ravel(), rtol=1e-6)


@pytest.mark.slow
def test_devices(tiny_dataset):
    """The same batch on 1 and 8 devices, and in micro-batches."""
    config = shrunk_config(tiny_dataset, **METHOD)
    expected = run_steps(config, steps=1, devices=1)
    assert expected[1]["reconstruction/loss"] > 0.5
    found = run_steps(config, steps=1, devices=8)
    parts = shrunk_config(tiny_dataset, **METHOD | {"train.micro_batches": 2})
    in_parts = run_steps(parts, steps=1, devices=1)
    assert_same_run(found, expected)
    assert_same_run(in_parts, expected)


def test_it_must_hide_something(tiny_dataset):
    keys = METHOD | {"augment.patch_dropout": 0.0}
    with pytest.raises(ConfigError, match=r"patch_dropout=0: 'mae' guesses"):
        validate(shrunk_config(tiny_dataset, **keys), devices=1)
    method = Mae(decoder_width=8, decoder_depth=1, decoder_heads=3)
    (said,) = method.problems(NoText())
    assert "objective.mae.decoder_heads=3: does not divide" in said
