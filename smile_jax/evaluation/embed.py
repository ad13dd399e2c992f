"""Features of whole datasets: one pass over the clips for all models of a shape."""

import collections
import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from smile_jax.config import Config
from smile_jax.config.factories import sampling
from smile_jax.core import parallel
from smile_jax.data.dataset import FaceDataset
from smile_jax.data.frames import FrameSampling
from smile_jax.data.pipeline import eval_batches
from smile_jax.evaluation.row_store import RowStore
from smile_jax.models import Encoder
from smile_jax.models.attention_weights import SHOWN, shares_of
from smile_jax.models.temporal import timing_of
from smile_jax.training.model_spec import ModelSpec, plain_view

# A model's results, by name; those of each subset of the views have its number.
Results = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class EmbeddedSet:
    """Embeddings of n clips.

    Attributes:
      fused: (n, F) fused backbone features, before the projector.
      joint: (n, E) unit-norm joint embedding of the fused feature.
      views: (n, V, E) of each view.
      weights: (n, V) share of each view in the fused feature.
      frame_weights: (n, T) of each frame; None where frames are not averaged, or clips
        have different numbers.
      partial_fused, partial: of each of some subsets of the views alone, (n, F) and
        (n, E), `fused` and `joint`; empty where none is asked for.
    """

    fused: np.ndarray
    joint: np.ndarray
    views: np.ndarray
    weights: np.ndarray
    frame_weights: np.ndarray | None
    partial_fused: tuple[np.ndarray, ...] = ()
    partial: tuple[np.ndarray, ...] = ()

    def rows(self, rows: np.ndarray) -> "EmbeddedSet":
        """Returns some clips, in memory, without the subsets of views."""
        fused, joint, views, weights = (
            x[rows] for x in (self.fused, self.joint, self.views, self.weights)
        )
        frames = None if self.frame_weights is None else self.frame_weights[rows]
        return EmbeddedSet(fused, joint, views, weights, frames)

    @classmethod
    def of_store(cls, store: RowStore, subsets: int) -> "EmbeddedSet":
        """Returns what was written of one model."""
        return cls(
            fused=store["fused"],
            joint=store["joint"],
            views=store["views"],
            weights=store["weights"],
            frame_weights=store.get("frame_weights"),
            partial_fused=tuple(store[f"fused_{i}"] for i in range(subsets)),
            partial=tuple(store[f"joint_{i}"] for i in range(subsets)),
        )


