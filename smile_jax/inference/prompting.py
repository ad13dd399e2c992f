"""Prompts as a classifier: which one an embedding is nearest to, in whose words."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from smile_jax.data.prompts import Prompts
from smile_jax.models import Encoder
from smile_jax.models.encoder import prototypes
from smile_jax.training.bank import embed_prompts
from smile_jax.training.model_spec import Tokenizer


class ZeroShot:
    """A model's text tower and a set of prompts.

    Attributes:
      bank: (G, K, E) prototypes of the fused view (0) and, where prompts tell views
        apart, of each camera.
    """

    def __init__(
        self,
        model: Encoder,
        params: Any,
        tokenizer: Tokenizer,
        prompts: Prompts,
        *,
        keep: bool = True,
    ) -> None:
        """Embeds the prompts; `keep` as of `embed_prompts`."""
        self._prompts = prompts
        tokens = tokenizer(prompts.texts)
        self._embedded = embed_prompts(model, params, tokens, keep=keep)
        shape = prompts.groups, len(prompts.classes)
        self.bank = np.asarray(
            prototypes(jnp.asarray(self._embedded), prompts.owners, shape)
        )

    def predict(self, joint: np.ndarray) -> np.ndarray:
        """(n,) class of each fused embedding (n, E)."""
        return (joint @ self.bank[0].T).argmax(-1)

    def predict_view(self, views: np.ndarray, camera: int) -> np.ndarray:
        """(n,) class of each embedding (n, E) of one camera's view."""
        group = 1 + camera if len(self.bank) > 1 else 0
        return (views @ self.bank[group].T).argmax(-1)

    def parts(self) -> dict[str, np.ndarray]:
        """Banks (K, E) of the fused view's prompts of each template and each style, as
        "template: ..." and "style: ...", where there are several."""
        p, classes = self._prompts, len(self._prompts.classes)
        fused = p.owners < classes
        banks = {}
        for what, names in (("template", p.templates), ("style", p.styles)):
            kinds = list(
                dict.fromkeys(n for n, f in zip(names, fused, strict=True) if f)
            )
            for kind in kinds if len(kinds) > 1 else []:
                chosen = fused & (np.array(names) == kind)
                owners = p.owners[chosen]
                if len(set(owners.tolist())) == classes:
                    bank = prototypes(
                        jnp.asarray(self._embedded[chosen]), owners, (1, classes)
                    )
                    banks[f"{what}: {kind}"] = np.asarray(bank)[0]
        return banks
