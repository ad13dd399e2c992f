"""Our reading of ConCluGen against loops over its definition, and by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.data.augment import small_pictures
from smile_jax.models.encoder import Embeddings
from smile_jax.objectives import Inputs
from smile_jax.objectives.conclugen import CaptionedConCluGen, ConCluGen, k_means
from smile_jax.objectives.text_sources import (
    CaptionSource,
    MultiLabels,
    NoText,
    WeakLabels,
)
from tests.defaults import by_default
from tests.objectives.common import (
    B,
    E,
    V,
    check_devices,
    loss,
    make_batch,
    make_params,
)

SETTINGS = {
    "temperature": 0.5, "margin": 0.2, "clusters": 5, "queue_batches": 2,
    "clustering_from": 3, "clustering": 0.7, "reconstruction": 0.3, "projector_dim": 6,
    "batch_size": B, "thumbnail_channels": 4,
}  # fmt: skip
OBJECTIVE = by_default(ConCluGen, "objective.conclugen", **SETTINGS)
CAPTIONED = by_default(
    CaptionedConCluGen, "objective.conclugen", **SETTINGS, embed_dim=E
)


def started(rng, steps=3):
    queue = rng.normal(size=(2 * B, 5))
    centroids = rng.normal(size=(5, 5))
    return {"queue": queue, "centroids": centroids, "steps": np.int32(steps)}


def cross_entropy(logits, i):
    return np.log(np.exp(logits).sum()) - logits[i]


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-6)


def outputs(objective, params, batch, *names):
    heads, x = objective.heads(), jnp.asarray(batch["x"])
    return [
        np.asarray(heads[name].make(None).apply({"params": params[name]}, x))
        for name in names
    ]


def by_loops(points, centroids, rounds=10):
    def owners(mu):
        cosines = unit(points) @ unit(mu).T
        return cosines.argmax(axis=1), cosines.max(axis=1)

    mu = centroids
    for _ in range(rounds):
        own, alike = owners(mu)
        worst = iter(np.argsort(alike))
        mu = np.stack(
            [
                points[own == k].mean(axis=0)
                if (own == k).any()
                else points[next(worst)]
                for k in range(len(mu))
            ]
        )  # fmt: skip
    return mu, owners(mu)[0]


def check_terms(objective, params, batch, extra, z, o, misfit):
    """Against loops over all modalities."""
    contrast, modalities = 0.0, z.shape[1]
    for m in range(modalities):
        n = (m + 1) % modalities
        logits = z[:, m] @ z[:, n].T / 0.5 - 0.2 * np.eye(B)
        contrast += np.mean([cross_entropy(logits[i], i) for i in range(B)])
        contrast += np.mean([cross_entropy(logits[:, i], i) for i in range(B)])
    points = np.concatenate([extra["queue"], o.mean(axis=1)])
    mu, owners = by_loops(points.astype(np.float32), extra["centroids"])
    own = owners[2 * B :]
    clustering = np.mean(
        [sum(cross_entropy(mu @ one, own[i]) for one in o[i]) for i in range(B)]
    )
    value, metrics = loss(objective, params, batch, extra=extra)
    np.testing.assert_allclose(metrics["contrast/loss"], contrast, rtol=1e-9)
    np.testing.assert_allclose(metrics["clustering/loss"], clustering, rtol=1e-5)
    np.testing.assert_allclose(metrics["reconstruction/loss"], misfit, rtol=1e-9)
    expected = (contrast + 0.7 * clustering + 0.3 * misfit) / 3
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def misfit_of_pictures(told, batch):
    gap = told - batch["thumbnails"].reshape(B, V, -1)
    return np.mean((gap**2).mean(axis=2).sum(axis=1))


def test_terms_are_those_of_the_loops(rng, x64):
    batch, params = make_batch(rng), make_params(OBJECTIVE, rng)
    both, told = outputs(OBJECTIVE, params, batch, "clustered", "decoder")
    misfit = misfit_of_pictures(told, batch)
    z, o = both[..., :-5], both[..., -5:]
    check_terms(OBJECTIVE, params, batch, started(rng), z, o, misfit)


def test_a_caption_is_one_modality_more(rng, x64):
    batch, params = make_batch(rng), make_params(CAPTIONED, rng)
    caption = unit(params["bank"])[batch["targets"].argmax(axis=1)]
    projected, told = outputs(CAPTIONED, params, batch, "projector", "decoder")
    last = unit(caption @ params["caption"]["kernel"])
    z = np.concatenate([unit(projected), last[:, None]], axis=1)
    gap = last @ params["caption_decoder"]["kernel"] - caption
    misfit = misfit_of_pictures(told, batch) + np.mean(gap**2)
    o = z @ params["clusters"]["kernel"]
    check_terms(CAPTIONED, params, batch, started(rng), z, o, misfit)


def test_captions_are_each_clips_own():
    assert not CAPTIONED.problems(CaptionSource())
    for source in (NoText(), WeakLabels(), MultiLabels()):
        assert "use text_source='captions'" in CAPTIONED.problems(source)[0]


def given(z, **batch):
    nothing = jnp.zeros((len(z), 1))
    embeddings = Embeddings(
        features=z, fused=nothing, views=z, joint=nothing, shared=nothing,
        private=nothing, heads={},
    )  # fmt: skip
    return Inputs(embeddings=embeddings, batch={}, logit_scale=jnp.zeros(()), **batch)


@pytest.mark.parametrize("views, expected", [(2, 0.62706), (3, 1.88118), (4, 2.50825)])
def test_by_hand(views, expected, x64):
    """Two orthonormal clips, modalities alike, temperature 1: a pair, a ring of three,
    one of four."""
    objective = dataclasses.replace(OBJECTIVE, temperature=1.0, margin=0.001)
    z = jnp.stack([jnp.eye(2)] * views, axis=1)
    found = objective._contrast(z, None).mean()
    np.testing.assert_allclose(found, expected, atol=5e-6)


def test_clusters_wait_for_their_queue_and_go_on(rng, x64):
    batch, params = make_batch(rng), make_params(OBJECTIVE, rng)
    _, early = loss(OBJECTIVE, params, batch, extra=started(rng, steps=2))
    _, late = loss(OBJECTIVE, params, batch, extra=started(rng, steps=3))
    assert early["clustering/loss"] == 0 and late["clustering/loss"] > 0
    (both,) = outputs(OBJECTIVE, params, batch, "clustered")
    o = both[..., -5:]
    x = given(jnp.zeros((B, V, 1)))
    heads = {"clustered": jnp.asarray(both)}
    embeddings = x.embeddings.replace(heads=heads)
    extra = jax.tree.map(jnp.asarray, OBJECTIVE.start())
    for step in range(4):
        before = extra
        extra = OBJECTIVE.carry(x.replace(embeddings=embeddings, extra=extra), None)
        same = (extra["centroids"] == before["centroids"]).all()
        assert extra["steps"] == step + 1 and bool(same) == (step < 3)
    np.testing.assert_allclose(extra["queue"][-B:], o.mean(axis=1), rtol=1e-5)


def test_names_of_clusters_do_not_matter(rng, x64):
    batch, params = make_batch(rng), make_params(OBJECTIVE, rng)
    extra = started(rng)
    value, _ = loss(OBJECTIVE, params, batch, extra=extra)
    order = rng.permutation(5)
    renamed = extra | {"centroids": extra["centroids"][order]}
    again, _ = loss(OBJECTIVE, params, batch, extra=renamed)
    np.testing.assert_allclose(value, again, rtol=1e-9)


def test_a_cluster_without_points_gets_one(x64):
    points = jnp.asarray([[1.0, 0], [1, 0.1], [0, 1], [0.1, 1]])
    start = jnp.asarray([[1.0, 0], [-1, 0]])  # nothing is near the second
    found = k_means(points, start)
    np.testing.assert_array_equal(found.owners, [0, 0, 1, 1])


@pytest.mark.parametrize("objective", [OBJECTIVE, CAPTIONED])
def test_devices(objective, rng, x64):
    check_devices(objective, rng, started(rng))


def test_small_pictures_are_of_the_chosen_views_and_frame(rng):
    images = rng.integers(0, 255, (2, 3, 4, 16, 16, 7), dtype=np.uint8)
    ids = np.array([[3, 0], [1, 2]])
    apex = np.array([2, 0])
    found = small_pictures(
        jnp.asarray(images), jnp.asarray(apex), jnp.asarray(ids),
        channels=("texture", "depth", "normals"), wanted=("depth", "normals"), size=8,
    )  # fmt: skip
    assert found.shape == (2, 2, 8, 8, 4)
    plain = images[1, 0, 2, ..., 3:].astype(float) / 255
    np.testing.assert_allclose(
        found[1, 1].mean(axis=(0, 1)), plain.mean(axis=(0, 1)), atol=0.02
    )
