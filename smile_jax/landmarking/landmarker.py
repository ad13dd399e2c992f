"""`find_landmarks`: the 68 points of Multi-PIE of a scan that came without.

As in Paulsen et al., "Multi-view consensus CNN for 3D facial landmark placement" (ACCV
2018): heatmaps on rendered views, lifted to the surface, and a robust consensus over
the views. The head is turned to the front first, by landmarks found on it as it is.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping

import flax.traverse_util
import jax
import numpy as np
from jaxtyping import Float
from safetensors.numpy import load_file

from smile_jax.landmarking.consensus import robust_means
from smile_jax.landmarking.landmark_pose import YAWS_DEG, pose_of
from smile_jax.landmarking.network import (
    HeatmapNetwork,
    NetworkConfig,
    decode,
    run_network,
)
from smile_jax.landmarking.rendered_inputs import Pictures, take_pictures
from smile_jax.mesh import Landmarks, Mesh, MeshError, frame_mesh
from smile_jax.mesh.pose import Pose, frontalize

WEIGHTS = pathlib.Path(__file__).with_name("landmarker.safetensors")

_TRIES_DEG = (0.0, -45.0, 45.0)  # from where a head is looked at until a face is seen
FACE = 0.5  # mean confidence in a face's inner points, below which it is no face
_MAYBE = 0.15  # the same at first sight: whether to look again, from the front
_FOUND = 0.15  # confidence below which a landmark is not known
_INNER = slice(17, 68)  # without the jaw line, which cropped scans lack


def find_landmarks(mesh: Mesh, pose: Pose | None = None) -> Landmarks:
    """Finds the 68 points of Multi-PIE by the network that comes with the package.

    Args:
      mesh: a scan in mm, turned by up to about 45 degrees. Colours and texture are not
        looked at: see the network's card.
      pose: where it is known how the head is turned, as of another frame.

    Returns:
      Points in mm in the scan's frame, with the confidence of each; those that are not
      to be found are not valid.

    Raises:
      MeshError: it shows no face.
    """
    return shipped_landmarker()(mesh, pose)


def face_seen(mesh: Mesh, pose: Pose) -> float:
    """Returns the confidence that a head shows a face, by one look at its front.

    See `confidence_in`. It costs a third of finding landmarks.

    Args:
      mesh: a scan in mm.
      pose: how it is turned.
    """
    return shipped_landmarker().face_seen(mesh, pose)


class NoFaceError(MeshError):
    """Nothing that looks like a face was found.

    Attributes:
      sure: mean confidence in what was, 0 to 1.
    """

    def __init__(self, sure: float) -> None:
        super().__init__(
            f"no face found: its landmarks are {sure:.0%} sure, {FACE:.0%} are needed; "
            "is it in mm, and does it face +z?"
        )
        self.sure = sure


def confidence_in(found: Landmarks) -> float:
    """Returns the mean confidence in a face's inner points, 0 to 1.

    It is at least `FACE`, or they would not have been found.
    """
    assert found.confidence is not None
    return float(found.confidence[_INNER].mean())


def find_pose(mesh: Mesh) -> Pose:
    """Returns a head's pose, by landmarks that are found on it.

    Raises:
      MeshError: it shows no face, or not enough of one.
    """
    return pose_by(find_landmarks(mesh))


def pose_by(found: Landmarks) -> Pose:
    """Returns a head's pose, by landmarks that were found on it.

    Raises:
      MeshError: there are not enough of them.
    """
    assert found.valid is not None
    if not found.valid[_CORNERS].all():
        raise MeshError("corners of eyes or mouth, or the nose's tip, were not found")
    return pose_of(found.points.astype(np.float64))


@functools.cache
def shipped_landmarker() -> "Landmarker":
    """The network of the package, loaded once a process."""
    return Landmarker(read_network(WEIGHTS))


class Landmarker:
    """Finds landmarks by a network's parameters."""

    def __init__(self, params: Mapping, config: NetworkConfig | None = None) -> None:
        self._params = params
        self._network = HeatmapNetwork(config or NetworkConfig())
        self._look = jax.jit(self._decoded)

    def _decoded(self, params: Mapping, images: jax.Array) -> tuple:
        return decode(run_network(self._network, params, images))

    def __call__(self, mesh: Mesh, pose: Pose | None = None) -> Landmarks:
        """See `find_landmarks`."""
        mesh = _bare(mesh)
        pose = pose or pose_of(self._roughly(mesh))
        front = take_pictures(frontalize(mesh, pose), YAWS_DEG, pose.framing)
        points, confidence = self._found(front)
        sure = float(confidence[_INNER].mean())
        if sure < FACE:
            raise NoFaceError(sure)
        center = np.asarray(pose.framing.center)
        points = (points - center) @ pose.rotation.T.astype(np.float64) + center
        return Landmarks(
            points=points.astype(np.float32),
            scheme="multipie68",
            valid=confidence > _FOUND,
            confidence=confidence.astype(np.float32),
        )

    def face_seen(self, mesh: Mesh, pose: Pose) -> float:
        """See `face_seen`."""
        front = take_pictures(_bare(frontalize(mesh, pose)), (0.0,), pose.framing)
        _, confidence = self._found(front)
        return float(confidence[_INNER].mean())

    def _roughly(self, mesh: Mesh) -> np.ndarray:
        """Landmarks of the head as it is turned, each somewhere near."""
        framing = frame_mesh(mesh)
        best = (0.0, np.zeros((68, 3)))
        for yaw in _TRIES_DEG:
            points, confidence = self._found(take_pictures(mesh, (yaw,), framing))
            sure = float(confidence[_INNER].mean())
            if sure > best[0] and np.isfinite(points[_CORNERS]).all():
                best = sure, points
            if best[0] > FACE:
                break
        if best[0] < _MAYBE:
            raise NoFaceError(best[0])
        return best[1]

    def _found(
        self, pictures: Pictures
    ) -> tuple[Float[np.ndarray, "L 3"], Float[np.ndarray, "L"]]:
        # Small pictures, one head after the other: nothing for an accelerator.
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            looked = self._look(self._params, pictures.images)
        pixels, sure = map(np.asarray, looked)
        guesses, square = pictures.points_of(pixels.astype(np.float64))
        points, counts = robust_means(guesses, sure * square)
        weights = sure * square
        total = np.maximum(weights.sum(axis=0), 1e-9)
        return points, (weights * counts * sure).sum(axis=0) / total


def _bare(mesh: Mesh) -> Mesh:
    return dataclasses.replace(mesh.without_materials(), colors=None, landmarks=None)


_CORNERS = [30, 36, 39, 42, 45, 48, 54]  # which fix a pose


def read_network(path: pathlib.Path) -> dict:
    """Parameters of a network that `smile_jax.landmarking.train` wrote."""
    flat = {name: x.astype(np.float32) for name, x in load_file(path).items()}
    return flax.traverse_util.unflatten_dict(flat, sep="/")
