"""FACS actions as sums of a family's own shapes.

A recipe gives the share of each shape: `{"mouthSmile{side}": 0.9}`. `{side}` stands for
the family's word for a side, `{other}` for that of the other one (some shapes are named
from the viewer's side). A shape without sides in an action with sides is divided
smoothly at the face's middle.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32

Displacement = Float32[np.ndarray, "n 3"]
Recipes = Mapping[str, Mapping[str, float]]

_SEAM_MM = 4.0  # scale of the step by which a shape is divided


def cook(
    recipes: Recipes,
    shape: Callable[[str], Displacement],
    x: Float32[np.ndarray, "n"],
    sides: tuple[str, str],
) -> dict[str, Displacement]:
    """Returns the displacement of each action.

    Args:
      recipes: action -> shape -> share; an action "AU12" whose shapes have sides, or
        are to be divided, is given as "AU12_", and becomes "AU12_L" and "AU12_R".
      shape: displacement in mm of a shape at its full travel, by its name.
      x: of the points, in mm, to the face's left.
      sides: the family's words for left and right.
    """
    left = 1 / (1 + np.exp(-x / _SEAM_MM))
    found: dict[str, Displacement] = {}
    for action, recipe in recipes.items():
        if not action.endswith("_"):
            found[action] = _sum([_scaled(shape(n), s) for n, s in recipe.items()])
            continue
        for letter, side, other, weight in (
            ("L", sides[0], sides[1], left),
            ("R", sides[1], sides[0], 1 - left),
        ):
            parts = []
            for name, share in recipe.items():
                part = _scaled(shape(name.format(side=side, other=other)), share)
                parts.append(part if "{" in name else part * weight[:, None])
            found[action + letter] = _sum(parts)
    return found


def _scaled(displacement: np.ndarray, share: float) -> np.ndarray:
    return np.float32(share) * displacement


def _sum(parts: list[np.ndarray]) -> Displacement:
    return np.sum(parts, axis=0).astype(np.float32)
