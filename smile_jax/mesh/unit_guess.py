"""Guesses the unit of a mesh of a head by its size."""

import numpy as np

from smile_jax.mesh.cameras import used_points
from smile_jax.mesh.types import Mesh, MeshError

UNITS_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
# Longest side of a cropped face, a head or a bust (this project's choice).
_SMALLEST_MM, _LARGEST_MM = 75.0, 750.0


def guess_unit_mm(mesh: Mesh) -> float:
    """Returns the millimetres of a mesh's unit: 1, 10 or 1000.

    Whichever makes it as large as a head. A few points far away do not count.

    Raises:
      MeshError: none of them does.
    """
    points = mesh.vertices[used_points(mesh)]
    low, high = np.percentile(points, [1, 99], axis=0)
    size = float((high - low).max())
    for millimetres in UNITS_MM.values():
        if _SMALLEST_MM <= size * millimetres < _LARGEST_MM:
            return millimetres
    raise MeshError(
        f"{size:.3g} across: no head in {', '.join(UNITS_MM)}; name the millimetres of "
        "its unit with unit_mm"
    )
