"""Our reading of ConCluGen (Halawa, Blume, Bideau et al., CVPRW 2024).

"Multi-Task Multi-Modal Self-Supervised Learning for Facial Expression Recognition".

Contrast, clustering and reconstruction over a ring of modalities, read from the paper
and its released code. Its modalities are frozen features of video, sound and text; ours
are the views of a face, with or without its caption, and what is reconstructed is
fixed: small pictures of geometry, and the frozen text tower's embedding. Its number of
clusters, queue and weights are not published; ours are the config's.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from typing_extensions import override

from smile_jax.core import parallel
from smile_jax.core.batch_statistics import (
    at_least_float32,
    example_weights,
    global_mean,
    normalize,
)
from smile_jax.models.heads import Head, Projector, matrix, projector
from smile_jax.objectives.base import THUMBNAIL, Inputs, Objective, Term
from smile_jax.objectives.text_sources import TextSource

_ROUNDS = 10  # of Lloyd's algorithm a step, from the centroids of the step before


class Clusters(NamedTuple):
    """The result of k-means."""

    centroids: Float[Array, "K K"]
    owners: Int[Array, "N"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConCluGen(Objective):
    """(w1 contrast + w2 clustering + w3 reconstruction) / 3 over V views m.

    Contrast: CE(z_m z_n^T / tau - delta I) and its transpose, summed over the ring of
    views, z unit projections. Clustering: sum_m CE(o_m mu^T, y), o_m = W z_m, with
    clusters y and centroids mu of k-means (by cosine) on mean_m o and on those of the
    batches before; from the step on at which these fill the queue and `clustering_from`
    has passed. Reconstruction: sum_m |decoder(h_m) - target_m|^2 / dim.
    """

    version = 1
    section: ClassVar[str] = "conclugen"
    sees_thumbnails: ClassVar[bool] = True

    temperature: float
    margin: float
    clusters: int
    queue_batches: int
    clustering_from: int
    contrasting: float
    clustering: float
    reconstruction: float

    @override
    @property
    def min_views(self) -> int:
        return 2

    @override
    def heads(self) -> dict[str, Head]:
        pixels = THUMBNAIL**2 * self.thumbnail_channels
        return {
            "clustered": Head(
                lambda axis: _ClusterHead(self.projector_dim, self.clusters, axis),
                "features",
            ),
            "decoder": Head(lambda _: _Decoder(pixels), "features"),
        }

    @override
    def start(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        size = self.queue_batches * self.batch_size
        first = rng.normal(size=(self.clusters, self.clusters))
        return {
            "queue": np.zeros((size, self.clusters), np.float32),
            "steps": np.zeros((), np.int32),
            "centroids": first.astype(np.float32),
        }

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        z, o = self._projected(x)
        every = example_weights(z, None)
        # Divided by 3 below, so that weights of 1 are the paper's mean of its terms.
        parts = {
            "contrast": (self.contrasting, self._contrast(z, axis_name)),
            "clustering": (self.clustering, self._clustering(x, o, axis_name)),
            "reconstruction": (self.reconstruction, self._misfit(x)),
        }
        return {
            name: Term(weight / 3, global_mean(each, every, axis_name), {})
            for name, (weight, each) in parts.items()
        }

    @override
    def carry(self, x: Inputs, axis_name: str | None) -> Any:
        _, o = self._projected(x)
        found = self._found(x, o, axis_name)
        active = self._active(x)
        queue, now = x.extra["queue"], self._means(o, axis_name)
        return {
            "queue": jnp.concatenate([queue, now])[-len(queue) :],
            "steps": x.extra["steps"] + 1,
            # Until the queue is full its rows are zeros, which would draw centroids to
            # nothing.
            "centroids": jnp.where(active, found.centroids, x.extra["centroids"]),
        }

    def _projected(self, x: Inputs) -> tuple[Array, Array]:
        """(z [B, V, D], o [B, V, K])."""
        both = x.embeddings.heads["clustered"]
        return both[..., : -self.clusters], both[..., -self.clusters :]

    def _contrast(
        self, z: Float[Array, "B V D"], axis_name: str | None
    ) -> Float[Array, "B"]:
        views = z.shape[1]
        everyone = parallel.all_gather(z, axis_name)
        own = parallel.own_rows(jnp.arange(len(everyone)), axis_name)
        itself = own[:, None] == jnp.arange(len(everyone))[None]

        def each(m: int, n: int) -> Float[Array, "B"]:
            # The margin is off the positive alone, which makes it harder to be told
            # apart.
            logits = z[:, m] @ everyone[:, n].T / self.temperature
            log_p = jax.nn.log_softmax(logits - self.margin * itself)
            return -jnp.where(itself, log_p, 0).sum(axis=1)

        # Two views are one pair, not a ring of two.
        ring = [(m, (m + 1) % views) for m in range(views if views > 2 else 1)]
        return jnp.stack([each(m, n) + each(n, m) for m, n in ring]).sum(axis=0)

    def _clustering(
        self, x: Inputs, o: Float[Array, "B V K"], axis_name: str | None
    ) -> Float[Array, "B"]:
        found = self._found(x, jax.lax.stop_gradient(o), axis_name)
        batch = found.owners[len(x.extra["queue"]) :]
        owner = parallel.own_rows(batch, axis_name)
        # Centroids are constants: gradients move points to clusters, not clusters to
        # points.
        log_p = jax.nn.log_softmax(o @ found.centroids.T)
        chosen = jnp.take_along_axis(log_p, owner[:, None, None], axis=2)[..., 0]
        return jnp.where(self._active(x), -chosen.sum(axis=1), 0)

    def _found(self, x: Inputs, o: Array, axis_name: str | None) -> Clusters:
        points = jnp.concatenate([x.extra["queue"], self._means(o, axis_name)])
        return k_means(points, x.extra["centroids"])

    def _means(self, o: Array, axis_name: str | None) -> Float[Array, "all K"]:
        # Of everybody's, in one order: each device finds the same clusters.
        means = parallel.all_gather(o.mean(axis=1), axis_name)
        return jax.lax.stop_gradient(means).astype(jnp.float32)

    def _active(self, x: Inputs) -> Array:
        return x.extra["steps"] >= max(self.queue_batches, self.clustering_from)

    def _misfit(self, x: Inputs) -> Float[Array, "B"]:
        told = x.embeddings.heads["decoder"]
        assert x.thumbnails is not None
        gap = told - x.thumbnails.reshape(told.shape)
        return (gap * gap).mean(axis=2).sum(axis=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionedConCluGen(ConCluGen):
    """ConCluGen with the clip's caption t as one more modality.

    z = norm(P t) closes the ring, o = W z is in the mean that is clustered, and t is
    reconstructed from z. P, W and that decoder are linear. Views meet captions in the
    ring's space and not in the joint one, so prompts are not compared with a trained
    run's faces.
    """

    version = 1

    @override
    def heads(self) -> dict[str, Head]:
        return {
            "projector": projector(self.projector_dim),
            "clusters": matrix(self.projector_dim, self.clusters),
            "decoder": super().heads()["decoder"],
            "caption": matrix(self.embed_dim, self.projector_dim),
            "caption_decoder": matrix(self.projector_dim, self.embed_dim),
        }

    @override
    def problems(self, source: TextSource) -> list[str]:
        if source.own_texts:
            return []
        return [
            f"text_source={source.name!r}: 'conclugen_captions' tells each clip's text "
            "from all others'; use text_source='captions', or objective.name="
            "'conclugen' without text"
        ]

    def _projected(self, x: Inputs) -> tuple[Array, Array]:
        """(z [B, V + 1, D], o [B, V + 1, K]), the caption's last."""
        heads = x.embeddings.heads
        z = normalize(heads["projector"])
        caption = normalize(self._caption(x) @ heads["caption"])
        z = jnp.concatenate([z, caption[:, None]], axis=1)
        return z, z @ heads["clusters"]

    def _misfit(self, x: Inputs) -> Float[Array, "B"]:
        z, _ = self._projected(x)
        told = z[:, -1] @ x.embeddings.heads["caption_decoder"]
        # The target stands still, or a trained text tower would learn to be easy to
        # guess.
        gap = told - jax.lax.stop_gradient(self._caption(x))
        return super()._misfit(x) + (gap * gap).mean(axis=1)

    def _caption(self, x: Inputs) -> Float[Array, "B E"]:
        assert x.bank is not None and x.targets is not None
        bank = at_least_float32(x.bank)
        return x.targets.shares.astype(bank.dtype) @ bank


