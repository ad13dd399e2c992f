"""SimCLR over views: InfoNCE in which all views of a clip are positives."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
from typing_extensions import override

from smile_jax.core import parallel
from smile_jax.core.batch_statistics import example_weights, global_mean, normalize
from smile_jax.losses.contrastive import contrast
from smile_jax.models.heads import Head, projector
from smile_jax.objectives.base import Inputs, Objective, Term


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimClr(Objective):
    """NT-Xent (Chen et al., "SimCLR", ICML 2020, eq. 1) with V - 1 positives.

    -log softmax of each positive over all other views of the global batch, averaged
    over positives; with two views it is SimCLR's.
    """

    version = 1
    section: ClassVar[str] = "infonce"
    temperature: float

    @override
    @property
    def min_views(self) -> int:
        return 2

    @override
    def heads(self) -> dict[str, Head]:
        return {"projector": projector(self.projector_dim)}

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        z = normalize(x.embeddings.heads["projector"])
        own, clips, itself = who_is_who(z, axis_name)
        positive = (own[:, None] == clips[None]) & ~itself
        # A view is compared with everybody but itself, whose cosine of 1 would win
        # always.
        each = contrast(self.logits(z, axis_name), positive, ~itself)
        loss = global_mean(each, example_weights(each[:, None], None), axis_name)
        return {"infonce": Term(1.0, loss, {})}

    def logits(
        self, z: Float[Array, "B V D"], axis_name: str | None
    ) -> Float[Array, "R A"]:
        """Returns cosines of this device's rows with all rows, over temperature."""
        # Negatives come from the global batch: with those of one device the loss would
        # depend on how many devices there are.
        everyone = flat(parallel.all_gather(z, axis_name))
        return flat(z) @ everyone.T / self.temperature


def flat(z: Float[Array, "B V D"]) -> Float[Array, "R D"]:
    """Returns views as rows."""
    return z.reshape(-1, z.shape[-1])


def who_is_who(
    z: Float[Array, "B V D"], axis_name: str | None
) -> tuple[Int[Array, "R"], Int[Array, "A"], Bool[Array, "R A"]]:
    """Returns the clips of this device's rows and of everybody's, and the row itself.

    The last is True where a column is the row itself.
    """
    batch, views = z.shape[:2]
    everybody = jnp.arange(batch * parallel.axis_size(axis_name) * views)
    own = parallel.own_rows(everybody, axis_name)
    # A view is neither its own positive nor its own negative.
    itself = own[:, None] == everybody[None]
    return own // views, everybody // views, itself
