"""Each term against its loop reference, by hand, by property and by gradient."""

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest

from smile_jax.losses import (
    action_redundancy,
    cross_modal_redundancy,
    multiview_decorrelation,
    normalize,
    paired_alignment,
    vision_language_alignment,
    whiten_bank,
)
from tests.references import losses as reference

B, V, D, E, K = 12, 3, 5, 8, 4


@pytest.fixture
def inputs(rng, x64):
    labels = rng.integers(0, K, B)
    return {
        "z": jnp.array(rng.normal(size=(B, V, D)) * 3 + 7),
        "u": normalize(jnp.array(rng.normal(size=(B, E)))),
        "u_views": normalize(jnp.array(rng.normal(size=(B, V, E)))),
        "bank": normalize(jnp.array(rng.normal(size=(K, E)))),
        "q": jax.nn.one_hot(labels, K),
        "y": jnp.array(rng.normal(size=(B, K - 1))),
        "weights": jnp.array([1.0] * 10 + [0.0] * 2),
    }


def terms(inputs, weights):
    """Every term as a function of nothing, with its reference."""
    i = inputs
    w = np.asarray(weights)
    alignment = {"logit_scale": jnp.log(5.0), "t2i_weight": 0.3, "weights": weights}
    pairs = {
        f"decorrelation-{form}": (
            lambda form=form: multiview_decorrelation(
                i["z"], off_diagonal_weight=0.1, weights=weights, form=form
            ),
            lambda: reference.multiview_decorrelation(np.asarray(i["z"]), 0.1, w),
        )
        for form in ("gram", "full")
    }
    pairs["alignment"] = (
        lambda: vision_language_alignment(
            i["u"], i["u_views"], i["bank"], i["q"], **alignment
        ),
        lambda: reference.vision_language_alignment(
            *(np.asarray(i[n]) for n in ("u", "u_views", "bank", "q")),
            float(jnp.log(5.0)),
            0.3,
            w,
        ),
    )
    pairs["pairs"] = (
        lambda: paired_alignment(i["u"], i["u_views"], i["bank"], i["q"], **alignment),
        lambda: reference.paired_alignment(
            *(np.asarray(i[n]) for n in ("u", "u_views", "bank", "q")),
            float(jnp.log(5.0)),
            0.3,
            w,
        ),
    )
    acted = np.asarray(i["y"])
    pairs["soft pairs"] = (
        lambda: paired_alignment(
            i["u"], i["u_views"], i["bank"], i["q"], actions=i["y"], width=0.8,
            **alignment,
        ),
        lambda: reference.paired_alignment(
            *(np.asarray(i[n]) for n in ("u", "u_views", "bank", "q")),
            float(jnp.log(5.0)), 0.3, w, acted, 0.8,
        ),
    )  # fmt: skip
    actions = jnp.abs(i["u"][:, : acted.shape[1]])
    pairs["redundancy-actions"] = (
        lambda: action_redundancy(
            i["y"], actions, off_diagonal_weight=0.1, weights=weights
        ),
        lambda: reference.action_redundancy(acted, np.asarray(actions), 0.1, w),
    )
    for mode, fused in (("whitened", "y"), ("private", "y"), ("literal", "u")):
        pairs[f"redundancy-{mode}"] = (
            lambda mode=mode, fused=fused: cross_modal_redundancy(
                i[fused],
                i["bank"],
                i["q"],
                mode=mode,
                off_diagonal_weight=0.1,
                shared=i["u"],
                weights=weights,
            ),
            lambda mode=mode, fused=fused: reference.cross_modal_redundancy(
                *(np.asarray(i[n]) for n in (fused, "bank", "q")),
                mode,
                0.1,
                w,
                shared=np.asarray(i["u"]),
            ),
        )
    return pairs


