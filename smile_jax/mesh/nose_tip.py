"""The tip of a nose, to a fraction of a millimetre."""

import numpy as np
from jaxtyping import Float

from smile_jax.mesh.types import Mesh

# This project's choices: a reach around the tip in mm; the share of the surface
# there that is the tip; by how much larger triangles are spikes; until when it is
# climbed.
_REACH_MM, _TOP, _SPIKE, _FEWEST = 12.0, 0.1, 8.0, 12
_CLIMBS, _STILL = 8, 0.02


def top_of_nose(
    mesh: Mesh,
    rotation: Float[np.ndarray, "3 3"],
    tip: Float[np.ndarray, "3"],
    unit: float = 1.0,
) -> Float[np.ndarray, "3"]:
    """Climbs to what rises most around a landmark, as hills are climbed.

    That is the middle of the highest tenth of the surface around there, whatever its
    triangles; those that are far larger than others, spikes and rims of holes, do not
    count.

    Args:
      mesh: of a head.
      rotation: axes of the face, columns; it looks along the last one.
      tip: where the landmark is.
      unit: of the mesh, in its length of a millimetre.

    Returns:
      The tip; the landmark itself where there is no surface.
    """
    apart = mesh.vertices - tip.astype(np.float32)
    reach = _REACH_MM * unit
    near = np.einsum("ij,ij->i", apart, apart) < np.float32(2 * reach) ** 2
    corners = apart[mesh.faces[near[mesh.faces].all(axis=1)]].astype(np.float64)
    if len(corners) < _FEWEST:
        return tip
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(across, axis=1)
    kept = area <= _SPIKE * np.median(area)
    area, middle = area[kept], corners[kept].mean(axis=1)
    order = np.argsort(-(middle @ rotation[:, 2]), kind="stable")
    area, middle = area[order], middle[order]
    climbed = np.zeros(3)
    for _ in range(_CLIMBS):
        around = np.linalg.norm(middle - climbed, axis=1) < reach
        if around.sum() < _FEWEST:
            break
        weight = np.where(around, area, 0.0)
        weight[np.cumsum(weight) > max(_TOP * weight.sum(), weight.max())] = 0
        moved = weight @ middle / weight.sum() - climbed
        climbed = climbed + moved
        if np.linalg.norm(moved) < _STILL * reach:
            break
    return tip + climbed
