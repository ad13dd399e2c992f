"""Trains the networks that the package ships: the landmarker and its first look.

    python -m smile_jax.landmarking.train --views=FOLDER --out=FOLDER
        [--network=first_look]

VIEWS holds what `smile_jax.landmarking.training_views` drew of each family;
--leave_out leaves one out, to see how well the network does on people of a kind that it
never saw. Writes `NETWORK.safetensors` and `NETWORK_log.csv`; the ones that the package
ships were made so, see `card.md`.
"""

import csv
import functools
import pathlib
import time
from collections.abc import Callable, Iterator

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import flags

from smile_jax.core import command_line
from smile_jax.core.cache import keep_compiled
from smile_jax.landmarking.network import (
    FIRST_LOOK,
    LANDMARKER,
    HeatmapNetwork,
    NetworkConfig,
    decode,
    run_network,
    target,
)
from smile_jax.landmarking.rendered_inputs import CHANNELS, DEPTH, NORMALS
from smile_jax.landmarking.training_heads import (
    NETWORKS,
    Views,
    read_views,
    stacked,
)
from smile_jax.models.pretrained.weights import write_tensors

_VIEWS = flags.DEFINE_string("views", None, "Folder of views.", required=True)
_OUT = flags.DEFINE_string("out", None, "Folder to write.", required=True)
_NETWORK = flags.DEFINE_enum("network", "landmarker", NETWORKS, "Which network.")
_LEAVE_OUT = flags.DEFINE_string("leave_out", "", "Family that is not learned from.")
_EPOCHS = flags.DEFINE_integer("epochs", 4, "Times that each view is seen.", 1)
_BATCH = flags.DEFINE_integer("batch", 32, "Views a step.", 1)
_RATE = flags.DEFINE_float("learning_rate", 1.5e-3, "At its peak.")
_SEED = flags.DEFINE_integer("seed", 0, "Of parameters and order.")

Batch = tuple[jax.Array, jax.Array, jax.Array]  # images, pixels, seen

_CONFIGS = {"landmarker": LANDMARKER, "first_look": FIRST_LOOK}
_HELD_OUT = 0.02  # of the views, on which the log's errors are measured
_UPSIDE_DOWN = 0.12  # of the first look's views
_TURNED_ROUND = np.array(
    [1, -1, -1, 1, 1], np.float16
)  # channels of a picture by half a turn
_DROPPED = ((DEPTH, 0.1), (NORMALS, 0.1))  # how often, of each group


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    files = sorted(pathlib.Path(_VIEWS.value).glob("*.npz"))
    used = [file for file in files if file.stem != _LEAVE_OUT.value]
    if not used or (_LEAVE_OUT.value and len(used) == len(files)):
        raise ValueError(
            f"--views={_VIEWS.value}: families {[f.stem for f in files]}, without "
            f"{_LEAVE_OUT.value!r}: draw views with smile_jax.landmarking."
            "training_views first"
        )
    out = pathlib.Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    keep_compiled()
    started = time.perf_counter()
    network = _NETWORK.value
    views = [_split(read_views(file, network)) for file in used]
    heads, held_out = (stacked(part) for part in zip(*views, strict=True))
    del views
    print(f"{network}: {len(heads.seen)} views of {[f.stem for f in used]}")
    params = _train(heads, held_out, _CONFIGS[network], out / f"{network}_log.csv")
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    halves = {name: np.asarray(x, np.float16) for name, x in flat.items()}
    write_tensors(out / f"{network}.safetensors", halves)
    seconds = time.perf_counter() - started
    print(f"wrote {out}/{network}.safetensors after {seconds:.0f} s")


def _split(views: Views) -> tuple[Views, Views]:
    """What is learned from, and the last ones, which are held out."""
    last = len(views.seen) - int(_HELD_OUT * len(views.seen))
    first, second = (
        Views(views.images[part], views.pixels[part], views.seen[part])
        for part in (slice(last), slice(last, None))
    )
    return first, second


