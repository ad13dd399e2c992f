"""Coordinates far from 0, and points far from all others.

Surveyors' coordinates are millions of metres, of which float32 keeps half a metre; a
single stray triangle 50 m behind a head makes it a pixel of its own picture.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from smile_jax.mesh.types import Mesh

# This project's choices: spans of a scan from 0, beyond which float32 would round what
# is to be seen; and from its middle, beyond which nothing belongs to it.
_FAR_ORIGIN = 200.0
_FAR_POINT = 20.0
_LOOKED_AT = 4096  # points that tell where a scan lies


def near_origin(mesh: Mesh) -> Mesh:
    """A mesh as a reader parsed it, in float32: moved near to 0 where it was far."""
    middle, span = _extent(mesh.vertices)
    if not np.abs(middle).max() > _FAR_ORIGIN * span > 0:
        with np.errstate(over="ignore", invalid="ignore"):  # `clean` counts what is inf
            vertices = mesh.vertices.astype(np.float32, copy=False)
        return dataclasses.replace(mesh, vertices=vertices)
    with np.errstate(over="ignore", invalid="ignore"):
        vertices = (mesh.vertices - middle).astype(np.float32)
    x, y, z = (float(c) for c in middle)
    note = f"its coordinates lie around {x:.9g}, {y:.9g}, {z:.9g}: moved to 0"
    return dataclasses.replace(
        mesh, vertices=vertices, origin=(x, y, z), notes=(*mesh.notes, note)
    )


def moved_to(mesh: Mesh, origin: tuple[float, float, float]) -> Mesh:
    """A mesh whose coordinates are counted from elsewhere, as another frame's are."""
    if mesh.origin == origin:
        return mesh
    shift = np.subtract(mesh.origin, origin)
    vertices = (mesh.vertices + shift).astype(np.float32)
    return dataclasses.replace(mesh, vertices=vertices, origin=origin)


def far_points(points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
    """Which points lie so far from the others that they are no part of them."""
    middle, span = _extent(points)
    with np.errstate(over="ignore", invalid="ignore"):
        apart = np.abs(points - middle.astype(points.dtype)).max(axis=1)
    if not span > 0:
        return np.zeros(len(points), bool)
    return apart.astype(np.float64) > _FAR_POINT * span


def _extent(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle, and the longest side of most points."""
    some = points[:: max(len(points) // _LOOKED_AT, 1)].astype(np.float64)
    some = some[np.isfinite(some).all(axis=1)]
    if not len(some):
        return np.zeros(3), 0.0
    low, middle, high = np.percentile(some, [10, 50, 90], axis=0)
    return middle, float((high - low).max())
