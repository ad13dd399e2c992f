"""Which parameters a run trains, and how fast: frozen, last blocks, LoRA, full."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from smile_jax.core.pytree import flatten, unflatten
from smile_jax.models.tower import TowerConfig


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """See `smile_jax/config/default.py`. Fusion, pooling and heads always train."""

    vision: str  # "frozen", "last", "lora" or "full"
    text: str
    last_blocks: int
    layer_decay: float


def trainable(
    params: Mapping[str, Any], config: TuneConfig, towers: Mapping[str, TowerConfig]
) -> dict[str, Any]:
    """The part of the parameters that a run trains.

    Args:
      params: nested, of the whole model.
      config: the regime of each tower.
      towers: settings of "vision" and "text".
    """
    flat = flatten(params)
    return unflatten({k: x for k, x in flat.items() if _trains(k, config, towers)})


def learning_rates(
    params: Mapping[str, Any], config: TuneConfig, towers: Mapping[str, TowerConfig]
) -> dict[str, Any]:
    """Returns factors on the learning rate: layer_decay ** (layers above).

    They are 1 at the top of a tower and outside of towers (Bao et al., BEiT, 2021).
    """
    factors = {}
    for name in flatten(params):
        tower, *path = name.split("/")
        above = 0
        if tower in towers:
            above = towers[tower].depth + 1 - towers[tower].layer_of(path)
        factors[name] = config.layer_decay**above
    return unflatten(factors)


def _trains(name: str, config: TuneConfig, towers: Mapping[str, TowerConfig]) -> bool:
    tower, *path = name.split("/")
    if tower == "logit_bias":  # a softmax does not see it
        return False
    # Whatever is no tower is new here: fusion, pooling, heads have nothing to keep.
    if tower not in towers:
        return True
    regime = config.vision if tower == "vision" else config.text
    if regime == "last":
        return towers[tower].layer_of(path) > towers[tower].depth - config.last_blocks
    if regime == "lora":
        return path[-1] in ("lora_a", "lora_b")
    return regime == "full"
