"""FACS actions as sums of a family's own shapes.

A recipe gives the share of each shape: `{"mouthSmile{side}": 0.9}`. `{side}` stands for
the family's word for a side, `{other}` for that of the other one (some shapes are named
from the viewer's side), `{left}` and `{right}` for both. A shape without sides in an
action with sides is divided smoothly at the face's middle.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float32

Displacement = Float32[np.ndarray, "n 3"]
Recipes = Mapping[str, Mapping[str, float]]

_SEAM_MM = 4.0  # scale of the step by which a shape is divided

# Of the 52 shapes that ARKit and most avatars have, after the table of ICT-FaceKit's
# README. AU10 is theirs for the upper lip's shrug; the README maps `mouthUpperUp` to
# AU11, but that shape raises the upper lip, which is AU10 (Ekman & Friesen 1978). AU25
# (lips part) is both lips' raisers and depressors, AU26 (jaw drop) part of the jaw
# opening, whose full travel is AU27 (mouth stretch).
ARKIT_ACTIONS: Recipes = {
    "AU1_": {"browInnerUp": 1.0},
    "AU2_": {"browOuterUp{side}": 1.0},
    "AU4_": {"browDown{side}": 1.0},
    "AU5_": {"eyeWide{side}": 1.0},
    "AU6_": {"cheekSquint{side}": 1.0},
    "AU7_": {"eyeSquint{side}": 1.0},
    "AU9_": {"noseSneer{side}": 1.0},
    "AU10_": {"mouthUpperUp{side}": 1.0},
    "AU12_": {"mouthSmile{side}": 1.0},
    "AU15_": {"mouthFrown{side}": 1.0},
    "AU20_": {"mouthStretch{side}": 1.0},
    "AU24_": {"mouthPress{side}": 1.0},
    "AU17": {"mouthShrugLower": 1.0},
    "AU25": {
        "mouthLowerDown{left}": 0.5,
        "mouthLowerDown{right}": 0.5,
        "mouthUpperUp{left}": 0.5,
        "mouthUpperUp{right}": 0.5,
    },
    "AU26": {"jawOpen": 0.65},
}
ARKIT_IDLE: Recipes = {
    "AU14_": {"mouthDimple{side}": 1.0},
    "AU18": {"mouthPucker": 1.0},
    "AU45_": {"eyeBlink{side}": 1.0},
    "AU61": {"eyeLookOut{left}": 1.0, "eyeLookIn{right}": 1.0},
    "AU62": {"eyeLookIn{left}": 1.0, "eyeLookOut{right}": 1.0},
    "AU63": {"eyeLookUp{left}": 1.0, "eyeLookUp{right}": 1.0},
    "AU64": {"eyeLookDown{left}": 1.0, "eyeLookDown{right}": 1.0},
}


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
    left, right = sides
    on_left = 1 / (1 + np.exp(-x / _SEAM_MM))
    found: dict[str, Displacement] = {}
    for action, recipe in recipes.items():
        ends: tuple[tuple[str, str, str, np.ndarray | None], ...] = (
            ("L", left, right, on_left),
            ("R", right, left, 1 - on_left),
        )
        if not action.endswith("_"):
            ends = (("", "", "", None),)
        for letter, side, other, weight in ends:
            parts = []
            for name, share in recipe.items():
                full = name.format(side=side, other=other, left=left, right=right)
                part = np.float32(share) * shape(full)
                if weight is not None and "{" not in name:
                    part = part * weight[:, None]
                parts.append(part)
            found[action + letter] = np.sum(parts, axis=0).astype(np.float32)
    return found
