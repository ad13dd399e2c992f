"""Masked autoencoder (He et al., CVPR 2022), of every view by itself.

The tower sees the patches that `augment.patch_dropout` leaves; a decoder, which only
training has, guesses the pixels of the others, each patch standardised by itself.
"""

import dataclasses
from typing import ClassVar

from typing_extensions import override

from smile_jax.core.batch_statistics import example_weights, global_mean
from smile_jax.models.heads import Head
from smile_jax.models.masked_decoder import MaskedDecoder
from smile_jax.objectives.base import Inputs, Objective, Term
from smile_jax.objectives.text_sources import TextSource


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mae(Objective):
    """Mean squared error of hidden patches, over all views.

    Attributes:
      decoder_width, decoder_depth, decoder_heads: of the transformer that guesses.
    """

    version = 1
    section: ClassVar[str] = "mae"
    hides_patches: ClassVar[bool] = True

    decoder_width: int
    decoder_depth: int
    decoder_heads: int

    @override
    def heads(self) -> dict[str, Head]:
        sizes = self.decoder_width, self.decoder_depth, self.decoder_heads
        return {"decoder": Head(lambda _: MaskedDecoder(*sizes), reads="")}

    @override
    def problems(self, source: TextSource) -> list[str]:
        found = super().problems(source)
        if self.decoder_width % self.decoder_heads:
            found.append(
                f"objective.mae.decoder_heads={self.decoder_heads}: does not divide "
                f"objective.mae.decoder_width={self.decoder_width}"
            )
        return found

    @override
    def terms(self, x: Inputs, axis_name: str | None) -> dict[str, Term]:
        each = x.embeddings.heads["decoder"]
        every = example_weights(each, None)
        # Views by themselves first: each is an image of its own to the autoencoder.
        loss = global_mean(each.mean(axis=1), every, axis_name)
        return {"reconstruction": Term(1.0, loss, {})}
