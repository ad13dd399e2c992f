"""The train step beside its twin in PyTorch and beside the matrix rate of the machine.

    python -m experiments.benchmarks.train_step [--size=vit_s16] [--batch=8] \
        [--dtype=float32] [--repeats=10] [--no-torch]

Times, in turn in one process: the step that `smile-jax train` runs (augmentation, three
terms, AdamW, average), the same model, terms and optimiser in PyTorch (eager, and with
torch.compile), and one large matrix product in each framework. Prints one JSON line:
seconds (median), images/s, model FLOP/s as a share of the product's rate, and ratios.
`flops` are those of the model's matrix products, forward and backward, counted from the
step's jaxpr: nothing recomputed is in it.
"""

import contextlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging

from smile_jax.config import Config, with_values
from smile_jax.config.validate import validate
from smile_jax.core import parallel
from smile_jax.core.host_memory import cpu_only, keep_freed_memory
from smile_jax.core.matmul_flops import matmul_flops
from smile_jax.cost.chips import CHIPS
from smile_jax.cost.step_cost import batch_shapes, plan_without_data
from smile_jax.data.channels import num_channels
from smile_jax.data.schema import FacesConfig
from smile_jax.experiments.benchmarks.common import SIZES, sized_experiment
from smile_jax.training.assembly import build, make_layout

_SIZE = flags.DEFINE_enum("size", "vit_s16", list(SIZES), "Vision tower.")
_BATCH = flags.DEFINE_integer("batch", 8, "Clips a step.")
_VIEWS = flags.DEFINE_integer("views", 3, "Views of a clip.")
_PIXELS = flags.DEFINE_integer("image_size", 224, "Pixels a side.")
_DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "bfloat16"], "Of the tower.")
_REPEATS = flags.DEFINE_integer("repeats", 10, "Timed steps of each.")
_TORCH = flags.DEFINE_bool("torch", True, "Time PyTorch too.")
_SET = flags.DEFINE_multi_string("set", [], "KEY=VALUE of the config, e.g. for remat.")


def experiment() -> Config:
    """Returns the experiment that the flags describe."""
    changes = [f"model.vision.dtype={_DTYPE.value}", *_SET.value]
    return sized_experiment(
        _SIZE.value, batch=_BATCH.value, views=_VIEWS.value, changes=changes
    )


def ours(config: Config) -> tuple[Callable, float]:
    """A function that takes one step, and the model's FLOP in it."""
    plan = plan_without_data(config, image_size=_PIXELS.value)
    _, state, step = build(config, plan)
    layout = make_layout(config, state)
    rng = np.random.default_rng(0)
    shapes = batch_shapes(config, plan, jax.device_count())
    compiled = parallel.pmap_step(step, pieces=layout.pieces)
    flops = model_flops(config)
    n = config.train.batch_size
    batch = {
        "views": rng.integers(
            0, 256, (n, *shapes["views"].shape[2:]), shapes["views"].dtype
        ),
        "prompt": (np.arange(n) % len(config.data.classes)).astype(np.int32),
        "row": np.arange(n, dtype=np.int32),
        "time_s": np.zeros((n, shapes["time_s"].shape[-1]), np.float32),
        "apex": np.zeros(n, np.int32),
    }
    held = [layout.put(state)]
    on_device = parallel.put_batch(batch)

    def one() -> None:
        held[0], metrics = compiled(held[0], on_device)
        jax.block_until_ready((held[0], metrics))

    return one, flops


def model_flops(config: Config) -> float:
    """Returns the operations of a step that computes nothing twice."""
    keys: dict = {"train.micro_batches": 1, "train.shard_moments": False}
    for tower in ("model.vision", "model.text"):
        keys |= {f"{tower}.remat": "none", f"{tower}.attention": "xla"}
        keys[f"{tower}.scan"] = False
    config = with_values(config, keys)
    plan = plan_without_data(config, image_size=_PIXELS.value)
    _, state, step = build(config, plan)
    shapes = batch_shapes(config, plan, jax.device_count())
    return matmul_flops(jax.make_jaxpr(parallel.pmap_step(step))(state, shapes))


