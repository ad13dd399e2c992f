"""The protocol of towers: nothing else knows the names of their layers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import flax.linen as nn


@dataclasses.dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """Settings of a tower. A run fills the fields that its config has keys for.

    Attributes:
      width: F, of its features.
      depth: layers, as `tune.last_blocks` and `tune.layer_decay` count them.
      dtype: of activations, "float32" or "bfloat16"; parameters are float32.
    """

    width: int
    depth: int
    dtype: str = "float32"

    def make(self) -> nn.Module:
        """Returns the module.

        A vision tower takes images [B, H, W, C], and the patches to see, [B, N] or
        None, to features [B, F].
        """
        raise NotImplementedError

    def layer_of(self, path: Sequence[str]) -> int:
        """Returns the number of the layer that a parameter belongs to.

        Args:
          path: its names, from below the tower's own.

        Returns:
          0 for what comes before the layers, 1 to `depth` for them, then depth + 1.
        """
        raise NotImplementedError

    def patches(self, height: int, width: int) -> int:
        """Returns the number of patches of an image of so many pixels.

        0: the image is seen as a whole, so `augment.patch_dropout` cannot be used.
        """
        return 0

    def problems(self) -> list[str]:
        """Settings that do not go together, each as "key=value: what to do"."""
        return []

    def replace(self, **settings: Any) -> Any:
        """A copy with those of the settings that this kind of tower has."""
        return dataclasses.replace(
            self, **{k: v for k, v in settings.items() if self.has(k)}
        )

    @classmethod
    def has(cls, setting: str) -> bool:
        """Returns True if this kind of tower has a setting."""
        return setting in {field.name for field in dataclasses.fields(cls)}
