"""The step by `jit(shard_map(...))`, which takes the place of pmap when pmap goes.

The twin must give the same bits, so that the change is of one function.
"""

import jax
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from smile_jax.core import parallel
from tests.training.common import shrunk_config
from tests.training.test_resume import assert_identical
from tests.training.test_step import run_steps


def shard_map_step(step, devices, pieces=False):
    """`parallel.pmap_step` by shard_map: takes and gives the same arrays."""
    mesh = Mesh(np.array(devices), (parallel.AXIS,))
    states = jax.tree.map(lambda cut: P(parallel.AXIS) if cut else P(), pieces)

    def of_shard(state, batch):
        # pmap takes the device axis off, of which a shard_map keeps one row.
        batch = jax.tree.map(lambda x: x[0], batch)
        state = jax.tree.map(_without_axis, pieces, state)
        state, metrics = step(state, batch)
        return jax.tree.map(_with_axis, pieces, state), metrics

    return jax.jit(
        jax.shard_map(
            of_shard,
            mesh=mesh,
            in_specs=(states, P(parallel.AXIS)),
            out_specs=(states, P()),
            # Equal on all devices by our own reductions, as pmap trusts us, too.
            check_vma=False,
        ),
        donate_argnums=0,
    )


def _without_axis(cut, part):
    return jax.tree.map(lambda x: x[0], part) if cut else part


def _with_axis(cut, part):
    return jax.tree.map(lambda x: x[None], part) if cut else part


@pytest.mark.parametrize(
    "devices, keys",
    [(4, {}), (8, {"train.shard_moments": True})],
    ids=["whole", "in pieces"],
)
def test_the_twin_gives_the_same_bits(tiny_dataset, devices, keys):
    config = shrunk_config(tiny_dataset, **keys)
    ours = run_steps(config, 3, devices)
    twin = run_steps(config, 3, devices, shard_map_step)
    assert_identical(ours, twin)
    other = run_steps(shrunk_config(tiny_dataset, seed=1, **keys), 3, devices)
    with pytest.raises(AssertionError):
        assert_identical(other, twin)
