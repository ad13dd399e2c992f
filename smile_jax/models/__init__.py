"""Vision and text towers, temporal pooling, view fusion, projector, SMILE itself."""

from smile_jax.models.smile import Smile, SmileConfig
from smile_jax.models.text import TextConfig, TextTower
from smile_jax.models.tokenizer import HashTokenizer
from smile_jax.models.vit import VisionConfig, VisionTower

__all__ = [
    "HashTokenizer",
    "Smile",
    "SmileConfig",
    "TextConfig",
    "TextTower",
    "VisionConfig",
    "VisionTower",
]
