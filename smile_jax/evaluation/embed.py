"""Features of whole datasets: one pmapped pass, padding dropped."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from smile_jax import parallel
from smile_jax.config import Config
from smile_jax.config.build import sampling
from smile_jax.data.frames import Sampling
from smile_jax.data.pipeline import FaceDataset, eval_batches
from smile_jax.models import Encoder
from smile_jax.models.shown import SHOWN, shares_of
from smile_jax.models.temporal import timing_of
from smile_jax.training.model_spec import ModelSpec, plain_view


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
      partial_fused, partial: (n, S, F) and (n, S, E), `fused` and `joint` of each of
        some subsets of the views alone; None where none is asked for.
    """

    fused: np.ndarray
    joint: np.ndarray
    views: np.ndarray
    weights: np.ndarray
    frame_weights: np.ndarray | None
    partial_fused: np.ndarray | None = None
    partial: np.ndarray | None = None

    def rows(self, rows: np.ndarray | slice) -> "EmbeddedSet":
        """Those of some rows."""
        fields: dict[str, Any] = vars(self)
        kept: dict[str, Any] = {
            k: None if x is None else x[rows] for k, x in fields.items()
        }
        return EmbeddedSet(**kept)

    @classmethod
    def joined(cls, parts: Sequence["EmbeddedSet"]) -> "EmbeddedSet":
        """All of them, in order."""
        found: dict[str, Any] = {}
        for name in vars(parts[0]):
            arrays = [getattr(part, name) for part in parts]
            alike = len({None if x is None else x.shape[1:] for x in arrays}) == 1
            known = alike and arrays[0] is not None
            found[name] = np.concatenate(arrays) if known else None
        return cls(**found)


@dataclasses.dataclass(frozen=True)
class Seen:
    """A dataset as a model sees it outside training.

    Attributes:
      dataset: whose records.
      view: pixels of a batch to standardised clips and the views they are.
      how: frames are taken.
      batch_size: at a time, over all local devices.
      threads: that read.
    """

    dataset: FaceDataset
    view: Callable
    how: Sampling
    batch_size: int
    threads: int

    @classmethod
    def by_run(cls, config: Config, spec: ModelSpec, dataset: FaceDataset) -> "Seen":
        """As a run of this config and model sees it."""
        devices = jax.local_device_count()
        return cls(
            dataset,
            plain_view(config, spec, dataset.yaws_deg, dataset.channels),
            sampling(config),
            -(-config.evaluation.batch_size // devices) * devices,
            config.data.threads,
        )

    def batches(self, records: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """Every record once, in order; padding has weight 0."""
        return eval_batches(
            self.dataset,
            records,
            self.how,
            batch_size=self.batch_size,
            threads=self.threads,
        )


class Embedder:
    """Embeds records without augmentation, on the devices of this process."""

    def __init__(
        self, model: Encoder, seen: Seen, subsets: Sequence[tuple[int, ...]] = ()
    ) -> None:
        """`subsets` of the views, by their places, are fused by themselves too."""
        self._seen = seen
        self._forward = forward_of(model, seen.view, subsets)

    def __call__(self, params: dict, records: np.ndarray) -> EmbeddedSet:
        """Embeddings of the records, by parameters on the host."""
        params = parallel.put_state(params, jax.local_devices())
        parts = []
        for batch in self._seen.batches(records):
            real = batch.pop("weight")
            out, shown = self._forward(params, parallel.put_batch(batch))
            seen = {
                "fused": out.fused,
                "joint": out.joint,
                "views": out.views,
                "weights": shown["views"],
                "frame_weights": shown["frames"],
                "partial_fused": shown["partial_fused"],
                "partial": shown["partial"],
            }
            on_host = EmbeddedSet(**jax.tree.map(_over_devices, seen))
            parts.append(on_host.rows(real))
        return EmbeddedSet.joined(parts)


def _over_devices(x: Array) -> np.ndarray:
    return np.asarray(x).reshape(-1, *x.shape[2:])


def view_subsets(count: int) -> tuple[tuple[int, ...], ...]:
    """Of so many views, those that may be all that is left: every one of up to four
    views; of more, single ones and all but one."""
    sizes = range(1, count) if count <= 4 else (1, count - 1)
    places = range(count)
    return tuple(s for size in sizes for s in itertools.combinations(places, size))


def forward_of(
    model: Encoder, view: Callable, subsets: Sequence[tuple[int, ...]] = ()
) -> Callable:
    """`(params, batch) -> (Embeddings, shown)` on the devices of this process, of
    batches as stored; `view` standardises their pixels. Shown: see `shares_of`; and
    "partial_fused" and "partial" of the subsets of the views, None without any."""

    def forward(params: Any, batch: Any) -> Any:
        def applied(*given: Any, **how: Any) -> Any:
            return model.apply({"params": params}, *given, **how, mutable=[SHOWN])

        clips, ids = view(batch["views"])
        features, of_time = applied(clips, timing_of(batch), method="encode")
        out, of_views = applied(features, ids, train=False, method="fuse")
        shares = shares_of({SHOWN: {**of_time.get(SHOWN, {}), **of_views[SHOWN]}})
        partial: dict[str, Any] = {"partial_fused": None, "partial": None}
        if subsets:
            some: Any = [
                model.apply(
                    {"params": params},
                    *(x[:, np.array(s)] for x in (features, ids)),
                    train=False,
                    method="fuse",
                )
                for s in subsets
            ]
            partial["partial_fused"] = jnp.stack([e.fused for e in some], axis=1)
            partial["partial"] = jnp.stack([e.joint for e in some], axis=1)
        return out, shares | partial

    return parallel.pmap_eval(forward)
