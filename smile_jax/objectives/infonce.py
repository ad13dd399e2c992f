"""SimCLR over views: InfoNCE in which all views of a clip are positives."""

import dataclasses

import jax
import jax.numpy as jnp

from smile_jax import parallel
from smile_jax.models.heads import Head, projector
from smile_jax.objectives.base import Inputs, Objective, Term
from smile_jax.stats import example_weights, global_mean, normalize


@dataclasses.dataclass(frozen=True, kw_only=True)
class InfoNce(Objective):
    """NT-Xent (Chen et al., "SimCLR", ICML 2020, eq. 1) with V - 1 positives.

    -log softmax of each positive over all other views of the global batch, averaged
    over positives (as Khosla et al., "Supervised Contrastive Learning", 2020, eq. 2,
    average them); with two views it is SimCLR's.
    """

    temperature: float
    projector_dim: int

    @property
    def min_views(self) -> int:
        return 2

    def heads(self) -> dict[str, Head]:
        return {"projector": projector(self.projector_dim)}

    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        z = normalize(x.embeddings.heads["projector"])
        batch, views = z.shape[:2]
        everyone = parallel.all_gather(z, axis_name)
        clip = jnp.arange(len(everyone))
        own = parallel.own_rows(clip, axis_name)
        logits = jnp.einsum("bvd,cwd->bvcw", z, everyone) / self.temperature
        same_clip = (own[:, None] == clip[None])[:, None, :, None]
        same_view = jnp.eye(views, dtype=bool)[None, :, None, :]
        # A view is neither its own positive nor its own negative.
        logits = jnp.where(same_clip & same_view, -jnp.inf, logits)
        log_p = jax.nn.log_softmax(logits.reshape(batch, views, -1))
        log_p = log_p.reshape(logits.shape)
        positive = same_clip & ~same_view
        # `where` and not a product: log p of the view itself is -inf.
        each = -jnp.where(positive, log_p, 0).sum(axis=(1, 2, 3))
        each = each / (views * (views - 1))
        loss = global_mean(each, example_weights(z, None), axis_name)
        return {"infonce": Term(1.0, loss, {})}
