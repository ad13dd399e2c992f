"""Vision and text towers, temporal pooling, view fusion, projector, SMILE itself."""

from smile_jax.models.encoder import Encoder, EncoderConfig
from smile_jax.models.hash_tokenizer import HashTokenizer
from smile_jax.models.pretrained import (
    PretrainedError,
    PretrainedTokenizer,
    load_pretrained,
)
from smile_jax.models.pretrained_towers import Towers, TowersConfig
from smile_jax.models.text_tower import TextConfig, TextTower
from smile_jax.models.vit import VisionConfig, VisionTower

__all__ = [
    "Encoder",
    "EncoderConfig",
    "HashTokenizer",
    "PretrainedError",
    "PretrainedTokenizer",
    "TextConfig",
    "TextTower",
    "Towers",
    "TowersConfig",
    "VisionConfig",
    "VisionTower",
    "load_pretrained",
]
