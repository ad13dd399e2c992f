"""Memory, operations, bytes sent and time of term 1, in its forms and as published.

    python -m experiments.benchmarks.losses [--topology=v5e:16x16] [--dims=1024,8192] \
        [--batches=256,4096] [--views=2,3] [--seconds_below=50e9]

The value and gradient of `multiview_decorrelation` by correlation matrices ("full", in
columns over the devices) and by Gram matrices ("gram"), and beside them the published
formulation: each pair's whole D x D matrix summed on every device, its off-diagonal
part cut out (as facebookresearch/barlowtwins does). Compiled for every size, run on one
device where a step is of few operations. Prints one JSON line: for each size and form
`gflops`, `temporary_mib`, `sent_mib` (by kind), all a device, `seconds` (median), and
which form "auto" takes.
"""

import itertools
import json
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from smile_jax.core import parallel
from smile_jax.core.matmul_flops import matmul_flops
from smile_jax.cost.collectives import collective_bytes
from smile_jax.cost.step_cost import devices_of
from smile_jax.losses import multiview_decorrelation
from smile_jax.losses.view_decorrelation import cheaper_form

_TOPOLOGY = flags.DEFINE_string("topology", "local:1", "See smile-jax aot.")
_DIMS = flags.DEFINE_list("dims", ["1024", "4096", "16384"], "D of the projector.")
_BATCHES = flags.DEFINE_list("batches", ["256", "2048", "32768"], "Global B.")
_VIEWS = flags.DEFINE_list("views", ["2", "3", "7"], "V.")
_BELOW = flags.DEFINE_float("seconds_below", 1e11, "FLOP of what is timed.")
_REPEATS = flags.DEFINE_integer("repeats", 5, "Timed runs of each.")


def published(z: jax.Array, *, axis_name: str) -> tuple[jax.Array, dict]:
    """Computes the same loss pair by pair, from whole matrices on every device."""
    batch, views, dims = z.shape
    count = batch * parallel.axis_size(axis_name)
    mean = parallel.psum(z.sum(0), axis_name) / count
    variance = parallel.psum(((z - mean) ** 2).sum(0), axis_name) / count
    scores = (z - mean) * jax.lax.rsqrt(variance + 1e-5)
    total, diagonal = jnp.zeros(()), jnp.eye(dims, dtype=bool)
    pairs = list(itertools.combinations(range(views), 2))
    for a, b in pairs:
        c = parallel.psum(scores[:, a].T @ scores[:, b], axis_name) / count
        on = ((1 - jnp.diagonal(c)) ** 2).sum()
        off = jnp.where(diagonal, 0, c**2).sum()
        total += on + 0.0051 * off
    return total / (len(pairs) * dims), {}


def compiled_form(form: str, shape: tuple[int, ...], devices: list[Any]) -> Any:
    """A jitted gradient over devices, and the shapes that it takes."""
    batch, views, dims = shape

    def loss(z: jax.Array) -> Any:
        if form == "published":
            return published(z, axis_name=parallel.AXIS)[0]
        return multiview_decorrelation(z, axis_name=parallel.AXIS, form=form)[0]

    def step(z: jax.Array, unused: jax.Array) -> Any:
        value, gradient = jax.value_and_grad(loss)(z)
        return gradient, parallel.pmean(value + unused.sum(), parallel.AXIS)

    n = len(devices)
    shapes = (
        jax.ShapeDtypeStruct((n, batch // n, views, dims), jnp.float32),
        jax.ShapeDtypeStruct((n, 1), jnp.float32),
    )
    return parallel.pmap_step(step, devices, pieces=True), shapes


def measure(form: str, shape: tuple[int, ...], devices: list[Any]) -> dict[str, Any]:
    """Measures a form of the loss on some devices."""
    function, shapes = compiled_form(form, shape, devices)
    flops = matmul_flops(jax.make_jaxpr(function)(*shapes))
    row: dict[str, Any] = {"gflops": flops / 1e9}
    try:
        compiled = function.lower(*shapes).compile()
    except jax.errors.JaxRuntimeError as error:  # does not fit the chip
        return row | {"error": str(error).splitlines()[0][:120]}
    memory = compiled.memory_analysis().temp_size_in_bytes
    sent = collective_bytes(compiled.as_text(), len(devices))
    row["temporary_mib"] = memory / 2**20
    row["sent_mib"] = {kind: size / 2**20 for kind, size in sent.items()}
    here = _TOPOLOGY.value.startswith("local") and len(devices) == jax.device_count()
    if here and flops < _BELOW.value:
        rng = np.random.default_rng(0)
        seconds = []
        for _ in range(_REPEATS.value + 1):  # the arguments are donated
            z = rng.standard_normal(shapes[0].shape, np.float32)
            z, unused = parallel.put_batch((z[0], np.zeros(1, np.float32)))
            jax.block_until_ready(z)
            started = time.perf_counter()
            jax.block_until_ready(compiled(z, unused))
            seconds.append(time.perf_counter() - started)
        row["seconds"] = statistics.median(seconds[1:])
    return row


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    del argv
    devices = devices_of(_TOPOLOGY.value)
    rows = []
    grid = itertools.product(_BATCHES.value, _VIEWS.value, _DIMS.value)
    for batch, views, dims in (tuple(map(int, shape)) for shape in grid):
        row: dict[str, Any] = {"batch": batch, "views": views, "dims": dims}
        row["auto"] = cheaper_form(batch, views, dims)
        for form in ("gram", "full", "published"):
            row[form] = measure(form, (batch, views, dims), devices)
            jax.clear_caches()
        rows.append(row)
    kind = devices[0].device_kind
    print(json.dumps({"devices": len(devices), "kind": kind, "rows": rows}))


if __name__ == "__main__":
    app.run(main)