NAMES = [
    "decorrelation-gram",
    "decorrelation-full",
    "alignment",
    "pairs",
    "soft pairs",
    "redundancy-whitened",
    "redundancy-private",
    "redundancy-literal",
    "redundancy-actions",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("padded", [False, True])
def test_equals_loop_reference(inputs, name, padded):
    weights = inputs["weights"] if padded else jnp.ones(B)
    ours, loops = terms(inputs, weights)[name]
    np.testing.assert_allclose(ours()[0], loops(), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_padding_content_is_ignored_but_real_rows_count(inputs, name):
    before = float(terms(inputs, inputs["weights"])[name][0]()[0])
    for row, changes in ((11, False), (3, True)):
        moved = dict(inputs)
        for key in ("z", "u", "u_views", "y"):
            moved[key] = inputs[key].at[row].set(inputs[key][row][::-1] * 1.7)
        after = float(terms(moved, inputs["weights"])[name][0]()[0])
        assert (abs(after - before) > 1e-6 * abs(before)) == changes


@pytest.mark.parametrize("name", NAMES)
def test_order_of_examples_does_not_matter(inputs, name, rng):
    order = rng.permutation(B)
    shuffled = {
        k: v[order] if k not in ("bank", "weights") else v for k, v in inputs.items()
    }
    ones = jnp.ones(B)
    np.testing.assert_allclose(
        terms(inputs, ones)[name][0]()[0],
        terms(shuffled, ones)[name][0]()[0],
        rtol=1e-10,
    )


def test_pairs_reach_their_floor_and_no_less(x64):
    """Three captions, four images: where images are their texts, a large scale leaves
    the entropy of equal captions, ln 2 for two images of the same."""
    bank = jnp.eye(3)
    q = jax.nn.one_hot(jnp.array([0, 1, 2, 2]), 3)
    u = q @ bank
    loss, metrics = paired_alignment(
        u, u[:, None], bank, q, logit_scale=jnp.log(100.0), t2i_weight=1.0
    )
    floor = np.log(2) / 2  # mean over images: half of them share their caption
    assert float(metrics["floor"]) == pytest.approx(floor)
    assert float(loss) == pytest.approx(3 * floor)
    assert float(metrics["excess"]) == pytest.approx(0, abs=1e-9)
    assert float(metrics["accuracy"]) == 1
    swapped = paired_alignment(
        u[::-1], u[::-1, None], bank, q, logit_scale=jnp.log(100.0)
    )
    assert float(swapped[1]["excess"]) > 10


def test_soft_pairs_by_hand(x64):
    """Two of three act alike: far ones are no positives, and a narrow bell tells as
    equal texts do."""
    bank = jnp.eye(3)
    q = jax.nn.one_hot(jnp.array([0, 1, 2]), 3)
    actions = jnp.array([[0.0, 1.0], [0.0, 2.0], [9.0, 0.0]])
    u = q @ bank
    options = {"logit_scale": jnp.log(1.0), "t2i_weight": 0.0}
    _, metrics = paired_alignment(u, u[:, None], bank, q, actions=actions, **options)
    share = np.exp(-0.5) / (1 + np.exp(-0.5))  # of the neighbour at a distance of 1
    two = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert float(metrics["floor"]) == pytest.approx(2 * two / 3)
    narrow = paired_alignment(
        u, u[:, None], bank, q, actions=actions, width=1e-2, **options
    )
    equal = paired_alignment(u, u[:, None], bank, q, **options)
    np.testing.assert_allclose(narrow[0], equal[0], rtol=1e-9)


def test_groups_are_aligned_as_if_alone(rng, x64):
    """Of two datasets in a batch none is the other's negative, nor its positive."""
    bank = jnp.asarray(rng.normal(size=(3, 5)))
    q = jax.nn.one_hot(jnp.array([0, 1, 1, 0, 1, 2, 2, 0]), 3)
    u = normalize(jnp.asarray(rng.normal(size=(8, 5))))
    groups = jnp.array([0, 1, 0, 1, 0, 0, 1, 1])

    def aligned(rows, **options):
        return paired_alignment(
            u[rows], u[rows, None], normalize(bank), q[rows],
            logit_scale=jnp.log(5.0), **options,
        )[0]  # fmt: skip

    alone = [aligned(jnp.flatnonzero(groups == g)) for g in (0, 1)]
    together = aligned(jnp.arange(8), groups=groups)
    np.testing.assert_allclose(together, (alone[0] + alone[1]) / 2, rtol=1e-10)
    assert abs(float(together - aligned(jnp.arange(8)))) > 0.1


def test_a_group_of_padding_alone_leaves_the_gradient_whole(rng, x64):
    q = jax.nn.one_hot(jnp.array([0, 1, 2, 0, 1, 2]), 3)
    groups = jnp.array([0, 0, 0, 0, 1, 1])
    weights = jnp.array([1.0, 1, 1, 1, 0, 0])
    u = jnp.asarray(rng.normal(size=(6, 5)))

    def loss(u):
        unit = normalize(u)
        return paired_alignment(
            unit, unit[:, None], jnp.eye(3, 5), q, logit_scale=jnp.log(5.0),
            groups=groups, weights=weights,
        )[0]  # fmt: skip

    value, gradient = jax.value_and_grad(loss)(u)
    assert np.isfinite(gradient).all() and (np.asarray(gradient[4:]) == 0).all()
    fewer = paired_alignment(
        normalize(u[:4]), normalize(u[:4])[:, None], jnp.eye(3, 5), q[:4],
        logit_scale=jnp.log(5.0),
    )[0]  # fmt: skip
    np.testing.assert_allclose(value, fewer, rtol=1e-12)


def test_action_redundancy_by_hand(x64):
    """What tells exactly what is done has none, however much actions go together."""
    smile = jnp.array([0.0, 0.0, 2.0, 2.0])
    both = jnp.stack([smile, smile + jnp.array([0.0, 0.2, 0.0, 0.2])], axis=1)
    actions = jnp.concatenate([both, jnp.zeros((4, 1))], axis=1)  # one never occurs
    loss, metrics = action_redundancy(actions * 3 - 1, actions)
    assert float(loss) == pytest.approx(0, abs=1e-9)
    assert float(metrics["diagonal"]) == pytest.approx(1, abs=1e-4)
    # Each coordinate tells what the other should, and their correlation is r.
    r = 1 / np.sqrt(1 + 0.1**2)
    swapped = actions[:, jnp.array([1, 0, 2])]
    loss, _ = action_redundancy(swapped, actions, off_diagonal_weight=0.5)
    expected = (2 * (1 - r) ** 2 + 0.5 * 2 * (1 - r) ** 2) / 3
    assert float(loss) == pytest.approx(expected, rel=1e-2)
    with pytest.raises(ValueError, match="expected 3 \\(one for each action\\)"):
        action_redundancy(actions[:, :2], actions)


def test_views_with_prompts_of_their_own(inputs):
    i = inputs
    same = jnp.broadcast_to(i["bank"], (B, V, K, E))
    options = {"logit_scale": jnp.log(5.0)}
    args = i["u"], i["u_views"], i["bank"], i["q"]
    plain = vision_language_alignment(*args, **options)
    shared = vision_language_alignment(*args, view_bank=same, **options)
    np.testing.assert_allclose(shared[0], plain[0], rtol=1e-10)
    other = vision_language_alignment(*args, view_bank=same[:, :, ::-1], **options)
    assert abs(other[1]["i2t_views"] - plain[1]["i2t_views"]) > 1e-2
    np.testing.assert_allclose(other[1]["i2t_fused"], plain[1]["i2t_fused"])


def test_decorrelation_by_hand(x64):
    # Two dimensions that are orthogonal over four examples, and equal in both views:
    # C is the identity up to the epsilon, so the loss is nearly 0.
    view = jnp.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    loss, metrics = multiview_decorrelation(jnp.stack([view, view], axis=1))
    assert float(loss) < 1e-8
    assert float(metrics["mean_diagonal"]) == pytest.approx(1, abs=1e-4)
    # Opposite views: C = -I, each diagonal adds (1 + 1)^2, divided by D.
    loss, _ = multiview_decorrelation(jnp.stack([view, -view], axis=1))
    assert float(loss) == pytest.approx(4, abs=1e-3)
    # The same column twice: C is all ones; off-diagonals add 2 lambda, divided by D.
    twice = jnp.stack([view[:, [0, 0]]] * 2, axis=1)
    loss, _ = multiview_decorrelation(twice, off_diagonal_weight=0.5)
    assert float(loss) == pytest.approx(0.5, abs=1e-4)


def test_decorrelation_ignores_scale_and_offset(inputs):
    z = inputs["z"]
    loss = multiview_decorrelation(z)[0]
    np.testing.assert_allclose(
        multiview_decorrelation(30 * z - 400)[0], loss, rtol=1e-4
    )
    assert abs(multiview_decorrelation(z.at[:, 0, 0].add(z[:, 1, 1]))[0] - loss) > 1e-3


def test_offdiagonal_ratio_is_one_for_noise(rng):
    z = jnp.array(rng.normal(size=(512, 2, 64)), jnp.float32)
    assert float(multiview_decorrelation(z)[1]["offdiag_ratio"]) == pytest.approx(
        1, abs=0.1
    )


@pytest.mark.parametrize(("batch", "dims"), [(8, 24), (24, 8)])
def test_both_forms_have_the_same_gradient(rng, x64, batch, dims):
    z = jnp.array(rng.normal(size=(batch, V, dims)))
    gradients = [
        jax.grad(lambda z, f=form: multiview_decorrelation(z, form=f)[0])(z)
        for form in ("gram", "full")
    ]
    np.testing.assert_allclose(*gradients, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("dead", [0.0, 3.0])
def test_dead_dimension_is_finite(rng, dead):
    z = jnp.array(rng.normal(size=(B, V, D)), jnp.float32).at[..., 0].set(dead)
    loss, gradient = jax.value_and_grad(lambda z: multiview_decorrelation(z)[0])(z)
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()


def test_gradients_match_finite_differences(inputs):
    i = inputs
    cases = [
        (lambda z: multiview_decorrelation(jnp.asarray(z), form="gram")[0], i["z"]),
        (
            lambda u: vision_language_alignment(
                jnp.asarray(u),
                i["u_views"],
                i["bank"],
                i["q"],
                logit_scale=jnp.log(4.0),
            )[0],
            i["u"],
        ),
        (
            lambda y: cross_modal_redundancy(jnp.asarray(y), i["bank"], i["q"])[0],
            i["y"],
        ),
    ]
    for function, x in cases:
        compiled = jax.jit(function)
        jax.test_util.check_grads(compiled, (x,), order=1, modes="rev", rtol=1e-4)


def test_alignment_falls_to_zero_when_aligned_and_sharp(x64):
    bank = jnp.eye(4)
    q = jnp.eye(4)
    views = jnp.stack([bank, bank], axis=1)
    loss, metrics = vision_language_alignment(
        bank, views, bank, q, logit_scale=jnp.log(100.0)
    )
    assert float(loss) < 1e-9
    assert float(metrics["accuracy"]) == 1
    wrong, _ = vision_language_alignment(
        bank[::-1], views, bank, q, logit_scale=jnp.log(100.0)
    )
    assert float(wrong) > 50


def test_a_prompt_with_hardly_any_mass_counts_hardly(inputs):
    """Soft targets, as guesses are: against the loops, and without a jump at zero."""
    i = inputs
    none = i["q"].at[:, 0].set(0).at[:, 1].add(i["q"][:, 0])
    trace = none.at[3].set(none[3] * (1 - 1e-5)).at[3, 0].set(1e-5)
    soft = 0.7 * i["q"] + 0.3 / K
    found = []
    for q in (none, trace, soft):
        args = i["u"], i["u_views"], i["bank"], q
        loss, metrics = vision_language_alignment(*args, logit_scale=jnp.log(5.0))
        loops = reference.vision_language_alignment(
            *map(np.asarray, args), float(jnp.log(5.0)), 0.5, np.ones(B)
        )
        np.testing.assert_allclose(loss, loops, rtol=1e-9)
        found.append(float(metrics["t2i"]))
    assert found[1] == pytest.approx(found[0], abs=1e-3)


def test_alignment_has_no_floor_of_ln_b_over_k(x64):
    """Many images share a prompt: text to image can still reach its own optimum."""
    bank, q = jnp.eye(2), jnp.repeat(jnp.eye(2), 8, axis=0)
    _, metrics = vision_language_alignment(
        q, q[:, None], bank, q, logit_scale=jnp.log(100.0)
    )
    assert float(metrics["i2t_fused"]) < 1e-9
    assert float(metrics["t2i"]) == pytest.approx(np.log(8), rel=1e-6)


@pytest.mark.parametrize("prompts", [1, 2])
def test_few_prompts_in_a_batch_stay_finite(inputs, prompts):
    i = inputs
    q = jax.nn.one_hot(jnp.arange(B) % prompts, K)
    for function in (
        lambda y: cross_modal_redundancy(y, i["bank"], q)[0],
        lambda y: cross_modal_redundancy(
            y, i["bank"], q, mode="private", shared=i["u"]
        )[0],
        lambda y: vision_language_alignment(
            normalize(jnp.pad(y, ((0, 0), (0, E - K + 1)))),
            i["u_views"],
            i["bank"],
            q,
            logit_scale=jnp.log(9.0),
        )[0],
    ):
        loss, gradient = jax.value_and_grad(function)(i["y"])
        assert np.isfinite(loss)
        assert np.isfinite(gradient).all()


def test_whitened_text_is_white(inputs):
    text, kept = whiten_bank(inputs["bank"])
    assert kept.all()
    np.testing.assert_allclose(text.T @ text / K, np.eye(K - 1), atol=1e-12)
    np.testing.assert_allclose(text.sum(axis=0), 0, atol=1e-12)


def test_whitening_drops_directions_that_carry_nothing(x64):
    bank = normalize(jnp.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 0]]))
    text, kept = whiten_bank(bank)
    assert kept.tolist() == [True, True, False]
    np.testing.assert_allclose(text[:, 2], 0)


