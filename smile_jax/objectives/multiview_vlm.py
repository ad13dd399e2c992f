"""Our reading of MultiviewVLM (Behzad, arXiv 2505.09336).

Published are the parts: pseudo-labels from prompts, one joint space, pairs of positives
and negatives with a sigmoid of their cosine. Every number and the form of each part is
this project's choice.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from typing_extensions import override

from smile_jax.core import parallel
from smile_jax.core.batch_statistics import at_least_float32, example_weights
from smile_jax.losses.prompt_alignment import image_to_text, text_to_image
from smile_jax.models.heads import Head, numbers
from smile_jax.objectives.base import Inputs, Objective, Term
from smile_jax.objectives.siglip import needs_one_text
from smile_jax.objectives.simclr import flat, who_is_who
from smile_jax.objectives.text_sources import TextSource


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultiviewVlm(Objective):
    """(i2t(u) + t2i(u)) / 2 + mu pairs, over all views' embeddings of the batch.

    Two views are positives if they are of one clip, or of clips that are both surely
    taken for the same; negatives if surely for different things; else they do not
    count. -log sigmoid(m (s x_i . x_j + b)) with m = 1 or -1 is averaged over positives
    and over negatives, and the two are added. While targets are not yet worth anything
    (`pseudo.warmup`) positives are views of one clip, negatives of different ones.
    """

    version = 1
    section: ClassVar[str] = "multiview"
    uses_text: ClassVar[bool] = True

    pair_weight: float
    pair_scale: float
    sure: float

    @override
    def heads(self) -> dict[str, Head]:
        return {"pairs": numbers(self.pair_scale, 0.0)}

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        assert x.bank is not None and x.targets is not None
        u = at_least_float32(x.embeddings.joint)
        every = example_weights(u, x.targets.weights)
        logits = jnp.exp(x.logit_scale.astype(u.dtype)) * u @ x.bank.T
        shares = jax.lax.stop_gradient(x.targets.shares.astype(u.dtype))
        i2t = image_to_text(logits, shares, every, axis_name)
        t2i = text_to_image(logits, shares, every, axis_name)
        metrics = {"i2t": i2t, "t2i": t2i}
        return {
            "alignment": Term(
                x.targets.worth, (i2t + t2i) / 2, jax.lax.stop_gradient(metrics)
            ),
            "pairs": Term(self.pair_weight, *self._pairs(x, shares, axis_name)),
        }

    def _pairs(
        self, x: Inputs, shares: Float[Array, "B K"], axis_name: str | None
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        assert x.targets is not None
        z = at_least_float32(x.embeddings.views)
        views = z.shape[1]
        own, clips, itself = who_is_who(z, axis_name)
        same_clip = own[:, None] == clips[None]

        def of_rows(values: Array) -> tuple[Array, Array]:
            """Of this device's rows and of everybody's."""
            everyone = parallel.all_gather(values, axis_name)
            return jnp.repeat(values, views), jnp.repeat(everyone, views)

        # Of the batch's targets the likeliest prompt counts, as of a guess with a
        # label.
        taken = of_rows(shares.argmax(axis=1))
        known = example_weights(z, x.targets.weights) > 0
        sure = of_rows((shares.max(axis=1) > self.sure) & known)
        both = sure[0][:, None] & sure[1][None]
        same = taken[0][:, None] == taken[1][None]
        guessed = jnp.asarray(x.targets.worth) > 0
        positive = (same_clip | (guessed & both & same)) & ~itself
        # While nothing is guessed yet, other clips are negatives whatever they show.
        negative = ~same_clip & jnp.where(guessed, both & ~same, True)
        scale, bias = x.embeddings.heads["pairs"]
        everyone = flat(parallel.all_gather(z, axis_name))
        logits = scale * flat(z) @ everyone.T + bias

        # Sums and counts are summed over devices before the division: a mean of the
        # devices' means would weigh pairs by where they happen to lie.
        def mean(values: Array, pairs: Array) -> Float[Array, ""]:
            found = jnp.where(pairs, values, 0).sum()
            count = pairs.sum(dtype=values.dtype)
            found, count = (parallel.psum(v, axis_name) for v in (found, count))
            return found / jnp.maximum(count, 1)

        # Means of their own: negatives outnumber positives by the size of the batch.
        parts = {
            "positive": mean(-jax.nn.log_sigmoid(logits), positive),
            "negative": mean(-jax.nn.log_sigmoid(-logits), negative),
        }
        return sum(parts.values()), jax.lax.stop_gradient(parts)  # type: ignore[return-value]

    @override
    @property
    def min_views(self) -> int:
        return 2

    @override
    def problems(self, source: TextSource) -> list[str]:
        return [*super().problems(source), *needs_one_text(source)]