def _train(
    heads: Views, held_out: Views, config: NetworkConfig, log: pathlib.Path
) -> dict:
    network = HeatmapNetwork(config)
    steps = _EPOCHS.value * (len(heads.seen) // _BATCH.value)
    rate = optax.warmup_cosine_decay_schedule(
        0.0, _RATE.value, min(200, steps // 4), steps
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=0.01)
    )
    key = jax.random.key(_SEED.value)
    params = network.init(key, jnp.zeros((1, config.size, config.size, CHANNELS)))
    state = params["params"], optimizer.init(params["params"])

    def loss(params: dict, batch: Batch, key: jax.Array) -> jax.Array:
        images, pixels, seen = batch
        images = _with_channels_dropped(images.astype(jnp.float32), key)
        logits = run_network(network, params, images)
        wanted = target(pixels, seen.astype(jnp.float32), config.cells)
        return optax.softmax_cross_entropy(logits, wanted).mean()

    @jax.jit
    def step(state: tuple, batch: Batch, key: jax.Array) -> tuple:
        params, moments = state
        value, gradient = jax.value_and_grad(loss)(params, batch, key)
        update, moments = optimizer.update(gradient, moments, params)
        return (optax.apply_updates(params, update), moments), value

    @jax.jit
    def located(params: dict, images: jax.Array) -> tuple:
        return decode(run_network(network, params, images.astype(jnp.float32)))

    upside_down = _UPSIDE_DOWN if config is FIRST_LOOK else 0.0
    done, losses = 0, []
    with log.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "loss", "held_out_pixels", "seen_found", "hidden_found"])
        for batch in _batches(heads, _EPOCHS.value, _SEED.value, upside_down):
            state, value = step(state, batch, jax.random.fold_in(key, done))
            losses.append(value)
            done += 1
            if done % 250 == 0 or done == steps:
                errors = _errors(held_out, functools.partial(located, state[0]))
                mean = float(np.mean([float(v) for v in losses]))
                row = [done, *(f"{x:.4f}" for x in (mean, *errors))]
                rows.writerow(row)
                file.flush()
                print(f"step {done} of {steps}:", *row[1:], flush=True)
                losses = []
    return jax.device_get(state[0])


def _with_channels_dropped(images: jax.Array, key: jax.Array) -> jax.Array:
    """Depth or normals set to 0, each at random; the mask stays."""
    for i, (group, share) in enumerate(_DROPPED):
        kept = jax.random.bernoulli(
            jax.random.fold_in(key, i), 1 - share, (len(images), 1, 1, 1)
        )
        images = images.at[..., group].multiply(kept)
    return images


def _batches(
    heads: Views, epochs: int, seed: int, upside_down: float
) -> Iterator[tuple]:
    """Batches; some views are upside down, where nothing of a face is to be found."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(heads.seen))
        for start in range(0, len(order) - _BATCH.value + 1, _BATCH.value):
            rows = np.sort(order[start : start + _BATCH.value])
            images, seen = heads.images[rows], heads.seen[rows].copy()
            down = rng.random(len(rows)) < upside_down
            images[down] = images[down, ::-1, ::-1] * _TURNED_ROUND
            seen[down] = False
            yield images, heads.pixels[rows], seen


def _errors(held_out: Views, located: Callable) -> tuple[float, float, float]:
    """Measures errors on held-out heads.

    Returns:
      (median error in pixels of landmarks in sight, share of them found, share of the
      others found).
    """
    pixels, sure = [], []
    for start in range(0, len(held_out.seen), 100):
        p, s = located(held_out.images[start : start + 100])
        pixels.append(np.asarray(p))
        sure.append(np.asarray(s))
    apart = np.linalg.norm(np.concatenate(pixels) - held_out.pixels, axis=-1)
    found, seen = np.concatenate(sure) > 0.5, held_out.seen
    return (
        float(np.median(apart[seen])),
        float(found[seen].mean()),
        float(found[~seen].mean()),
    )


if __name__ == "__main__":
    command_line.run(main)
