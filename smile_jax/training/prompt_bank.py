"""The prompt bank: prompts through the text tower, kept by the hash of content."""

import dataclasses
import functools
import hashlib
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from smile_jax.core.cache import cache_folder
from smile_jax.core.pytree import flatten
from smile_jax.data.prompts import Prompts
from smile_jax.losses import normalize
from smile_jax.models import Encoder, TextConfig, TextTower
from smile_jax.models.encoder import prototypes

_AT_ONCE = 256  # prompts that the text tower embeds together


@dataclasses.dataclass(frozen=True)
class TextInputs:
    """Prompts as the text tower takes them."""

    tokens: np.ndarray  # (P, L)
    owners: np.ndarray  # (P,) group times K plus class
    shape: tuple[int, int]  # (G, K)


def text_inputs(prompts: Prompts, tokenizer: Any) -> TextInputs:
    """Encodes prompts; raises ValueError for one that does not fit the tower."""
    shape = prompts.groups, len(prompts.classes)
    return TextInputs(tokenizer(prompts.texts), prompts.owners, shape)


def encode_bank(model: Encoder, params: Mapping[str, Any], text: TextInputs) -> Any:
    """Prototypes [G, K, E] of all groups of prompts; traceable."""
    tokens = jnp.asarray(text.tokens)
    embedded: Any = model.apply({"params": params}, tokens, method="embed_text")
    return prototypes(embedded, text.owners, text.shape)


def bank_of_views(bank: jax.Array, view_ids: jax.Array) -> jax.Array | None:
    """Returns [B, V, K, E] prototypes of single views [B, V], from a bank [G, K, E].

    None where prompts do not tell views apart. Group 0 is the fused view's, 1 + v
    camera v's.
    """
    return bank[1 + view_ids] if len(bank) > 1 else None


def embed_prompts(
    model: Encoder, params: Mapping[str, Any], tokens: np.ndarray, *, keep: bool = True
) -> np.ndarray:
    """(P, E) unit-norm embeddings of prompts, on the host.

    With `keep` they are kept in $SMILE_JAX_CACHE (by default ~/.cache/smile_jax) under
    a hash of the tower's parameters and config and of the tokens: a frozen tower embeds
    the same prompts once.
    """
    embed = functools.partial(_in_parts, model, params["text"], tokens)
    if not keep:
        return embed()
    path = cache_folder("prompts") / f"{_content_hash(model, params, tokens)}.npy"
    try:
        return np.load(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError) as error:
        logging.warning("%s: damaged, made again (%s)", path, error)
    embedded = embed()
    try:
        _write(path, embedded)
    except OSError as error:
        logging.warning("%s: cannot be kept (%s)", path, error)
    return embedded


def _in_parts(model: Encoder, params: Any, tokens: np.ndarray) -> np.ndarray:
    """Embeds some prompts at a time: captions come in thousands."""
    embed = _embedder(model.config.text, model.config.embed_dim)
    if len(tokens) <= _AT_ONCE:
        return np.asarray(embed(params, jnp.asarray(tokens)))
    missing = -len(tokens) % _AT_ONCE
    filled = np.concatenate([tokens, np.repeat(tokens[:1], missing, axis=0)])
    parts = [
        np.asarray(embed(params, jnp.asarray(part)))
        for part in np.split(filled, len(filled) // _AT_ONCE)
    ]
    return np.concatenate(parts)[: len(tokens)]


@functools.cache
def _embedder(config: TextConfig, embed_dim: int) -> Callable:
    """Compiled once for a tower, however often its prompts are embedded."""
    tower = TextTower(config, embed_dim)

    @jax.jit
    def run(params: Any, tokens: Any) -> Any:
        features: Any = tower.apply({"params": params}, tokens)
        return normalize(features)

    return run


def _content_hash(model: Encoder, params: Mapping[str, Any], tokens: np.ndarray) -> str:
    digest = hashlib.sha256(repr(model.config.text).encode())
    digest.update(repr((model.config.embed_dim, tokens.shape)).encode())
    digest.update(np.ascontiguousarray(tokens).tobytes())
    for name, value in sorted(flatten(params["text"]).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _write(path: pathlib.Path, array: np.ndarray) -> None:
    """Other processes never see a half-written file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        np.save(file, array)
    os.replace(file.name, path)
