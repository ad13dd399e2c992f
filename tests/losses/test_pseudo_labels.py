"""Targets without labels: by hand, and on a toy where one can see what they do."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from smile_jax.losses import (
    Prior,
    normalize,
    pseudo_targets,
    vision_language_alignment,
)
from smile_jax.objectives import PseudoLabels
from smile_jax.training.state import update_average

K = 6
UNIFORM = (1 / K,) * K
IMBALANCED = (0.4, 0.25, 0.15, 0.1, 0.06, 0.04)


def test_by_hand():
    p = jnp.array([[0.8, 0.2], [0.6, 0.4]])
    logits = jnp.log(p)
    q, prior = pseudo_targets(
        logits, Prior.create(2), wanted=jnp.array([0.5, 0.5]), momentum=0.9
    )
    # The first batch's debiased prior is its mean, (0.7, 0.3).
    ratio = np.array([0.5 / 0.7, 0.5 / 0.3])
    p = np.asarray(p)
    expected = p * ratio / (p * ratio).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(q, expected, rtol=1e-5)
    np.testing.assert_allclose(prior.average, [0.07, 0.03], rtol=1e-5)
    assert prior.updates == 1
    _, prior = pseudo_targets(logits, prior, wanted=jnp.array([0.5, 0.5]), momentum=0.9)
    np.testing.assert_allclose(prior.average, [0.133, 0.057], rtol=1e-5)


def test_nothing_to_align_with_only_sharpens():
    p = jnp.array([[0.8, 0.2], [0.6, 0.4]])
    q, _ = pseudo_targets(jnp.log(p), Prior.create(2), wanted=None, temperature=0.5)
    np.testing.assert_allclose(q, p**2 / (p**2).sum(axis=1, keepdims=True), rtol=1e-5)


def test_sinkhorn_balances_the_batch_and_the_prior_does_not(rng):
    logits = jnp.asarray(rng.normal(size=(64, K)) + np.arange(K))
    options = {"wanted": jnp.asarray(UNIFORM)}
    q, _ = pseudo_targets(logits, Prior.create(K), sinkhorn_steps=50, **options)
    np.testing.assert_allclose(q.mean(axis=0), UNIFORM, atol=1e-3)
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-5)
    half_way = Prior(jnp.asarray(UNIFORM) * 0.5, jnp.asarray(70.0))
    q, _ = pseudo_targets(logits, half_way, **options)
    assert np.abs(q.mean(axis=0) - 1 / K).max() > 0.1


@pytest.mark.parametrize("temperature", [1e-3, 0.01, 1.0])
@pytest.mark.parametrize(("wanted", "steps"), [(None, 0), (UNIFORM, 0), (UNIFORM, 3)])
def test_rows_sum_to_one_however_sharp(rng, temperature, wanted, steps):
    q, _ = pseudo_targets(
        jnp.asarray(rng.normal(size=(64, K)), jnp.float32),
        Prior.create(K),
        wanted=None if wanted is None else jnp.asarray(wanted),
        temperature=temperature,
        sinkhorn_steps=steps,
    )
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-5)


def test_targets_carry_no_gradient(rng):
    logits = jnp.asarray(rng.normal(size=(8, K)))
    gradient = jax.grad(
        lambda x: pseudo_targets(x, Prior.create(K), wanted=None)[0][:, 0].sum()
    )(logits)
    assert (gradient == 0).all()


def test_what_the_teacher_is_not_sure_of_is_left_out(rng):
    """Of the prior too, which would learn that faces are of no class in particular."""
    source = PseudoLabels(
        warmup_steps=3, momentum=0.9, temperature=0.5, sinkhorn_steps=0, align=True,
        frequencies=(), min_confidence=0.5,
    )  # fmt: skip
    sure = 6 * jax.nn.one_hot(jnp.array([0, 1, 1, 4]), K)
    flat = 0.1 * jnp.asarray(rng.normal(size=(3, K)), jnp.float32)
    both = jnp.concatenate([sure, flat])
    told, prior = source.guesses(both, Prior.create(K), 3, None)
    alone, prior_alone = source.guesses(sure, Prior.create(K), 3, None)
    assert told.weights.tolist() == [1] * 4 + [0] * 3 and told.worth == 1
    np.testing.assert_allclose(told.shares[:4], alone.shares, rtol=1e-5)
    np.testing.assert_allclose(prior.average, prior_alone.average, rtol=1e-5)
    for before in (Prior.create(K), prior):
        told, after = source.guesses(flat, before, 0, None)
        jax.tree.map(np.testing.assert_array_equal, after, before)
        assert np.isfinite(told.shares).all() and not told.weights.any()
        assert told.worth == 0


def train_toy(frequencies, wanted, sinkhorn_steps=0, temperature=0.5, seed=0):
    """Gaussian classes and prompts that lie off their means; a linear student learns
    from an averaged teacher. Returns accuracy before and after, on new examples."""
    rng = np.random.default_rng(seed)
    dims, steps, batch = 32, 300, 128
    means = np.asarray(normalize(jnp.asarray(rng.normal(size=(K, dims)))))
    off = rng.normal(size=(K, dims)) * 1.2 + rng.normal(size=(1, dims))
    bank = normalize(jnp.asarray(means + off / np.sqrt(dims), jnp.float32))

    def draw(n):
        labels = rng.choice(K, n, p=frequencies)
        return means[labels] + 0.25 * rng.normal(size=(n, dims)), labels

    x, _ = draw(4000)
    x_test, y_test = draw(2000)
    params = {"w": jnp.eye(dims), "scale": jnp.log(10.0)}
    optimizer = optax.adam(0.01)

    def embed(params, x):
        return normalize(x @ params["w"])

    @jax.jit
    def step(params, teacher, moments, prior, x, count):
        logits = jnp.exp(teacher["scale"]) * embed(teacher, x) @ bank.T
        q, prior = pseudo_targets(
            logits,
            prior,
            wanted=None if wanted is None else jnp.asarray(wanted),
            temperature=temperature,
            sinkhorn_steps=sinkhorn_steps,
        )

        def loss(params):
            u = embed(params, x)
            return vision_language_alignment(
                u, u[:, None], bank, q, logit_scale=params["scale"]
            )[0]

        updates, moments = optimizer.update(jax.grad(loss)(params), moments)
        params = optax.apply_updates(params, updates)
        params["scale"] = jnp.clip(params["scale"], 0, jnp.log(100.0))
        teacher = update_average(teacher, params, 0.97, count, from_random=False)
        return params, teacher, moments, prior

    def accuracy(params):
        found = (embed(params, jnp.asarray(x_test)) @ bank.T).argmax(axis=1)
        return float((found == y_test).mean())

    before = accuracy(params)
    state = params, params, optimizer.init(params), Prior.create(K)
    for i in range(steps):
        chosen = jnp.asarray(x[rng.integers(0, len(x), batch)], jnp.float32)
        state = step(*state, chosen, i)
    return before, accuracy(state[1])


@pytest.mark.parametrize("seed", [0, 1])
def test_toy_balanced(seed):
    before, after = train_toy(UNIFORM, UNIFORM, seed=seed)
    assert before < 0.9 < 0.95 < after


@pytest.mark.parametrize("seed", [0, 1])
def test_toy_imbalanced(seed):
    """Right frequencies, or none, help; wrong ones fall below zero-shot, by the moving
    prior as by Sinkhorn: they are for sets that are balanced by design."""
    before, right = train_toy(IMBALANCED, IMBALANCED, seed=seed)
    assert right > before + 0.05
    assert train_toy(IMBALANCED, None, seed=seed)[1] > before + 0.05
    assert train_toy(IMBALANCED, UNIFORM, seed=seed)[1] < before
    assert train_toy(IMBALANCED, UNIFORM, sinkhorn_steps=3, seed=seed)[1] < before


def test_toy_needs_sharper_targets_than_the_teachers():
    _, sharp = train_toy(UNIFORM, UNIFORM)
    _, soft = train_toy(UNIFORM, UNIFORM, temperature=1.0)
    assert sharp > soft + 0.03


def print_toy_table(seeds=range(4)):
    """The table in docs/text.md: means over seeds."""
    for name, frequencies, wanted in (
        ("balanced", UNIFORM, UNIFORM),
        ("imbalanced, uniform pull", IMBALANCED, UNIFORM),
        ("imbalanced, true pull", IMBALANCED, IMBALANCED),
    ):
        runs = [
            (
                *train_toy(frequencies, wanted, seed=seed),
                train_toy(frequencies, wanted, sinkhorn_steps=3, seed=seed)[1],
                train_toy(frequencies, None, seed=seed)[1],
                train_toy(frequencies, wanted, temperature=1.0, seed=seed)[1],
            )
            for seed in seeds
        ]
        print(name, *np.mean(runs, axis=0).round(2))


if __name__ == "__main__":
    print("row, zero-shot, moving prior, Sinkhorn, no pull, moving prior unsharpened")
    print_toy_table()
