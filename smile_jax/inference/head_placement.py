"""Turns a head that a model has never seen to where its training heads were."""

import dataclasses
import pathlib

from smile_jax.data.pose_landmarks import anchors_beside, has_anchors
from smile_jax.landmarking.first_look import AT_THE_FRONT_DEG, NoFaceError
from smile_jax.landmarking.head_scan import HeadScan
from smile_jax.mesh import Mesh, MeshError, frame_mesh
from smile_jax.mesh.pose import (
    Placement,
    Pose,
    frontalize,
    on_the_nose,
    placed_by,
    pose_from_anchors,
    pose_from_surface,
)

# The search by surface finds no face that is turned farther.
_SURFACE_DEG = 40.0


@dataclasses.dataclass
class HeadPlacement:
    """Turns, frames and cuts a first frame, and remembers how it did.

    Attributes:
      path: of its file.
      how: "as_is", "found", "surface", "landmarks" (a file beside), or "auto": as
        training did, by such a file where training had some; where it took heads as
        they were, one that is not at the front is turned to it.
      trained: how training did.
      framing: "crop", "face" or "box", as training did.
      scan: what the first look found in the file.
      said: what was done, once it was.
      turned_deg: how far the head was off the front; NaN where there is none.
      pose: by which it was turned; None where it stays as it is.
    """

    path: pathlib.Path
    how: str
    trained: str
    framing: str
    scan: HeadScan
    said: str = ""
    turned_deg: float = float("nan")
    pose: Pose | None = None

    @property
    def sure(self) -> float:
        """Mean confidence in the landmarks of a face that were found, 0 to 1."""
        return self.scan.sure

    @property
    def unit_mm(self) -> float:
        """Millimetres of the file's unit."""
        return self.scan.unit_mm

    def __call__(self, mesh: Mesh) -> Placement:
        """Places the first frame, in mm: see `Sequence4D.place`."""
        how = self.trained if self.how == "auto" else self.how
        by_file = how in ("landmarks", "auto") and has_anchors(self.path)
        if by_file or self.how == "landmarks":
            pose = pose_from_anchors(anchors_beside(self.path).scaled(self.unit_mm))
            if self.framing == "crop":
                pose = on_the_nose(mesh, pose)
            return self._turned(pose, "its landmark file")
        if how == "surface":
            return self._by_surface(mesh)
        if self.scan.face is None or not self.scan.found:
            if self.how == "found":
                raise NoFaceError(self.scan.face)
            self.said = "as it is: there is no face to turn it by"
            return Placement(None, frame_mesh(mesh))
        pose = self.scan.face.pose
        self.turned_deg = pose.turned_deg
        at_the_front = self.turned_deg <= AT_THE_FRONT_DEG
        if how == "as_is" and (self.how == "as_is" or at_the_front):
            self.said = "as it is"
            return self._as_it_is(mesh, pose)
        placed = self._turned(pose, "its face")
        if self.framing == "box" and self.trained == "as_is":
            framing = frame_mesh(frontalize(mesh, pose))
            placed = dataclasses.replace(placed, framing=framing)
        return placed

    def _as_it_is(self, mesh: Mesh, pose: Pose) -> Placement:
        if self.framing == "box":
            return Placement(None, frame_mesh(mesh))
        if self.framing == "face":  # earlier versions framed faces by their surface
            try:
                return Placement(None, pose_from_surface(mesh).framing)
            except MeshError:
                return Placement(None, pose.framing)
        return placed_by(pose, turn=False, crop=True)

    def _by_surface(self, mesh: Mesh) -> Placement:
        """As training did, where its search finds the face."""
        face = self.scan.face
        if face is None or not self.scan.found or self.how == "surface":
            return self._turned(pose_from_surface(mesh), "its surface")
        if face.pose.turned_deg <= _SURFACE_DEG:
            try:
                return self._turned(pose_from_surface(mesh), "its surface")
            except MeshError:
                pass
        return self._turned(face.pose, "its face")

    def _turned(self, pose: Pose, by: str) -> Placement:
        self.said, self.turned_deg = f"turned by {by}", pose.turned_deg
        self.pose = pose
        return placed_by(pose, turn=True, crop=self.framing == "crop")
