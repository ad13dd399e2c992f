"""Trains the landmarker that the package ships.

    python -m smile_jax.landmarking.train --out=FOLDER

Heads are generated, of the procedural model and of ICT-FaceKit where --ict names it
(--procedural=False leaves the former out). Writes `landmarker.safetensors` and
`training_log.csv`; the ones that the package ships were made so, see `card.md`.
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
from smile_jax.core.workers import run_everywhere
from smile_jax.landmarking.network import (
    STRIDE,
    HeatmapNetwork,
    NetworkConfig,
    decode,
    run_network,
    target,
)
from smile_jax.landmarking.rendered_inputs import DEPTH, GREY, NORMALS, SIZE
from smile_jax.landmarking.training_heads import Sample, make_sample
from smile_jax.models.pretrained.weights import write_tensors

_OUT = flags.DEFINE_string("out", None, "Folder to write.", required=True)
_ICT = flags.DEFINE_string("ict", "", "ICT-FaceKit tree or archive.")
_PROCEDURAL = flags.DEFINE_boolean("procedural", True, "Learn from our own head too.")
_HEADS = flags.DEFINE_integer("heads", 6000, "To learn from; four views each.", 64)
_EPOCHS = flags.DEFINE_integer("epochs", 3, "Times that each view is seen.", 1)
_BATCH = flags.DEFINE_integer("batch", 32, "Views a step.", 1)
_RATE = flags.DEFINE_float("learning_rate", 1.5e-3, "At its peak.")
_SEED = flags.DEFINE_integer("seed", 0, "Of heads, parameters and order.")

Batch = tuple[jax.Array, jax.Array, jax.Array]  # images, pixels, seen

_HELD_OUT = 200  # other heads, on which the log's errors are measured
_DROPPED = ((DEPTH, 0.15), (NORMALS, 0.15), (GREY, 0.3))  # how often, of each group


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    sources = [""] if _PROCEDURAL.value else []
    sources += [_ICT.value] if _ICT.value else []
    if not sources:
        raise ValueError(
            "--procedural=False leaves nothing to learn from without --ict"
        )
    out = pathlib.Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    keep_compiled()
    started = time.perf_counter()
    first = _SEED.value * 10_000_000
    heads = _views(range(first, first + _HEADS.value), sources)
    held_out = _views(range(first + 9_000_000, first + 9_000_000 + _HELD_OUT), sources)
    print(
        f"{len(heads.seen)} views of {_HEADS.value} heads in "
        f"{time.perf_counter() - started:.0f} s"
    )
    params = _train(heads, held_out, out / "training_log.csv")
    flat = flax.traverse_util.flatten_dict(params, sep="/")
    halves = {name: np.asarray(x, np.float16) for name, x in flat.items()}
    write_tensors(out / "landmarker.safetensors", halves)
    seconds = time.perf_counter() - started
    print(f"wrote {out}/landmarker.safetensors after {seconds:.0f} s")


def _views(seeds: range, sources: list[str]) -> Sample:
    """Returns all views of some heads, as one sample."""
    made = list(run_everywhere(make_sample, seeds, sources))
    images = np.concatenate([s.images for s in made])
    pixels = np.concatenate([s.pixels for s in made])
    return Sample(images, pixels, np.concatenate([s.seen for s in made]))


def _train(heads: Sample, held_out: Sample, log: pathlib.Path) -> dict:
    network = HeatmapNetwork(NetworkConfig())
    steps = _EPOCHS.value * (len(heads.seen) // _BATCH.value)
    rate = optax.warmup_cosine_decay_schedule(
        0.0, _RATE.value, min(200, steps // 4), steps
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=0.01)
    )
    key = jax.random.key(_SEED.value)
    params = network.init(key, jnp.zeros((1, SIZE, SIZE, heads.images.shape[-1])))
    state = params["params"], optimizer.init(params["params"])

    def loss(params: dict, batch: Batch, key: jax.Array) -> jax.Array:
        images, pixels, seen = batch
        images = _with_channels_dropped(images.astype(jnp.float32), key)
        logits = run_network(network, params, images)
        wanted = target(pixels, seen.astype(jnp.float32), SIZE // STRIDE)
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

    done, losses = 0, []
    with log.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "loss", "held_out_pixels", "seen_found", "hidden_found"])
        for batch in _batches(heads, _EPOCHS.value, _SEED.value):
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
    """Depth, normals or grey set to 0, each at random; the mask stays."""
    for i, (group, share) in enumerate(_DROPPED):
        kept = jax.random.bernoulli(
            jax.random.fold_in(key, i), 1 - share, (len(images), 1, 1, 1)
        )
        images = images.at[..., group].multiply(kept)
    return images


def _batches(heads: Sample, epochs: int, seed: int) -> Iterator[tuple]:
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(len(heads.seen))
        for start in range(0, len(order) - _BATCH.value + 1, _BATCH.value):
            rows = np.sort(order[start : start + _BATCH.value])
            yield heads.images[rows], heads.pixels[rows], heads.seen[rows]


def _errors(held_out: Sample, located: Callable) -> tuple[float, float, float]:
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