@dataclasses.dataclass(frozen=True)
class ClipReader:
    """A dataset as a model sees it outside training.

    Attributes:
      dataset: whose records.
      view: pixels of a batch to standardised clips and the views they are.
      how: frames are taken.
      batch_size: at a time, over all local devices.
      threads: that read.
    """

    dataset: FaceDataset
    view: functools.partial
    how: FrameSampling
    batch_size: int
    threads: int

    @classmethod
    def of_run(
        cls, config: Config, spec: ModelSpec, dataset: FaceDataset
    ) -> "ClipReader":
        """Returns the reader of a run with this config and model."""
        devices = jax.local_device_count()
        return cls(
            dataset,
            plain_view(config, spec, dataset.yaws_deg, dataset.channels),
            sampling(config),
            -(-config.evaluation.batch_size // devices) * devices,
            config.data.threads,
        )

    def batches(self, records: np.ndarray) -> Iterator[tuple[int, int, Any]]:
        """Yields every record once, in order.

        Yields:
          Place of the batch's first record among all, how many there are, and the batch
          on the local devices, filled up.
        """
        first = 0
        for batch in eval_batches(
            self.dataset,
            records,
            self.how,
            batch_size=self.batch_size,
            threads=self.threads,
        ):
            real = int(batch.pop("weight").sum())
            yield first, real, parallel.put_batch(batch)
            first += real


def embed_clips(
    reader: ClipReader,
    records: np.ndarray,
    model: Encoder,
    models: Mapping[str, Any],
    stores: Mapping[str, RowStore],
    *,
    first_row: int = 0,
    subsets: Sequence[tuple[int, ...]] = (),
    more: Mapping[str, Callable[[Any], Any]] | None = None,
) -> None:
    """Embeds records without augmentation, on the devices of this process.

    Each batch is read once, whatever the number of models; while the devices work on
    it, the next one is read and copied.

    Args:
      reader: of the dataset.
      records: to embed, in this order.
      model: all models have its shape.
      models: name -> parameters on the host.
      stores: where the results of each go, by the same names; see `EmbeddedSet`.
      first_row: of the stores, where the first record's results go.
      subsets: of the views, by their places, that are fused by themselves too.
      more: name -> compiled function of a batch on the devices; its rows go to "rows"
        of the store of that name.
    """
    forward = forward_of(model, reader.view, subsets)
    devices = jax.local_devices()
    on_devices = {n: parallel.put_state(p, devices) for n, p in models.items()}

    def asked(batch: Any) -> dict[str, Results]:
        found = {name: forward(p, batch) for name, p in on_devices.items()}
        return found | {name: {"rows": f(batch)} for name, f in (more or {}).items()}

    def keep(first: int, real: int, results: Mapping[str, Results]) -> None:
        for name, arrays in results.items():
            for key, x in arrays.items():
                rows = np.asarray(x).reshape(-1, *x.shape[2:])[:real]
                stores[name].write(key, first_row + first, rows)

    # Computation is asynchronous: a batch's results are waited for when the next one
    # has been read, copied and given to the devices.
    waiting: collections.deque = collections.deque()
    for first, real, batch in reader.batches(records):
        waiting.append((first, real, asked(batch)))
        if len(waiting) > 1:
            keep(*waiting.popleft())
    while waiting:
        keep(*waiting.popleft())


def embed_shared(
    reader: ClipReader, records: np.ndarray, model: Encoder, params: Any
) -> EmbeddedSet:
    """Embeds records on the devices of all processes.

    Each process gets all results in memory. Every process must call it.
    """
    own = parallel.share_of_process(records)
    store = RowStore(len(own))
    embed_clips(reader, own, model, {"": params}, {"": store})
    found = EmbeddedSet.of_store(store, 0)

    def joined(x: np.ndarray) -> np.ndarray:
        return parallel.rows_of_processes(x, len(records))

    frames = found.frame_weights
    return EmbeddedSet(
        fused=joined(found.fused),
        joint=joined(found.joint),
        views=joined(found.views),
        weights=joined(found.weights),
        frame_weights=None if frames is None else joined(frames),
    )


def view_subsets(count: int) -> tuple[tuple[int, ...], ...]:
    """Returns the subsets of views that may be all that is left of a face.

    Of up to four views every subset; of more, single views and all but one.
    """
    sizes = range(1, count) if count <= 4 else (1, count - 1)
    places = range(count)
    return tuple(s for size in sizes for s in itertools.combinations(places, size))


def forward_of(
    model: Encoder, view: functools.partial, subsets: Sequence[tuple[int, ...]] = ()
) -> Callable[[Any, Any], Results]:
    """Returns `(params, batch) -> results` on the devices of this process.

    It is compiled once for all models of a shape that see clips alike.

    Batches are as stored; `view` standardises their pixels. Results are arrays
    [devices, B / devices, ...] by the names of `EmbeddedSet`; those of subset i of the
    views are "fused_i" and "joint_i". Weights: see `shares_of`.
    """
    settings = tuple(sorted(view.keywords.items()))
    assert not view.args, "a view has its settings by name"
    return _compiled(model, view.func, settings, tuple(subsets))


@functools.lru_cache(maxsize=16)
def _compiled(
    model: Encoder,
    view: Callable,
    settings: tuple[tuple[str, Any], ...],
    subsets: tuple[tuple[int, ...], ...],
) -> Callable[[Any, Any], Results]:
    def forward(params: Any, batch: Any) -> Results:
        def applied(*given: Any, **how: Any) -> Any:
            return model.apply({"params": params}, *given, **how, mutable=[SHOWN])

        clips, ids = view(batch["views"], **dict(settings))
        features, of_time = applied(clips, timing_of(batch), method="encode")
        out, of_views = applied(features, ids, train=False, method="fuse")
        shares = shares_of({SHOWN: {**of_time.get(SHOWN, {}), **of_views[SHOWN]}})
        found = {
            "fused": out.fused,
            "joint": out.joint,
            "views": out.views,
            "weights": shares["views"],
            "frame_weights": shares["frames"],
        }
        for i, places in enumerate(subsets):
            some: Any = model.apply(
                {"params": params},
                *(x[:, jnp.array(places)] for x in (features, ids)),
                train=False,
                method="fuse",
            )
            found |= {f"fused_{i}": some.fused, f"joint_{i}": some.joint}
        return {name: x for name, x in found.items() if x is not None}

    return parallel.pmap_eval(forward)
