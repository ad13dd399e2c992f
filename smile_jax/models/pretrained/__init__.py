"""Published weights: found, read, named, adapted. No PyTorch."""

from smile_jax.models.pretrained.adapt import inflate_statistics
from smile_jax.models.pretrained.hub import PretrainedError
from smile_jax.models.pretrained.load import load_pretrained, params_of
from smile_jax.models.pretrained.tokenizer import PretrainedTokenizer

__all__ = [
    "PretrainedError",
    "PretrainedTokenizer",
    "inflate_statistics",
    "load_pretrained",
    "params_of",
]
