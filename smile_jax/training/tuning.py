"""Which parameters a run trains, and how fast: frozen, last blocks, LoRA, full."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from smile_jax.pytree import flatten, unflatten

REGIMES = ("frozen", "last", "lora", "full")


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """See `experiments/base.py`. Fusion, pooling, projector and heads always train."""

    vision: str = "full"  # one of REGIMES
    text: str = "frozen"
    last_blocks: int = 4
    layer_decay: float = 1.0


def trainable(
    params: Mapping[str, Any], config: TuneConfig, depths: Mapping[str, int]
) -> dict[str, Any]:
    """The part of the parameters that a run trains.

    Args:
      params: nested, of the whole model.
      config: the regime of each tower.
      depths: number of blocks of "vision" and "text".
    """
    flat = flatten(params)
    return unflatten({k: x for k, x in flat.items() if _trains(k, config, depths)})


def learning_rates(
    params: Mapping[str, Any], config: TuneConfig, depths: Mapping[str, int]
) -> dict[str, Any]:
    """Factors on the learning rate: layer_decay ** (layers above), 1 at the top of a
    tower and outside (Bao et al., BEiT, 2021)."""
    factors = {}
    for name in flatten(params):
        tower = name.split("/")[0]
        above = 0
        if tower in depths:
            above = depths[tower] + 1 - _layer(name, depths[tower])
        factors[name] = config.layer_decay**above
    return unflatten(factors)


def _trains(name: str, config: TuneConfig, depths: Mapping[str, int]) -> bool:
    tower, leaf = name.split("/")[0], name.rsplit("/", 1)[-1]
    if tower == "logit_bias":  # a softmax does not see it
        return False
    if tower not in depths:
        return True
    regime = config.vision if tower == "vision" else config.text
    if regime == "last":
        return _layer(name, depths[tower]) > depths[tower] - config.last_blocks
    if regime == "lora":
        return leaf in ("lora_a", "lora_b")
    return regime == "full"


def _layer(name: str, depth: int) -> int:
    """0 for what comes before a tower's blocks, 1 to depth for them, then depth + 1."""
    parts = name.split("/")
    if "transformer" in parts:
        return 1 + int(parts[2].removeprefix("block_"))
    before = ("stem", "class_token", "position", "norm_pre", "tokens")
    return 0 if parts[1] in (*before, "token_types", "norm_tokens") else depth + 1
