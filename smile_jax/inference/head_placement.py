"""Turns a head that a model has never seen to where its training heads were."""

import contextlib
import dataclasses
import pathlib

import numpy as np

from smile_jax.data.pose_landmarks import anchors_beside, has_anchors
from smile_jax.landmarking.landmarker import (
    FACE,
    NoFaceError,
    confidence_in,
    face_seen,
    find_landmarks,
    pose_by,
)
from smile_jax.mesh import Framing, Landmarks, Mesh, MeshError, frame_mesh
from smile_jax.mesh.pose import (
    Pose,
    frontalize,
    pose_from_anchors,
    pose_from_surface,
)

# Heads that are turned less are at the front, where they were so in training: what
# generated people, who sit as scans do, are turned (this project's choice).
_AT_THE_FRONT_DEG = 20.0


@dataclasses.dataclass
class HeadPlacement:
    """Turns and frames a first frame, and remembers how it did.

    Attributes:
      path: of its file.
      how: "as_is", "surface", "landmarks" (a file of them beside), or "auto": by those
        where there are some, else as training did; where that took heads as they were,
        one that is not at the front is turned by its surface.
      trained: how training did.
      framing: "face" or "box", as training did.
      unit_mm: millimetres of the files' unit.
      said: what was done, once it was.
      turned_deg: how far the head was off the front; NaN where nobody looked.
      pose: by which it was turned; None where it stays as it is.
      sure: mean confidence in the landmarks of a face that were found, 0 to 1.
    """

    path: pathlib.Path
    how: str
    trained: str
    framing: str
    unit_mm: float
    said: str = ""
    turned_deg: float = float("nan")
    pose: Pose | None = None
    sure: float = 0.0

    def __call__(self, mesh: Mesh) -> tuple[Pose | None, Framing]:
        """Turns and frames the first frame, in mm: see `Sequence4D.place`."""
        how = self.how
        if how == "landmarks" or (how == "auto" and has_anchors(self.path)):
            pose = pose_from_anchors(anchors_beside(self.path).scaled(self.unit_mm))
            self.sure = face_seen(mesh, pose)
            return self._turned(pose, "its landmark file")
        if how == "auto":
            how = self.trained
        if how in ("landmarks", "auto"):
            found = self._look(mesh)
            with contextlib.suppress(MeshError):
                if found is not None:
                    return self._turned(pose_by(found), "landmarks found on it")
            how = "surface"
        try:
            pose = pose_from_surface(mesh)
        except MeshError:
            if self.how == "surface":
                raise
            self._look(mesh)
            self.said = "as it is: there is no face to turn it by"
            return None, frame_mesh(mesh)
        self.sure = face_seen(mesh, pose)
        if self.sure < FACE:  # it may have been turned wrongly
            self._look(mesh)
        self.turned_deg = _degrees(pose)
        stays = self.how == "as_is" or self.turned_deg <= _AT_THE_FRONT_DEG
        if how == "as_is" and stays:
            self.said = "as it is"
            box = self.framing == "box"
            return None, frame_mesh(mesh) if box else pose.framing
        pose, framing = self._turned(pose, "its surface")
        if self.framing == "box" and self.trained == "as_is":
            framing = frame_mesh(frontalize(mesh, pose))
        return pose, framing

    def _look(self, mesh: Mesh) -> Landmarks | None:
        """Landmarks of a face, where there is one."""
        try:
            found = find_landmarks(mesh)
        except NoFaceError as error:
            self.sure = max(self.sure, error.sure)
        except MeshError:  # not enough of one to turn it
            pass
        else:
            self.sure = confidence_in(found)
            return found
        return None

    def _turned(self, pose: Pose, by: str) -> tuple[Pose, Framing]:
        self.said, self.turned_deg = f"turned by {by}", _degrees(pose)
        self.pose = pose
        return pose, pose.framing


def _degrees(pose: Pose) -> float:
    """Between the face's axes and the scan's."""
    cosine = (np.trace(pose.rotation.astype(np.float64)) - 1) / 2
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))
