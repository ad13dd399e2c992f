"""`find_landmarks`: the 68 points of Multi-PIE of a scan that came without.

As in Paulsen et al., "Multi-view consensus CNN for 3D facial landmark placement" (ACCV
2018): heatmaps on rendered views, lifted to the surface, and a robust consensus over
the views. The head is turned to the front first, as the first look finds it.
"""

import functools
import pathlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from smile_jax.landmarking.consensus import robust_means
from smile_jax.landmarking.first_look import FACE, INNER, NoFaceError, require_face
from smile_jax.landmarking.landmark_pose import YAWS_DEG
from smile_jax.landmarking.network import LANDMARKER, Decoder, read_network
from smile_jax.landmarking.rendered_inputs import Pictures, take_pictures
from smile_jax.mesh import Landmarks, Mesh
from smile_jax.mesh.pose import Pose, frontalize

WEIGHTS = pathlib.Path(__file__).with_name("landmarker.safetensors")

_FOUND = 0.15  # confidence below which a landmark is not known


def find_landmarks(mesh: Mesh, pose: Pose | None = None) -> Landmarks:
    """Finds the 68 points of Multi-PIE by the network that comes with the package.

    Args:
      mesh: a scan in mm, turned anyhow. Colours and texture are not looked at: see the
        network's card.
      pose: where it is known how the head is turned.

    Returns:
      Points in mm in the scan's frame, with the confidence of each; those that are not
      to be found are not valid.

    Raises:
      NoFaceError: it shows no face.
    """
    return shipped_landmarker()(mesh, pose)


@functools.cache
def shipped_landmarker() -> "Landmarker":
    """The network of the package, loaded once a process."""
    return Landmarker(read_network(WEIGHTS))


class Landmarker:
    """Finds landmarks by a network's parameters."""

    def __init__(self, params: Mapping) -> None:
        self._decode = Decoder(LANDMARKER, params)

    def __call__(self, mesh: Mesh, pose: Pose | None = None) -> Landmarks:
        """See `find_landmarks`."""
        face = None
        if pose is None:
            face = require_face(mesh, turn=False)
            pose = face.pose
        turned = frontalize(mesh, pose)
        front = take_pictures(turned, YAWS_DEG, pose.framing, LANDMARKER.size)
        points, confidence = self._found(front)
        if float(confidence[INNER].mean()) < FACE:
            raise NoFaceError(face)
        center = np.asarray(pose.framing.center)
        points = (points - center) @ pose.rotation.T.astype(np.float64) + center
        return Landmarks(
            points=points.astype(np.float32),
            scheme="multipie68",
            valid=confidence > _FOUND,
            confidence=confidence.astype(np.float32),
        )

    def _found(
        self, pictures: Pictures
    ) -> tuple[Float[np.ndarray, "L 3"], Float[np.ndarray, "L"]]:
        pixels, sure = self._decode(pictures.images)
        guesses, square = pictures.points_of(pixels)
        points, counts = robust_means(guesses, sure * square)
        weights = sure * square
        total = np.maximum(weights.sum(axis=0), 1e-9)
        return points, (weights * counts * sure).sum(axis=0) / total
