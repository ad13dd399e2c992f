"""SMILE's terms on examples of which nothing is known."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.core.batch_statistics import without_group_means
from smile_jax.objectives import Smile
from tests.defaults import by_default
from tests.objectives.common import B, K, gradient_on, loss, make_batch, make_params

KNOWN = 10


def check_split(objective, params, batch):
    """One device and eight give the same."""
    value, gradient = gradient_on(1, objective, params, batch)
    split, parts = gradient_on(8, objective, params, batch)
    np.testing.assert_allclose(value, split, rtol=1e-9)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9),
        gradient,
        parts,
    )


@pytest.fixture
def objective():
    return by_default(
        Smile, "objective.smile", redundancy_mode="whitened",
        decorrelation=0.0, projector_dim=8,
        num_prompts=K,
    )  # fmt: skip


def test_what_nothing_is_known_of_counts_in_no_term_on_text(rng, x64, objective):
    batch, params = make_batch(rng), make_params(objective, rng)
    batch["weights"] = (np.arange(B) < KNOWN).astype(np.float64)
    known = {name: x[:KNOWN] for name, x in batch.items()} | {"weights": None}
    differentiate = jax.value_and_grad(lambda p, b: loss(objective, p, b), has_aux=True)
    (value, metrics), gradient = differentiate(params, batch)
    (alone, _), gradient_alone = differentiate(params, known)
    np.testing.assert_allclose(value, alone, rtol=1e-9)
    np.testing.assert_allclose(metrics["alignment/taken"], KNOWN / B)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9),
        gradient,
        gradient_alone,
    )


def test_a_batch_of_which_nothing_is_known_teaches_nothing(rng, x64, objective):
    batch, params = make_batch(rng), make_params(objective, rng)
    batch["weights"] = np.zeros(B)
    gradient, _ = jax.grad(lambda p: loss(objective, p, batch), has_aux=True)(params)
    assert all((x == 0).all() for x in jax.tree.leaves(gradient))


@pytest.fixture
def centered():
    return by_default(
        Smile, "objective.smile", redundancy_mode="whitened",
        alignment=0.0, redundancy=0.0,
        projector_dim=8, num_prompts=K, center_people=True, decorrelation=1.0,
    )  # fmt: skip


def test_who_somebody_is_says_nothing_once_centred(rng, x64, centered):
    """What is added to all clips of a person changes nothing; alone, all does."""
    assert centered.needed() == ("subject",)
    people = np.repeat(np.arange(4), B // 4).astype(np.int32)
    batch, params = make_batch(rng), make_params(centered, rng)
    batch["subject"] = people
    z = jnp.asarray(rng.normal(size=(B, 3, 8)))
    moved = z + jnp.asarray(rng.normal(size=(4, 1, 8)) * 9)[people]
    np.testing.assert_allclose(
        without_group_means(z, people, None), without_group_means(moved, people, None)
    )
    value, _ = loss(centered, params, batch)
    plain, _ = loss(dataclasses.replace(centered, center_people=False), params, batch)
    assert abs(value - plain) > 1e-3


def test_people_are_centred_over_all_devices(rng, x64, centered):
    """Clips of a person lie on several devices."""
    batch, params = make_batch(rng), make_params(centered, rng)
    batch["subject"] = (np.arange(B) % 3).astype(np.int32)
    check_split(centered, params, batch)


def test_on_any_number_of_devices(rng, x64, objective):
    """Where all that is known is on one of them, too."""
    batch, params = make_batch(rng), make_params(objective, rng)
    for known in (KNOWN, 3):
        batch["weights"] = (np.arange(B) < known).astype(np.float64)
        check_split(objective, params, batch)
