"""Our reading of Shu, Gu, Yang and Lo (BMVC 2022).

"Revisiting Self-Supervised Contrastive Learning for Facial Expression Recognition".

Read from the paper and its released code: positives near in time, hard negatives far
off in the same clip, masks for negatives that look alike. This project's choices: what
is alike is said by the actions that the geometry shows, not by crops of eyes and mouth;
all views of a moment are its positives; and the face swap is not done.
"""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float
from typing_extensions import override

from smile_jax.core import parallel
from smile_jax.core.batch_statistics import example_weights, global_mean, normalize
from smile_jax.faces.captions import compress_actions
from smile_jax.losses.contrastive import contrast
from smile_jax.objectives.base import Inputs, Term
from smile_jax.objectives.simclr import SimClr, who_is_who


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shu(SimClr):
    """InfoNCE over moments of clips, in which negatives that act alike are treated.

    A clip gives one moment, or four: an anchor, its positive near in time, and two
    others near each other and far from these (`data.moments`). Positives of
    a view are all views of its moment and of the one beside it; everything else is a
    negative, moments of the same clip too. Of one moment a clip, hard negatives are the
    person's other scans (`data.person_block`).

    Negatives of other clips that act alike are kept; "eliminate"d beyond a likeness; or
    the clip most alike is "attract"ed: its views are no negatives, and in a second term
    positives among the negatives, as the released code does with one picture. Who does
    nothing is like nobody.
    """

    version = 1
    section: ClassVar[str] = "shu"
    false_negatives: Literal["keep", "eliminate", "attract"]
    alike: float
    attraction: float

    @override
    def needed(self) -> tuple[str, ...]:
        return () if self.false_negatives == "keep" else ("actions",)

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        z = normalize(x.embeddings.heads["projector"])
        logits = self.logits(z, axis_name)
        own, clips, itself = who_is_who(z, axis_name)
        same_clip = own[:, None] == clips[None]
        positive = same_clip & ~itself & self._same_moment(z.shape[1], itself.shape)
        others = ~itself
        every = example_weights(logits, None)
        if self.false_negatives == "keep":
            loss = global_mean(contrast(logits, positive, others), every, axis_name)
            return {"contrast": Term(1.0, loss, {})}
        likeness = self._likeness(x, z.shape[1], axis_name)
        # Moments of the clip itself stay negatives however alike they are: they are the
        # hard ones.
        elsewhere = jnp.where(same_clip, -jnp.inf, likeness)
        if self.false_negatives == "eliminate":
            dropped = elsewhere > self.alike
            each = contrast(logits, positive, others & ~dropped)
            share = dropped.mean(axis=1, dtype=each.dtype)
            loss, gone = (global_mean(v, every, axis_name) for v in (each, share))
            metrics = {"eliminated": jax.lax.stop_gradient(gone)}
            return {"contrast": Term(1.0, loss, metrics)}
        # All views of the clip that is most alike; of none, where nobody is.
        most = elsewhere.max(axis=1, keepdims=True)
        nearest = (clips[None] == clips[elsewhere.argmax(axis=1)][:, None]) & (most > 0)
        parts = {
            "contrast": (1.0, contrast(logits, positive, others & ~nearest)),
            "attraction": (
                self.attraction,
                contrast(logits, nearest, others & ~positive),
            ),
        }
        return {
            name: Term(weight, global_mean(each, every, axis_name), {})
            for name, (weight, each) in parts.items()
        }

    def _same_moment(self, views: int, shape: tuple[int, ...]) -> Bool[Array, "R A"]:
        """Returns True for rows of one clip that are both of its first or last moments.

        The first two of four moments are one, the last two the other.
        """
        if self.moments == 1:
            return jnp.ones(shape, bool)
        half = [jnp.arange(n) % views >= views // 2 for n in shape]
        return half[0][:, None] == half[1][None]

    def _likeness(
        self, x: Inputs, views: int, axis_name: str | None
    ) -> Float[Array, "R A"]:
        """Cosines of what clips do, of every pair of rows."""
        acts = normalize(compress_actions(x.batch["actions"]))
        cosines = acts @ parallel.all_gather(acts, axis_name).T
        # Rows are views: all views of a clip act alike.
        rows = jnp.repeat(jnp.repeat(cosines, views, axis=0), views, axis=1)
        return jax.lax.stop_gradient(rows)
