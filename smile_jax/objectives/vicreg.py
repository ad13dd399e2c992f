"""VICReg over views (Bardes et al., "VICReg", ICLR 2022)."""

import dataclasses
import itertools
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from typing_extensions import override

from smile_jax.core.batch_statistics import (
    cross_correlation,
    example_weights,
    global_count,
    global_mean,
)
from smile_jax.models.heads import Head, projector
from smile_jax.objectives.base import Inputs, Objective, Term


@dataclasses.dataclass(frozen=True, kw_only=True)
class VicReg(Objective):
    """Invariance over pairs of views; variance and covariance of each view.

    Weights, the hinge at a deviation of 1 and unbiased variances are the paper's. Its
    code adds the covariances of both branches and averages their hinges; so do we, with
    the means over all pairs of views and over views in their place.
    """

    version = 1
    section: ClassVar[str] = "vicreg"
    invariance: float
    variance: float
    covariance: float

    @override
    @property
    def min_views(self) -> int:
        return 2

    @override
    def heads(self) -> dict[str, Head]:
        return {"projector": projector(self.projector_dim)}

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        z = x.embeddings.heads["projector"]
        views = z.shape[1]
        every = example_weights(z, None)
        pairs = itertools.combinations(range(views), 2)
        # Over all pairs of views, where the paper has two branches.
        gaps = jnp.stack([((z[:, a] - z[:, b]) ** 2).mean(axis=-1) for a, b in pairs])
        invariance = global_mean(gaps.mean(axis=0), every, axis_name)
        parts = [_spread(z[:, v], axis_name) for v in range(views)]
        hinge, covariance = (
            jnp.stack(part).mean() for part in zip(*parts, strict=True)
        )
        return {
            "invariance": Term(self.invariance, invariance, {}),
            "variance": Term(self.variance, hinge, {}),
            "covariance": Term(self.covariance, 2 * covariance, {}),
        }


def _spread(
    z: Float[Array, "B D"], axis_name: str | None
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean hinge of deviations, and squared off-diagonal covariances over D."""
    every = example_weights(z, None)
    # Unbiased, as in the paper: one degree of freedom went into the mean.
    free = global_count(every, axis_name) - 1
    centred = z - global_mean(z, every, axis_name)[None]
    c = cross_correlation(centred, centred, free, axis_name)
    variances = jnp.diagonal(c)
    # Epsilon inside the root: a collapsed dimension must still be pushed apart.
    hinge = jax.nn.relu(1 - jnp.sqrt(variances + 1e-4)).mean()
    # The whole sum less the diagonal: no mask of D x D is needed.
    return hinge, ((c**2).sum() - (variances**2).sum()) / len(c)
