"""Shared by several benchmarks: experiments of the usual tower sizes."""

import json
from collections.abc import Sequence
from typing import Any

from smile_jax.config import Config, to_config
from smile_jax.config import get_config as default_config
from smile_jax.core.pytree import flatten

SIZES = {  # width, depth, heads, mlp_width, patch_size
    "vit_s16": (384, 12, 6, 1536, 16),
    "vit_b16": (768, 12, 12, 3072, 16),
    "vit_l14": (1024, 24, 16, 4096, 14),
}


def sized_experiment(
    size: str, *, batch: int, views: int = 3, changes: Sequence[str] = ()
) -> Config:
    """The base experiment with a vision tower of a usual size, without a dataset.

    Args:
      size: a key of `SIZES`.
      batch: clips a step.
      views: of a clip.
      changes: "KEY=VALUE" of the config, the value in JSON or, of texts, as it is.
    """
    c = default_config()
    v = c.model.vision
    v.width, v.depth, v.heads, v.mlp_width, v.patch_size = SIZES[size]
    c.data.dir, c.data.views = "(none)", views
    c.train.batch_size, c.train.steps = batch, 1000
    known = flatten(c.to_dict(), sep=".")
    values: dict[str, Any] = {}
    for key, text in (change.split("=", 1) for change in changes):
        values[key] = text if isinstance(known[key], str) else json.loads(text)
    c.update_from_flattened_dict(values)
    return to_config(c)
