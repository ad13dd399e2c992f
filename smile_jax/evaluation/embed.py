"""Features of whole datasets: one pmapped pass, padding dropped."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from smile_jax import parallel
from smile_jax.data.augment import plain_clips
from smile_jax.data.pipeline import FaceDataset, eval_batches
from smile_jax.models import Encoder
from smile_jax.training.start import Start

# Pixel baselines see images averaged down to at most this many pixels a side.
_BASELINE_SIZE = 64


@dataclasses.dataclass(frozen=True)
class EmbeddedSet:
    """Embeddings of n clips.

    Attributes:
      fused: (n, F) fused backbone features, before the projector.
      joint: (n, E) unit-norm joint embedding of the fused feature.
      views: (n, V, E) of each view.
    """

    fused: np.ndarray
    joint: np.ndarray
    views: np.ndarray

    def rows(self, first: int) -> "EmbeddedSet":
        """Those from a row on."""
        return EmbeddedSet(self.fused[first:], self.joint[first:], self.views[first:])


def view_of(config: ConfigDict, dataset: FaceDataset, start: Start) -> Callable:
    """`plain_clips` as a run sees clips: its views, channels and statistics."""
    return functools.partial(
        plain_clips,
        view_ids=dataset.spread_views(config.data.views),
        channels=dataset.channels,
        inputs=config.data.inputs,
        relight=config.augment.relight,
        mean=start.mean,
        std=start.std,
    )


def embed(
    model: Encoder,
    params: dict,
    view: Callable,
    dataset: FaceDataset,
    records: np.ndarray,
    config: ConfigDict,
) -> EmbeddedSet:
    """Embeds records without augmentation, seen by `view`."""

    def forward(params, batch):
        clips, ids = view(batch["views"])
        out: Any = model.apply({"params": params}, clips, ids, train=False)
        return out.fused, out.joint, out.views

    compiled = parallel.pmap_eval(forward)
    params = parallel.put_state(params)
    parts = []
    for batch in _batches(dataset, records, config):
        out = compiled(params, parallel.put_batch({"views": batch["views"]}))
        real = batch["weight"]
        parts.append([np.asarray(x).reshape(-1, *x.shape[2:])[real] for x in out])
    return EmbeddedSet(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def baseline_pixels(
    view: Callable, dataset: FaceDataset, records: np.ndarray, config: ConfigDict
) -> np.ndarray:
    """(n, pixels) float32: what the model sees, averaged down."""

    @jax.jit
    def flatten(images):
        clips, _ = view(images)
        b, t, v, h, w, c = clips.shape
        f = next(f for f in range(1, h + 1) if h % f == 0 and h <= f * _BASELINE_SIZE)
        split = clips.reshape(b, t, v, h // f, f, w // f, f, c)
        return split.mean(axis=(4, 6)).reshape(b, -1)

    return np.concatenate(
        [
            np.asarray(flatten(batch["views"]))[batch["weight"]]
            for batch in _batches(dataset, records, config)
        ]
    )


def _batches(dataset: FaceDataset, records: np.ndarray, config: ConfigDict):
    devices = jax.local_device_count()
    return eval_batches(
        dataset,
        records,
        clip=config.data.clip,
        batch_size=-(-config.evaluation.batch_size // devices) * devices,
        threads=config.data.threads,
    )