class _ClusterHead(nn.Module):
    """z, the unit projection, and o = W z beside it."""

    width: int
    clusters: int
    axis_name: str | None

    @nn.compact
    def __call__(self, features: Float[Array, "B V F"]) -> Float[Array, "B V both"]:
        z = normalize(Projector(self.width, self.axis_name, name="projector")(features))
        o = nn.Dense(self.clusters, use_bias=False, name="clusters")(z)
        return jnp.concatenate([z, o], axis=-1)


class _Decoder(nn.Module):
    """A feature to small pictures, by one hidden layer as wide as the feature."""

    pixels: int

    @nn.compact
    def __call__(self, features: Float[Array, "B V F"]) -> Float[Array, "B V P"]:
        x = nn.gelu(nn.Dense(features.shape[-1], name="hidden")(features))
        return nn.Dense(self.pixels, name="pixels")(x)


def k_means(
    points: Float[Array, "N K"], centroids: Float[Array, "C K"], rounds: int = _ROUNDS
) -> Clusters:
    """Runs Lloyd's algorithm from given centroids.

    Each point belongs to the centroid of the largest cosine, and each centroid becomes
    the mean of its points. A centroid without points becomes the point that is least
    like its own centroid, the next one the next.
    """

    def owners_of(centroids: Array) -> tuple[Array, Array]:
        cosines = normalize(points) @ normalize(centroids).T
        return cosines.argmax(axis=1), cosines.max(axis=1)

    def moved(_: Any, centroids: Array) -> Array:
        owners, alike = owners_of(centroids)
        member = jax.nn.one_hot(owners, len(centroids), dtype=points.dtype)
        count = member.sum(axis=0)
        means = member.T @ points / jnp.maximum(count, 1)[:, None]
        empty = count == 0
        worst = points[jnp.argsort(alike)[: len(centroids)]]
        spare = worst[jnp.clip(jnp.cumsum(empty) - 1, 0, len(worst) - 1)]
        return jnp.where(empty[:, None], spare, means)

    found = jax.lax.fori_loop(0, rounds, moved, centroids)
    return Clusters(found, owners_of(found)[0])
