"""Nearest neighbours by cosine, a block at a time, on the device."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from smile_jax.inference.prompting import unit_rows

# Rows that are compared at once: the similarities of a block are 32 MiB.
_QUERIES, _KEYS = 1024, 8192


def nearest(
    queries: Float[np.ndarray, "m f"],
    keys: Float[np.ndarray, "n f"],
    k: int,
    *,
    own: Int[np.ndarray, "m"] | None = None,
) -> tuple[Float32[np.ndarray, "m k"], Int[np.ndarray, "m k"]]:
    """Finds the k keys that are nearest to each query, without an m x n matrix.

    Args:
      queries: rows of any norm.
      keys: rows of any norm.
      k: at most n neighbours, or n - 1 with `own`.
      own: the key that each query is itself, which does not count.

    Returns:
      Cosines and numbers of the keys, nearest first; of equals the first.
    """
    stacked, count = _stacked(unit_rows(keys).astype(np.float32, copy=False))
    on_device = jnp.asarray(stacked)
    own = np.full(len(queries), -1) if own is None else own
    size = min(_QUERIES, _rounded(len(queries)))
    cosines: list[np.ndarray] = []
    places: list[np.ndarray] = []
    for first in range(0, len(queries), size):
        block = unit_rows(queries[first : first + size]).astype(np.float32, copy=False)
        missing = size - len(block)
        found = _nearest_of_block(
            np.pad(block, ((0, missing), (0, 0))),
            on_device,
            np.pad(own[first : first + size], (0, missing)).astype(np.int32),
            count,
            k,
        )
        for values, parts in zip(found, (cosines, places), strict=True):
            parts.append(np.asarray(values)[: len(block)])
    return np.concatenate(cosines), np.concatenate(places)


def _stacked(keys: np.ndarray) -> tuple[np.ndarray, int]:
    """Keys in blocks (b, size, f) filled up with zeros, and how many there are."""
    size = min(_KEYS, _rounded(len(keys)))
    blocks = -(-len(keys) // size)
    missing = blocks * size - len(keys)
    filled = np.pad(keys, ((0, missing), (0, 0))) if missing else keys
    return filled.reshape(blocks, size, -1), len(keys)


def _rounded(count: int) -> int:
    """The next power of two: few shapes, so that little is compiled."""
    return 1 << max(count - 1, 0).bit_length()


@functools.partial(jax.jit, static_argnames="k")
def _nearest_of_block(
    queries: Float[Array, "q f"],
    keys: Float[Array, "b s f"],
    own: Int[Array, "q"],
    count: int,
    k: int,
) -> tuple[Float[Array, "q k"], Int[Array, "q k"]]:
    """The best of each block of keys together with the best of those before it."""

    def step(best: tuple[Array, Array], block: tuple[Array, Array]) -> tuple:
        rows, first = block
        # TensorFloat-32 would order neighbours by chance.
        alike = jnp.matmul(queries, rows.T, precision="highest")
        numbers = first + jnp.arange(len(rows), dtype=jnp.int32)[None]
        hidden = (numbers >= count) | (numbers == own[:, None])
        alike = jnp.where(hidden, -jnp.inf, alike)
        values = jnp.concatenate([best[0], alike], axis=1)
        every = jnp.broadcast_to(numbers, alike.shape)
        places = jnp.concatenate([best[1], every], axis=1)
        top, at = jax.lax.top_k(values, k)
        return (top, jnp.take_along_axis(places, at, axis=1)), None

    none = (
        jnp.full((len(queries), k), -jnp.inf, queries.dtype),
        jnp.full((len(queries), k), -1, jnp.int32),
    )
    firsts = jnp.arange(len(keys), dtype=jnp.int32) * keys.shape[1]
    return jax.lax.scan(step, none, (keys, firsts))[0]
