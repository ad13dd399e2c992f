"""Axes, units, pixel origin and framing. Stated here and nowhere else.

World: right-handed, millimetres (or the file's own unit); x to the viewer's right of a
face seen from the front (the subject's left), y up, z out of the face.

View: yaw turns the camera about the y axis, positive towards +x, so at yaw = +30
degrees the subject's left cheek is in the middle; pitch lifts it, positive towards +y.
Camera axes are x right, y up, z towards the viewer; the camera looks along -z at the
framing's centre.

Pixels: the origin is the image's top left corner, column j covers [j, j + 1) and its
centre is j + 0.5; rows grow downward.

Depth: camera z relative to the framing's centre, larger is nearer, in world units.
"""

import dataclasses
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32

from smile_jax.mesh.types import Mesh, MeshError

Projection = Literal["orthographic", "perspective"]

# A perspective camera stands this many framing extents away from the centre, about
# 1.2 m from a face: the distance of stereo face scanners (this project's choice).
PERSPECTIVE_DISTANCE = 5.0


@dataclasses.dataclass(frozen=True)
class Framing:
    """A square image of `extent` world units across, centred on `center`."""

    center: tuple[float, float, float]
    extent: float

    def mm_per_pixel(self, size: int) -> float:
        """World units per pixel at the centre's depth."""
        return self.extent / size


def frame_mesh(mesh: Mesh, margin: float = 1.0) -> Framing:
    """Frames all that there is, whatever it is: see `mesh.pose` for framing a face.

    The middle and the larger side of the box between the 2nd and 98th percentile of the
    points that faces use, plus 15 % (this project's choice). The centre's depth is the
    middle of the same points.

    Args:
      mesh: mesh or scan.
      margin: factor on the extent.

    Raises:
      MeshError: all points coincide.
    """
    points = mesh.vertices[used_points(mesh)].astype(np.float64)
    low, high = np.percentile(points, [2, 98], axis=0)
    center = (low + high) / 2
    extent = 1.15 * (high - low)[:2].max()
    if not extent > 0:
        raise MeshError("the mesh has no extent: all its points coincide")
    x, y, z = (float(c) for c in center)
    return Framing(center=(x, y, z), extent=float(extent * margin))


def used_points(mesh: Mesh) -> Bool[np.ndarray, "n"]:
    """Returns a mask of the vertices that any face uses."""
    used = np.zeros(len(mesh.vertices), bool)
    used[mesh.faces] = True
    return used


def view_rotation(yaw_deg: float, pitch_deg: float = 0.0) -> Float32[np.ndarray, "3 3"]:
    """Rotation from world to camera axes, for column vectors."""
    yaw, pitch = np.deg2rad([yaw_deg, pitch_deg])
    turn = np.array(
        [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]]
    )
    lift = np.array(
        [
            [1, 0, 0],
            [0, np.cos(pitch), -np.sin(pitch)],
            [0, np.sin(pitch), np.cos(pitch)],
        ]
    )
    return (lift @ turn).astype(np.float32)


def project(
    points: Float[np.ndarray, "n 3"],
    *,
    rotation: Float[np.ndarray, "3 3"],
    framing: Framing,
    size: int,
    projection: Projection = "orthographic",
) -> Float32[np.ndarray, "n 3"]:
    """Projects world points to (column, row, nearness).

    Nearness is linear in screen space and larger for nearer points: depth for the
    orthographic camera, 1 / distance for the perspective one. Points behind a
    perspective camera get nearness 0.
    """
    scale = np.float32(size / framing.extent)
    center = np.asarray(framing.center, np.float32)
    camera = (points - center) @ rotation.T
    out = np.empty((len(points), 3), np.float32)
    if projection == "orthographic":
        out[:, :2], out[:, 2] = camera[:, :2], camera[:, 2]
    else:
        distance = np.float32(PERSPECTIVE_DISTANCE * framing.extent)
        ahead = distance - camera[:, 2]
        visible = ahead > 1e-3 * distance
        out[:, 2] = np.where(visible, 1 / np.where(visible, ahead, 1), 0)
        out[:, :2] = camera[:, :2] * out[:, 2:] * distance
    out[:, 0] = size / 2 + out[:, 0] * scale
    out[:, 1] = size / 2 - out[:, 1] * scale
    return out


def depth_from_nearness(
    nearness: np.ndarray, framing: Framing, projection: Projection
) -> np.ndarray:
    """Inverts `project`'s third column to depth in world units."""
    if projection == "orthographic":
        return nearness
    return np.float32(PERSPECTIVE_DISTANCE * framing.extent) - 1 / nearness
