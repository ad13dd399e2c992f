"""Pretrained weights for other resolutions and for more channels than RGB."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def resize_positions(
    position: Float[np.ndarray, "L F"], grid: tuple[int, int], *, class_token: bool
) -> Float[np.ndarray, "M F"]:
    """Position embeddings for another grid of patches, by bicubic interpolation.

    The kernel is the one that transformers' `interpolate_pos_encoding` uses (Keys,
    1981, a = -0.75, edges repeated, no antialiasing).

    Args:
      position: (L, F) of a square grid, after a row for the class token if there is
        one.
      grid: rows and columns of patches wanted.
      class_token: whether the first row is one.
    """
    first, rest = (position[:1], position[1:]) if class_token else (None, position)
    side = round(len(rest) ** 0.5)
    if (side, side) == grid:
        return position
    down, across = (_bicubic(side, size) for size in grid)
    square = rest.reshape(side, side, -1)
    resized = np.einsum("yi,xj,ijf->yxf", down, across, square, optimize=True)
    resized = resized.reshape(-1, position.shape[1]).astype(position.dtype)
    return resized if first is None else np.concatenate([first, resized])


def inflate_patches(
    kernel: Float[np.ndarray, "P F"], groups: Sequence[int]
) -> Float[np.ndarray, "Q F"]:
    """An RGB patch embedding for several channel groups.

    A group of three channels gets the RGB weights, a group of one their sum over RGB,
    each divided by the number of groups: the same picture in every group gives what RGB
    gave (this project's choice).

    Args:
      kernel: (P P 3, F), rows in the order y, x, channel.
      groups: channels of each group, 3 or 1.
    """
    rgb = kernel.reshape(-1, 3, kernel.shape[1])
    parts = [rgb if n == 3 else rgb.sum(axis=1, keepdims=True) for n in groups]
    inflated = np.concatenate(parts, axis=1) / len(groups)
    return inflated.reshape(-1, kernel.shape[1]).astype(kernel.dtype)


def inflate_statistics(
    values: Sequence[float], groups: Sequence[int]
) -> tuple[float, ...]:
    """Per-channel mean or deviation of RGB, for channel groups as above."""
    mean = sum(values) / len(values)
    return tuple(x for n in groups for x in (values if n == 3 else (mean,)))


def _bicubic(source: int, target: int) -> Float[np.ndarray, "t s"]:
    """The interpolation as a matrix (target, source)."""
    a = -0.75
    centres = (np.arange(target) + 0.5) * source / target - 0.5
    base = np.floor(centres).astype(int)
    matrix = np.zeros((target, source))
    for tap in range(-1, 3):
        x = np.abs(centres - (base + tap))
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        weight = np.where(x <= 1, near, far)
        column = np.clip(base + tap, 0, source - 1)
        np.add.at(matrix, (np.arange(target), column), weight)
    return matrix
