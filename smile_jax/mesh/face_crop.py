"""What is left of a scan around a face: what lies within a ball around the nose's tip.

Scans are cut anyhow, at the hair line, at the ears, at the waist; a picture of the same
face must not tell. A sphere around the tip of the nose is how 3D face recognition has
cut faces since Mian et al., "An efficient multimodal 2D-3D hybrid approach" (PAMI
2007).
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float32

from smile_jax.mesh.cameras import Framing, view_rotation
from smile_jax.mesh.types import Mesh

RADIUS_MM = 90.0
# Triangles that reach so much farther stay, so that the edge is that of the ball and
# not of the triangles.
_MARGIN_MM = 12.0


@dataclasses.dataclass(frozen=True)
class Ball:
    """What is kept: all within `radius` of `center`, in mm."""

    center: tuple[float, float, float]
    radius: float = RADIUS_MM


def cut_around(mesh: Mesh, ball: Ball) -> Mesh:
    """The mesh without the triangles that lie wholly outside; points stay."""
    apart = mesh.vertices - np.asarray(ball.center, np.float32)
    near = np.einsum("ij,ij->i", apart, apart) < (ball.radius + _MARGIN_MM) ** 2
    kept = near[mesh.faces].any(axis=1)
    if kept.all():
        return mesh
    return keep_faces(mesh, kept)


def keep_faces(mesh: Mesh, kept: Bool[np.ndarray, "m"]) -> Mesh:
    """The mesh with some of its triangles; points stay."""
    corners, materials = mesh.uv_faces, mesh.face_materials
    return dataclasses.replace(
        mesh,
        faces=np.ascontiguousarray(mesh.faces[kept]),
        uv_faces=None if corners is None else np.ascontiguousarray(corners[kept]),
        face_materials=None if materials is None else materials[kept],
    )


def within(
    depth: Float32[np.ndarray, "S S"], yaw_deg: float, framing: Framing, ball: Ball
) -> Bool[np.ndarray, "S S"]:
    """Which pixels of an orthographic picture show what is inside the ball.

    Args:
      depth: of the picture, see `smile_jax.mesh.cameras`.
      yaw_deg: of its camera.
      framing: of the picture.
      ball: in the same axes as the framing.
    """
    size = len(depth)
    from_center = np.subtract(ball.center, framing.center)
    x, y, z = view_rotation(yaw_deg).astype(np.float64) @ from_center
    across = (np.arange(size) + 0.5 - size / 2) * framing.mm_per_pixel(size)
    right, up = (across - x)[None, :] ** 2, (-across - y)[:, None] ** 2
    return right + up + (depth - np.float32(z)) ** 2 < ball.radius**2