def theirs(config: Config, *, compiled: bool) -> Callable:
    """Returns the step of the twin in PyTorch."""
    import torch

    from smile_jax.experiments.benchmarks.torch_peer import make_step

    device = "cuda" if torch.cuda.is_available() else "cpu"
    channels = num_channels(config.data.inputs)
    step = make_step(config, _PIXELS.value, channels, device=device, compiled=compiled)
    n, size = config.train.batch_size, _PIXELS.value
    shape = (n, len(FacesConfig(name="assumed").yaws_deg), size, size, channels)
    pixels = torch.randint(256, shape, dtype=torch.uint8, device=device)
    labels = torch.arange(n, device=device) % len(config.data.classes)

    def one() -> None:
        step(pixels, labels)
        if device == "cuda":
            torch.cuda.synchronize()

    return one


def product(side: int = 4096) -> tuple[Callable, float]:
    """Returns one square product in the tower's dtype, and its operations."""
    a, b = jax.random.normal(jax.random.PRNGKey(0), (2, side, side), _DTYPE.value)
    multiply = jax.jit(jnp.matmul)
    return lambda: multiply(a, b).block_until_ready(), 2.0 * side**3


def torch_product(side: int = 4096) -> Callable:
    """Returns one square product in PyTorch."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    a, b = torch.randn(2, side, side, device=device, dtype=getattr(torch, _DTYPE.value))

    def one() -> None:
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()

    return one


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    del argv
    if cpu_only():
        keep_freed_memory()
    config = experiment()
    validate(config, jax.device_count())
    timed: dict[str, Callable] = {}
    skipped = {}
    timed["smile_jax"], flops = ours(config)
    timed["product"], product_flops = product()
    if _TORCH.value:
        peers = {
            "torch": lambda: theirs(config, compiled=False),
            "torch_compile": lambda: theirs(config, compiled=True),
            "torch_product": torch_product,
        }
        for name, make in peers.items():
            try:
                timed[name] = make()
                timed[name]()
            except Exception as error:  # not installed, or no compiler
                timed.pop(name, None)
                skipped[name] = f"{type(error).__name__}: {error}"[:90]
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for repeat in range(_REPEATS.value + 2):  # in turn, so that noise hits all alike
        for name, one in timed.items():
            started = time.perf_counter()
            one()
            if repeat >= 2:
                seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(s) for name, s in seconds.items()}
    devices, kind = jax.device_count(), jax.devices()[0].device_kind
    rates = {"product": product_flops / median["product"]}
    if "torch_product" in median:
        rates["torch_product"] = product_flops / median["torch_product"]
    rate = max(rates.values())
    model_rate = flops / median["smile_jax"]
    result = {
        "size": _SIZE.value,
        "batch": _BATCH.value,
        "views": _VIEWS.value,
        "image_size": _PIXELS.value,
        "dtype": _DTYPE.value,
        "set": _SET.value,
        "device": f"{devices} x {kind}",
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "jax": jax.__version__,
        "seconds": median,
        "images_per_second": _BATCH.value * _VIEWS.value / median["smile_jax"],
        "flops": flops,
        "share_of_product_rate": model_rate / rate,
        "gflops_per_second": {k: r / 1e9 for k, r in rates.items()}
        | {"smile_jax": model_rate / 1e9},
        "times_ours": {
            name: s / median["smile_jax"]
            for name, s in median.items()
            if name in ("torch", "torch_compile")
        },
        "skipped": skipped,
    }
    if kind in CHIPS:
        result["share_of_peak"] = model_rate / CHIPS[kind].flops
    with contextlib.suppress(ImportError):
        import torch

        result["torch"] = torch.__version__
    print(json.dumps(result))


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)
    app.run(main)
