"""A head as it was found in a file: in millimetres, alone, and right side out."""

import dataclasses

import numpy as np

from smile_jax.landmarking.face_units import unit_of_face
from smile_jax.landmarking.first_look import Face, find_faces
from smile_jax.mesh.cameras import used_points
from smile_jax.mesh.face_crop import Ball, keep_faces
from smile_jax.mesh.types import Mesh, MeshError, scale_mesh

_HEAD_MM = 250.0  # from the face, beyond which nothing is of the head
_SKIN_MM = 60.0  # from the nose's tip, where triangles tell which side is out
_SAID = 0.02  # share of the points that are left out, from which on it is said


@dataclasses.dataclass(frozen=True)
class HeadScan:
    """What was found in the first frame, and what is done to all of them.

    Attributes:
      face: in mm, as the scan is turned; None where nothing looks like one.
      heads: how many were seen.
      unit_mm: millimetres of the file's unit.
      inward: its triangles are wound the other way round.
      ball: of the head among other things; None where it is alone.
      notes: what is to be said of that.
    """

    face: Face | None
    heads: int
    unit_mm: float
    inward: bool = False
    ball: Ball | None = None
    notes: tuple[str, ...] = ()

    @property
    def sure(self) -> float:
        """How much there is a face, 0 to 1; see `Face.quality`."""
        return 0.0 if self.face is None else self.face.quality

    @property
    def found(self) -> bool:
        """True if there is a face for sure."""
        return self.face is not None and self.face.found

    def prepared(self, mesh: Mesh) -> Mesh:
        """A frame in mm, with outward triangles, and nothing but the head.

        Raises:
          MeshError: the head is not there any more.
        """
        mesh = scale_mesh(mesh, self.unit_mm)
        if self.inward:
            mesh = _inside_out(mesh)
        if self.ball is None:
            return mesh
        kept = _near(mesh, self.ball)[mesh.faces].all(axis=1)
        if not kept.any():
            raise MeshError("nothing of it is where the first frame has its head")
        return keep_faces(mesh, kept)


def look_at(
    mesh: Mesh, unit_mm: float = 0.0, head: int = -1, *, turn: bool = True
) -> HeadScan:
    """Finds the head in a file.

    Args:
      mesh: as it was read.
      unit_mm: millimetres of its unit; 0: by the size of the face, or 1 where there is
        none.
      head: which, of several, the surest first; -1 for that, where nobody asked for
        one of several.
      turn: see `find_face`.

    Raises:
      MeshError: there are not so many.
    """
    faces = find_faces(mesh, turn=turn)
    if head >= max(len(faces), 1):
        raise MeshError(f"it shows {len(faces)} heads, and no number {head + 1}")
    if not faces:
        return HeadScan(None, 0, unit_mm or 1.0)
    face = faces[max(head, 0)]
    if not face.found:
        return HeadScan(face.scaled(unit_mm or 1.0), 0, unit_mm or 1.0)
    notes: tuple[str, ...] = ()
    if not unit_mm:
        unit_mm, notes = unit_of_face(face)
    face = face.scaled(unit_mm)
    if len(faces) > 1 and head < 0:
        notes += (
            f"it shows {len(faces)} heads; the surest is answered: ask for "
            "each with heads='all'",
        )
    scan = HeadScan(face, len(faces), unit_mm)
    in_mm = scan.prepared(mesh)
    x, y, z = face.close.center
    ball = Ball((x, y, z), _HEAD_MM)
    used = used_points(in_mm)
    near = float(_near(in_mm, ball)[used].mean())
    if near < 1 and near < 1 - _SAID:
        notes += (
            f"{1 - near:.0%} of its points lie over {_HEAD_MM:g} mm from the face, and "
            "are left out",
        )
    inward = _looks_inward(in_mm, face)
    if inward:
        notes += ("its triangles look inward, and were turned over",)
    return dataclasses.replace(
        scan, inward=inward, ball=ball if near < 1 else None, notes=notes
    )


def _near(mesh: Mesh, ball: Ball) -> np.ndarray:
    apart = mesh.vertices - np.asarray(ball.center, np.float32)
    return np.einsum("ij,ij->i", apart, apart) < ball.radius**2


def _looks_inward(mesh: Mesh, face: Face) -> bool:
    """Whether triangles around the nose look away from who sees them."""
    x, y, z = (float(c) for c in face.tip)
    skin = _near(mesh, Ball((x, y, z), _SKIN_MM))
    corners = mesh.vertices[mesh.faces[skin[mesh.faces].all(axis=1)]]
    ahead = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(ahead.astype(np.float64).sum(axis=0) @ face.rotation[:, 2]) < 0


def _inside_out(mesh: Mesh) -> Mesh:
    """The mesh with its triangles wound the other way round."""
    corners = mesh.uv_faces
    return dataclasses.replace(
        mesh,
        faces=np.ascontiguousarray(mesh.faces[:, ::-1]),
        uv_faces=None if corners is None else np.ascontiguousarray(corners[:, ::-1]),
    )
