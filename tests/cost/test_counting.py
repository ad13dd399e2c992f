"""Counts against what paper and pencil give."""

import jax
import jax.numpy as jnp
import pytest

from smile_jax.core import parallel
from smile_jax.core.matmul_flops import matmul_flops
from smile_jax.cost.collectives import collective_bytes


def count(function, *shapes):
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return matmul_flops(jax.make_jaxpr(function)(*arrays))


def test_products_loops_branches_and_gradients():
    product = 2 * 3 * 5 * 7
    assert count(jnp.matmul, (3, 5), (5, 7)) == product
    assert count(jnp.matmul, (4, 3, 5), (4, 5, 7)) == 4 * product
    both = jax.grad(lambda a, b: (a @ b).sum(), argnums=(0, 1))
    assert count(both, (3, 5), (5, 7)) == 3 * product

    def repeated(a):
        return jax.lax.scan(lambda x, _: (x @ a, None), a, length=6)[0]

    assert count(repeated, (5, 5)) == 6 * 2 * 5**3

    def either(a):
        return jax.lax.cond(a.sum() > 0, lambda x: x @ x, lambda x: x @ x @ x, a)

    assert count(either, (5, 5)) == 2 * 2 * 5**3


def test_what_is_computed_again_counts_again():
    def loss(w, remat):
        layer = jax.checkpoint(lambda x: jnp.tanh(x @ w)) if remat else lambda x: x @ w
        return layer(layer(w)).sum()

    again = count(jax.grad(lambda w: loss(w, True)), (5, 5))
    once = count(jax.grad(lambda w: loss(w, False)), (5, 5))
    assert again > once


def test_convolution():
    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    assert count(convolve, (1, 8, 8, 3), (2, 2, 3, 16)) == 2 * (4 * 4 * 16) * (
        2 * 2 * 3
    )


def test_inside_pmap_shapes_are_one_devices():
    step = parallel.pmap_eval(lambda w, x: x @ w)
    assert count(step, (5, 7), (8, 3, 5)) == 2 * 3 * 5 * 7


@pytest.mark.parametrize(
    "call, kind, sent",
    [
        ("f32[8]{0} all-reduce(%x)", "all-reduce", 2 * 32 * 0.75),
        ("(f32[8], bf16[4]) all-reduce-start(%x, %y)", "all-reduce", 2 * 40 * 0.75),
        ("bf16[8,2]{1,0:T(8,128)(2,1)} all-gather(%x)", "all-gather", 32 * 0.75),
        ("(f32[2], f32[8]) all-gather-start(%x)", "all-gather", 32 * 0.75),
        ("f32[2]{0} reduce-scatter(%x)", "reduce-scatter", 32 * 0.75),
        ("f32[2]{0} collective-permute(%x)", "collective-permute", 8),
        (
            "(f32[2], f32[2], u32[], u32[]) collective-permute-start(%x)",
            "collective-permute",
            8,
        ),
        ("f8e4m3fn[8]{0} all-gather(%x)", "all-gather", 8 * 0.75),
    ],
)
def test_bytes_of_a_ring_of_four(call, kind, sent):
    line = f"  %name.1 = {call}, channel_id=1\n"
    assert collective_bytes(line, 4) == {kind: sent}
    long = line.replace("%x", "%x, /*index=5*/%z")
    assert collective_bytes(long, 4) == {kind: sent}
    other = line.replace("(%x", "-done(%x").replace("-start", "")
    assert collective_bytes(line + other, 4) == {kind: sent}
    chained = line.rstrip() + ', frontend_attributes={chain_id="0"}\n'
    assert collective_bytes(chained * 3, 4) == {kind: sent}


def test_a_real_program():
    step = parallel.pmap_step(lambda w, x: (w, parallel.pmean(x @ w, parallel.AXIS)))
    arrays = jnp.zeros((5, 7)), jnp.zeros((8, 3, 5))
    program = step.lower(*arrays).compile().as_text()
    assert collective_bytes(program, 8) == {"all-reduce": 2 * (3 * 7 * 4) * 7 / 8}