def test_wrong_arguments_are_explained(inputs):
    i = inputs
    with pytest.raises(ValueError, match="at least 2 views"):
        multiview_decorrelation(i["z"][:, :1])
    with pytest.raises(ValueError, match="expected 3"):
        cross_modal_redundancy(i["u"], i["bank"], i["q"])
    with pytest.raises(ValueError, match="known: whitened"):
        cross_modal_redundancy(i["y"], i["bank"], i["q"], mode="other")
    with pytest.raises(ValueError, match="shared"):
        cross_modal_redundancy(i["y"], i["bank"], i["q"], mode="private")


def test_barlow_twins_on_two_views(inputs):
    """The published code's loss (on-diagonal + lambda off-diagonal) is D times ours."""
    z = inputs["z"][:, :2]
    a, b = (
        (v - v.mean(0)[None]) / jnp.sqrt(v.var(0) + 1e-5)[None]
        for v in (z[:, 0], z[:, 1])
    )
    c = a.T @ b / B
    on = ((jnp.diagonal(c) - 1) ** 2).sum()
    off = ((c - jnp.diag(jnp.diagonal(c))) ** 2).sum()
    np.testing.assert_allclose(
        D * multiview_decorrelation(z)[0], on + 0.0051 * off, rtol=1e-10
    )
