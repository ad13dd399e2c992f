"""The protocol of face models: linear in identity and FACS actions."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Int32

# Dimples, puckered lips, closed eyes, and eyes turned to the face's left, to its right,
# up and down (FACS' numbers).
IDLE_ACTIONS = (
    "AU14_L", "AU14_R", "AU18", "AU45_L", "AU45_R", "AU61", "AU62", "AU63", "AU64",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class FaceModel:
    """vertices = mean + identity . coefficients + sum_action weight * displacement.

    Attributes:
      name: "procedural" or "ict".
      mean: (n, 3) neutral mean face in mm, axes of `smile_jax.mesh.cameras`.
      identity: (modes, n, 3) displacement in mm of one standard deviation each.
      actions: displacement (n, 3) in mm at full activation of each FACS action unit,
        named "AU1_L", "AU1_R", ... or "AU26" where an action has no sides.
      idle: the same of what faces do beside expressing something: `IDLE_ACTIONS`.
      faces: (m, 3) triangles.
      skin, lips, brows: (n,) weights in [0, 1] that tell which pigment a vertex has;
        what has none of them keeps `base_colors`.
      base_colors: (n, 3) colours in [0, 1] of eyes, teeth, mouth.
      landmarks: (68,) vertex indices of the Multi-PIE points, see
        `smile_jax.mesh.landmark_schemes`.
    """

    name: str
    mean: Float32[np.ndarray, "n 3"]
    identity: Float32[np.ndarray, "modes n 3"]
    actions: Mapping[str, Float32[np.ndarray, "n 3"]]
    idle: Mapping[str, Float32[np.ndarray, "n 3"]]
    faces: Int32[np.ndarray, "m 3"]
    skin: Float32[np.ndarray, "n"]
    lips: Float32[np.ndarray, "n"]
    brows: Float32[np.ndarray, "n"]
    base_colors: Float32[np.ndarray, "n 3"]
    landmarks: Int32[np.ndarray, "68"]

    def shape(
        self,
        coefficients: Float32[np.ndarray, "modes"],
        actions: Mapping[str, float],
    ) -> Float32[np.ndarray, "n 3"]:
        """Vertices in mm of one face.

        Args:
          coefficients: one per identity mode, in standard deviations.
          actions: weight in [0, 1] of each active action, idle ones too; "AU12" means
            both sides.

        Raises:
          KeyError: an action that the model does not have.
        """
        return self.acting(self.at_rest(coefficients), actions)

    def at_rest(
        self, coefficients: Float32[np.ndarray, "modes"]
    ) -> Float32[np.ndarray, "n 3"]:
        """The part of `shape` that is the same whatever a person does."""
        return self.mean + np.tensordot(coefficients, self.identity, axes=1)

    def acting(
        self, rest: Float32[np.ndarray, "n 3"], actions: Mapping[str, float]
    ) -> Float32[np.ndarray, "n 3"]:
        """The part of `shape` that the actions make of `at_rest`."""
        vertices = rest.copy()
        known = {**self.actions, **self.idle}
        for name, weight in actions.items():
            for side in (name,) if name in known else (f"{name}_L", f"{name}_R"):
                vertices += np.float32(weight) * known[side]
        return vertices.astype(np.float32, copy=False)
