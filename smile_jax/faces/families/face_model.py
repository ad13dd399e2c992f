"""What every face family gives: people at rest, and FACS actions that move them."""

import abc
import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Int32, UInt8

# Dimples, puckered lips, closed eyes, and eyes turned to the face's left, to its right,
# up and down (FACS' numbers).
IDLE_ACTIONS = (
    "AU14_L", "AU14_R", "AU18", "AU45_L", "AU45_R", "AU61", "AU62", "AU63", "AU64",
)  # fmt: skip

# What a point is of, in `FaceModel.parts`. Scanners see skin; the rest may be missing.
SKIN, EYES, TEETH, MOUTH = range(4)


@dataclasses.dataclass(frozen=True)
class Person:
    """One person of a family.

    Attributes:
      rest: (n, 3) neutral face in mm.
      attributes: what is known of them, such as "gender", "ethnicity" (words of the
        example schema) and "age_years".
    """

    rest: Float32[np.ndarray, "n 3"]
    attributes: Mapping[str, str | float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceModel(abc.ABC):
    """People are drawn; actions are displacements that are added to any of them.

    Attributes:
      name: of the family.
      mean: (n, 3) neutral mean face in mm, axes of `smile_jax.mesh.cameras`.
      actions: displacement (n, 3) in mm at full activation of each FACS action unit,
        named "AU1_L", "AU1_R", ... or "AU26" where an action has no sides.
      idle: the same of what faces do beside expressing something: `IDLE_ACTIONS`.
      faces: (m, 3) triangles.
      parts: (n,) `SKIN`, `EYES`, `TEETH` or `MOUTH` (its inside, the tongue).
      skin, lips, brows: (n,) weights in [0, 1] that tell which pigment a vertex has;
        what has none of them keeps `base_colors`.
      base_colors: (n, 3) colours in [0, 1] of eyes, teeth, mouth.
      landmarks: (68,) vertex indices of the Multi-PIE points, see
        `smile_jax.mesh.landmark_schemes`.
    """

    name: str
    mean: Float32[np.ndarray, "n 3"]
    actions: Mapping[str, Float32[np.ndarray, "n 3"]]
    idle: Mapping[str, Float32[np.ndarray, "n 3"]]
    faces: Int32[np.ndarray, "m 3"]
    parts: UInt8[np.ndarray, "n"]
    skin: Float32[np.ndarray, "n"]
    lips: Float32[np.ndarray, "n"]
    brows: Float32[np.ndarray, "n"]
    base_colors: Float32[np.ndarray, "n 3"]
    landmarks: Int32[np.ndarray, "68"]

    @abc.abstractmethod
    def sample_person(self, rng: np.random.Generator, spread: float = 1.0) -> Person:
        """Draws a person.

        Args:
          rng: source of all randomness.
          spread: factor on how far people are from the mean.
        """

    def acting(
        self, rest: Float32[np.ndarray, "n 3"], actions: Mapping[str, float]
    ) -> Float32[np.ndarray, "n 3"]:
        """Vertices in mm of a person who acts.

        Args:
          rest: of that person.
          actions: weight in [0, 1] of each active action, idle ones too; "AU12" means
            both sides.

        Raises:
          KeyError: an action that the model does not have.
        """
        vertices = rest.copy()
        known = {**self.actions, **self.idle}
        for name, weight in actions.items():
            for side in (name,) if name in known else (f"{name}_L", f"{name}_R"):
                vertices += np.float32(weight) * known[side]
        return vertices.astype(np.float32, copy=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LinearFaceModel(FaceModel):
    """People are the mean and independent modes, each as often as a normal draw.

    Attributes:
      identity: (modes, n, 3) displacement in mm of one standard deviation each.
    """

    identity: Float32[np.ndarray, "modes n 3"]

    def sample_person(self, rng: np.random.Generator, spread: float = 1.0) -> Person:
        """Draws a person; beyond 2.5 standard deviations there is nobody."""
        drawn = spread * rng.standard_normal(len(self.identity))
        coefficients = np.clip(drawn, -2.5, 2.5).astype(np.float32)
        return Person(self.mean + np.tensordot(coefficients, self.identity, axes=1))


def mixed_shape(
    base: Float32[np.ndarray, "n 3"],
    shapes: Mapping[str, Float32[np.ndarray, "n 3"]],
    shares: Mapping[str, float],
) -> Float32[np.ndarray, "n 3"]:
    """Adds shares of shapes to a head in mm."""
    mixed = base.copy()
    for name, share in shares.items():
        mixed += np.float32(share) * shapes[name]
    return mixed
