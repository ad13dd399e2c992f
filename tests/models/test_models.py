"""Towers, fusion, pooling and the assembled model."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import FrozenDict

from smile_jax.faces.captions import NUM_ACTIONS
from smile_jax.models import (
    Encoder,
    EncoderConfig,
    HashTokenizer,
    TextConfig,
    TextTower,
    VisionConfig,
    VisionTower,
)
from smile_jax.models.convnet import ConvConfig
from smile_jax.models.encoder import prototypes
from smile_jax.models.heads import ViewFusion
from smile_jax.models.temporal import TemporalConfig
from smile_jax.models.transformer import (
    Transformer,
    TransformerConfig,
    attend,
    stack_blocks,
    unstack_blocks,
)
from smile_jax.objectives.smile import Smile
from tests.defaults import by_default

SMALL_TEXT = {
    "width": 16,
    "depth": 2,
    "heads": 2,
    "mlp_width": 32,
    "vocab_size": 16384,
}
SMALL = {"patch_size": 8, "width": 16, "depth": 2, "heads": 2, "mlp_width": 32}


def run(module, *inputs, **options):
    """Output and variables, as one program: step by step each operation compiles."""
    init = functools.partial(module.init_with_output, **options)
    return jax.jit(init)(jax.random.PRNGKey(0), *inputs)


@pytest.mark.parametrize(
    "stem, pool, dtype",
    [
        ("patch", "class", "float32"),
        ("conv", "mean", "float32"),
        ("conv", "class", "bfloat16"),
        *(
            pytest.param(*variant, marks=pytest.mark.slow)
            for variant in (
                ("patch", "mean", "float32"),
                ("conv", "class", "float32"),
                ("patch", "class", "bfloat16"),
                ("patch", "mean", "bfloat16"),
                ("conv", "mean", "bfloat16"),
            )
        ),
    ],
)
def test_vision_tower(rng, stem, pool, dtype):
    images = jnp.array(rng.normal(size=(3, 16, 16, 4)), jnp.float32)
    tower = VisionTower(VisionConfig(**SMALL, stem=stem, pool=pool, dtype=dtype))
    out, variables = run(tower, images)
    assert out.shape == (3, 16) and out.dtype == dtype
    assert all(p.dtype == jnp.float32 for p in jax.tree.leaves(variables))
    swapped = jax.jit(tower.apply)(variables, images[::-1])
    tolerance = 1e-5 if dtype == "float32" else 0.1
    np.testing.assert_allclose(
        swapped.astype(jnp.float32)[::-1], out.astype(jnp.float32), atol=tolerance
    )
    assert np.abs(out[0] - out[1]).max() > 0.1


def with_trunk(change, params):
    trunk = change(params["params"]["transformer"])
    return {"params": params["params"] | {"transformer": trunk}}


_SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "remat, scan, dtype, tolerance",
    [
        ("cheap", False, "float32", 1e-4),
        ("full", True, "float32", 1e-4),
        pytest.param("none", True, "float32", 1e-4, marks=_SLOW),
        pytest.param("full", False, "float32", 1e-4, marks=_SLOW),
        pytest.param("cheap", True, "float32", 1e-4, marks=_SLOW),
        pytest.param("full", True, "bfloat16", 0.05, marks=_SLOW),
    ],
)
def test_how_it_is_computed_changes_nothing(rng, remat, scan, dtype, tolerance):
    """The same parameters in the same places, the same result and gradient."""
    images = jnp.array(rng.normal(size=(2, 16, 16, 3)), jnp.float32)
    sizes = SMALL | {"depth": 3, "lora_rank": 2, "dtype": dtype}
    plain = VisionTower(VisionConfig(**sizes))
    other = VisionTower(VisionConfig(**sizes, remat=remat))
    params, theirs = (
        jax.jit(m.init)(jax.random.PRNGKey(0), images) for m in (plain, other)
    )
    jax.tree.map(np.testing.assert_array_equal, params, theirs)
    theirs = with_trunk(stack_blocks, params) if scan else params
    ours, others = (
        jax.jit(jax.value_and_grad(lambda p, m=m: (m.apply(p, images) ** 3).sum()))(p)
        for m, p in ((plain, params), (other, theirs))
    )
    if scan:
        others = others[0], with_trunk(unstack_blocks, others[1])
    ours, others = (
        jax.tree.map(lambda x: x.astype(jnp.float32), x) for x in (ours, others)
    )
    largest = max(np.abs(x).max() for x in jax.tree.leaves(ours[1]))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(
            a, b, rtol=tolerance, atol=tolerance * largest
        ),
        ours,
        others,
    )


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("bfloat16", 2e-2)])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_jax_own(rng, dtype, tolerance, masked):
    q = jnp.array(rng.normal(size=(2, 3, 2, 4)), dtype)
    k, v = (jnp.array(rng.normal(size=(2, 5, 2, 4)), dtype) for _ in range(2))
    mask = jnp.array(rng.random((2, 1, 3, 5)) < 0.5).at[..., 0].set(True)

    def loss(attention, *qkv):
        out = attention(*qkv, mask=mask if masked else None)
        assert out.dtype == dtype
        return (out.astype(jnp.float32) ** 2).sum()

    ours, theirs = (
        jax.jit(
            jax.value_and_grad(functools.partial(loss, attention), argnums=(0, 1, 2))
        )(q, k, v)
        for attention in (attend, jax.nn.dot_product_attention)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(
            a.astype(jnp.float32), b.astype(jnp.float32), atol=tolerance, rtol=tolerance
        ),
        ours,
        theirs,
    )


@pytest.mark.parametrize(
    "depth, scan",
    [
        (3, True),
        pytest.param(1, False, marks=pytest.mark.slow),
        pytest.param(3, False, marks=pytest.mark.slow),
        pytest.param(1, True, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("norm_first", [True, False])
def test_what_only_the_first_token_needs(rng, depth, scan, norm_first):
    """The last block leaves out the rest: same parameters, result and gradient."""
    sizes = {"width": 8, "depth": depth, "heads": 2, "mlp_width": 16}
    config = TransformerConfig(**sizes, norm_first=norm_first)
    whole, first = Transformer(config), Transformer(config, first_only=True)
    x = jnp.array(rng.normal(size=(2, 5, 8)), jnp.float32)
    mask = jnp.ones((2, 1, 5, 5), bool).at[1, :, :, 3:].set(False)
    params = jax.jit(whole.init)(jax.random.PRNGKey(0), x)
    if scan:
        params = {"params": stack_blocks(params["params"])}
    assert jax.jit(first.apply)(params, x, mask).shape == (2, 1, 8)
    ours, theirs = (
        jax.jit(
            jax.value_and_grad(lambda p, m=m: (m.apply(p, x, mask)[:, 0] ** 3).sum())
        )(params)
        for m in (first, whole)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
        ours,
        theirs,
    )


def test_a_scanned_tower_is_one_block_to_the_compiler(rng):
    images = jnp.array(rng.normal(size=(2, 16, 16, 3)), jnp.float32)

    def operations(depth, scan):
        sizes = SMALL | {"depth": depth}
        tower = VisionTower(VisionConfig(**sizes))
        params = jax.jit(tower.init)(jax.random.PRNGKey(0), images)
        params = with_trunk(stack_blocks, params) if scan else params
        return jax.jit(tower.apply).lower(params, images).as_text().count("dot_general")

    assert operations(8, scan=True) == operations(2, scan=True)
    assert operations(8, scan=False) > 3 * operations(2, scan=False)


@pytest.mark.parametrize(
    "pool", ["class", "mean", pytest.param("attention", marks=pytest.mark.slow)]
)
def test_only_kept_patches_count(rng, pool):
    images = jnp.array(rng.normal(size=(2, 16, 16, 3)), jnp.float32)
    tower = VisionTower(VisionConfig(**SMALL, pool=pool))
    params = jax.jit(tower.init)(jax.random.PRNGKey(0), images)
    everything = jax.jit(tower.apply)(params, images, jnp.tile(jnp.arange(4), (2, 1)))
    np.testing.assert_allclose(
        everything, jax.jit(tower.apply)(params, images), atol=1e-5
    )
    kept = jnp.array([[0, 3], [1, 2]])
    # Each keeps its own position, in whatever order they come.
    some, turned, others = (
        jax.jit(tower.apply)(params, images, k)
        for k in (kept, kept[:, ::-1], kept[::-1])
    )
    np.testing.assert_allclose(some, turned, atol=1e-5)
    assert np.abs(some - others).max() > 1e-3
    gradient = jax.jit(jax.grad(lambda x: (tower.apply(params, x, kept) ** 3).sum()))(
        images
    )
    seen = np.abs(gradient).max(axis=-1).reshape(2, 2, 8, 2, 8).max(axis=(2, 4)) > 0
    np.testing.assert_array_equal(
        seen, [[[True, False], [False, True]], [[False, True], [True, False]]]
    )


def test_every_patch_and_pixel_counts(rng):
    images = jnp.array(rng.normal(size=(1, 16, 16, 2)), jnp.float32)
    for stem in ("patch", "conv"):
        tower = VisionTower(VisionConfig(**SMALL, stem=stem))
        params = jax.jit(tower.init)(jax.random.PRNGKey(0), images)
        g = jax.jit(jax.grad(lambda x, t=tower, p=params: (t.apply(p, x) ** 3).sum()))(
            images
        )
        assert (np.abs(g).max(axis=-1) > 0).all()


def test_sizes_that_do_not_fit_are_explained():
    tower = VisionTower(VisionConfig(**SMALL))
    with pytest.raises(ValueError, match="does not divide"):
        run(tower, jnp.zeros((1, 20, 16, 3)))
    conv = VisionTower(VisionConfig(**(SMALL | {"patch_size": 12}), stem="conv"))
    with pytest.raises(ValueError, match="8, 16"):
        run(conv, jnp.zeros((1, 24, 24, 3)))


@pytest.mark.parametrize("stem", ["conv", "patch"])
@pytest.mark.parametrize("pool", ["mean", "flatten"])
def test_convolutional_tower(stem, pool):
    config = ConvConfig(width=16, depth=2, stem=stem, pool=pool)
    assert not config.problems()
    images = jax.random.normal(jax.random.PRNGKey(0), (2, 32, 32, 3))
    params = config.make().init(jax.random.PRNGKey(1), images)
    assert {config.layer_of([name]) for name in params["params"]} == {1, 2, 3}
    features = config.make().apply(params, images)
    assert features.shape == (2, 16) and features.dtype == jnp.float32
    turned = config.make().apply(params, images[:, ::-1])
    assert jnp.abs(features - turned).max() > 1e-2
    first = params["params"]["conv_0"]["kernel"].shape
    assert first == {"patch": (48, 8), "conv": (3, 3, 3, 8)}[stem]


def test_where_a_patch_is_counts_if_places_are_flattened():
    images = jax.random.normal(jax.random.PRNGKey(0), (2, 32, 32, 3))
    elsewhere = jnp.roll(images, (8, 12), axis=(1, 2))  # whole patches
    for pool, moves in (("mean", False), ("flatten", True)):
        tower = ConvConfig(width=16, depth=1, stem="patch", pool=pool).make()
        params = tower.init(jax.random.PRNGKey(1), images)
        away = tower.apply(params, images) - tower.apply(params, elsewhere)
        assert (jnp.abs(away).max() > 1e-3) == moves, pool


def test_patches_of_a_convolutional_tower_must_fit():
    config = ConvConfig(width=16, depth=2, stem="patch", pool="mean")
    with pytest.raises(ValueError, match="sides 4 divides, got 32 x 30"):
        run(config.make(), jnp.zeros((1, 32, 30, 3)))


def test_text_tower_ignores_padding():
    short, long = HashTokenizer(8), HashTokenizer(16)
    tower = TextTower(by_default(TextConfig, context_length=16, **SMALL_TEXT), 12)
    text = ["a happy face", "a sad face, eyes down"]
    out, variables = run(tower, jnp.asarray(long(text)))
    np.testing.assert_allclose(
        jax.jit(tower.apply)(variables, jnp.asarray(short(text))), out, atol=1e-5
    )
    other = jax.jit(tower.apply)(
        variables, jnp.asarray(long(["a happy nose", "a sad face"]))
    )
    assert np.abs(other - out).max() > 0.01


def test_tokenizer():
    tokenizer = HashTokenizer(6)
    a, b = tokenizer(["A happy face!", "a HAPPY  face !"])
    np.testing.assert_array_equal(a, b)
    assert (a > 0).sum() == 4 and a.max() < tokenizer.vocab_size
    with pytest.raises(ValueError, match="has 7 tokens"):
        tokenizer(["one two three four five six seven"])
    with pytest.raises(ValueError, match="same id; choose another"):
        HashTokenizer(6, vocab_size=3)(["one two three four"])
    with pytest.raises(ValueError, match="has 0 tokens"):
        tokenizer([" "])


def test_fusion_starts_as_the_mean_and_learns_views(rng):
    features = jnp.array(rng.normal(size=(4, 3, 8)), jnp.float32)
    ids = jnp.tile(jnp.arange(3)[None], (4, 1))
    fusion = ViewFusion(num_views=5)
    out, variables = run(fusion, features, ids)
    np.testing.assert_allclose(out, features.mean(axis=1), atol=1e-6)
    score = variables["params"]["score"]
    score["kernel"] = score["kernel"] + 1.0
    moved = jax.jit(fusion.apply)(variables, features, ids)
    assert np.abs(moved - out).max() > 1e-3
    assert (
        np.abs(moved - jax.jit(fusion.apply)(variables, features, ids + 2)).max() > 1e-3
    )


@pytest.mark.parametrize(
    "redundancy",
    [
        "whitened",
        pytest.param("private", marks=pytest.mark.slow),
        pytest.param("literal", marks=pytest.mark.slow),
        pytest.param("actions", marks=pytest.mark.slow),
    ],
)
def test_the_assembled_model(rng, redundancy):
    config = EncoderConfig(
        vision=VisionConfig(**SMALL),
        text=by_default(TextConfig, context_length=32, **SMALL_TEXT),
        num_views=5,
        temporal=TemporalConfig(),
        embed_dim=12,
        logit_scale_init=1 / 0.07,
        private=redundancy == "private",
    )
    fields = {"redundancy_mode": redundancy, "projector_dim": 24, "num_prompts": 4}
    method = by_default(Smile, "objective.smile", **fields)
    model = Encoder(config, FrozenDict(method.heads()))
    clips = jnp.array(rng.normal(size=(6, 2, 3, 16, 16, 2)), jnp.float32)
    ids = jnp.tile(jnp.array([[0, 2, 4]]), (6, 1))
    tokens = jnp.ones((8, 5), jnp.int32) * jnp.arange(1, 9)[:, None]
    (out, texts), variables = run(model, clips, ids, tokens, method="initialize")
    assert out.features.shape == (6, 3, 16) and out.fused.shape == (6, 16)
    assert out.heads["projector"].shape == (6, 3, 24)
    assert out.private.shape == (6, 8 if redundancy == "private" else 0)
    if redundancy == "whitened":
        assert out.heads["redundancy_head"].shape == (6, 3)
    if redundancy == "actions":
        assert out.heads["redundancy_head"].shape == (6, NUM_ACTIONS)
    bank = prototypes(texts, np.arange(8) // 2, (1, 4))
    assert bank.shape == (1, 4, 12)
    expected = texts[2] + texts[3]
    np.testing.assert_allclose(
        bank[0, 1], expected / jnp.linalg.norm(expected), atol=1e-5
    )
    for unit in (out.views, out.joint, texts, bank):
        np.testing.assert_allclose(jnp.linalg.norm(unit, axis=-1), 1, atol=1e-5)
    assert np.exp(variables["params"]["logit_scale"]) == pytest.approx(
        1 / 0.07, rel=1e-5
    )
    plain = jax.jit(model.apply, static_argnames="train")(
        variables, clips, ids, train=False
    )
    assert not plain.heads
    np.testing.assert_allclose(plain.fused, out.fused, atol=1e-6)
