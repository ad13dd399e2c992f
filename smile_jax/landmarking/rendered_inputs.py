"""Renders heads as the landmarker sees them, and lifts its pixels back to 3D."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32

from smile_jax.mesh import Framing, Mesh, render_views
from smile_jax.mesh.cameras import project, view_rotation

SIZE = 96
CHANNELS = 6  # depth, normals, grey, mask
DEPTH, NORMALS, GREY = slice(0, 1), slice(1, 4), slice(4, 5)
_DEPTH_MM = 50.0  # depth is given in this unit

_NEAR = 3  # pixels around a point in which its depth is looked for
_STEP_MM = 8.0  # between pixels: more than a surface has
_AT_EDGE = 0.15  # weight of a surface that is seen edge on


@dataclasses.dataclass(frozen=True)
class Pictures:
    """V views of a mesh.

    Attributes:
      images: (V, S, S, 6) input of the network.
      depth: (V, S, S) in mm, see `smile_jax.mesh.cameras`.
      mask: (V, S, S) what the mesh covers.
      facing: (V, S, S) cosine of the angle between surface and camera.
      yaws_deg, framing: of the cameras.
    """

    images: Float32[np.ndarray, "V S S C"]
    depth: Float32[np.ndarray, "V S S"]
    mask: Bool[np.ndarray, "V S S"]
    facing: Float32[np.ndarray, "V S S"]
    yaws_deg: Sequence[float]
    framing: Framing

    def points_of(
        self, pixels: Float[np.ndarray, "V L 2"]
    ) -> tuple[Float[np.ndarray, "V L 3"], Float[np.ndarray, "V L"]]:
        """Points of the surface at (column, row), and how squarely they are seen.

        In a hole the nearest surface stands in; where there is none near, NaN and 0.
        """
        views = range(len(self.yaws_deg))
        found = [self._lift(v, pixels[v]) for v in views]
        return np.stack([f[0] for f in found]), np.stack([f[1] for f in found])

    def _lift(self, view: int, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        depth = np.where(self.mask[view], self.depth[view], -np.inf)
        rows, columns = np.clip(pixels[:, ::-1].astype(int), 0, SIZE - 1).T
        z = np.full(len(pixels), -np.inf)
        weight = np.zeros(len(pixels))
        for reach in (1, _NEAR):
            left = np.flatnonzero(np.isinf(z))
            around = np.indices((2 * reach + 1,) * 2).reshape(2, -1) - reach
            near = (
                np.clip(rows[left, None] + around[0], 0, SIZE - 1),
                np.clip(columns[left, None] + around[1], 0, SIZE - 1),
            )
            z[left] = _surface(depth[near])
            there = self.mask[view][near]
            facing = self.facing[view][near] * there  # 0 where there is nothing
            weight[left] = facing.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        known = np.isfinite(z)
        scale = self.framing.mm_per_pixel(SIZE)
        right, up = (pixels[:, 0] - SIZE / 2) * scale, (SIZE / 2 - pixels[:, 1]) * scale
        camera = np.stack([right, up, np.where(known, z, np.nan)], axis=1)
        rotation = view_rotation(self.yaws_deg[view]).astype(np.float64)
        points = camera @ rotation + np.asarray(self.framing.center)
        return points, np.where(known, np.maximum(weight, _AT_EDGE), 0)

    def pixels_of(self, points: Float[np.ndarray, "L 3"]) -> Float[np.ndarray, "V L 3"]:
        """(column, row, depth in mm) of points in each view."""
        return np.stack(
            [
                project(
                    points,
                    rotation=view_rotation(yaw),
                    framing=self.framing,
                    size=SIZE,
                )
                for yaw in self.yaws_deg
            ]
        )


def _surface(depths: Float[np.ndarray, "L k"]) -> Float[np.ndarray, "L"]:
    """Returns the depth of the surface around each of L pixels; -inf without one.

    The median of k pixels, as a spike is not the surface; at the edge of a step, as
    between a lip and the mouth behind it, the depth of the front.
    """
    ranked = -np.sort(-depths, axis=1)
    everything = np.arange(len(depths))

    def middle(count: np.ndarray) -> np.ndarray:
        """Median of the first ones."""
        last = np.maximum(count - 1, 0)
        return (ranked[everything, last // 2] + ranked[everything, (last + 1) // 2]) / 2

    count = np.isfinite(depths).sum(axis=1)
    front = ranked[everything, np.clip(count - 1, 0, 1)]
    median = middle(count)
    with np.errstate(invalid="ignore"):  # -inf less -inf, where there is nothing
        step = front - median > _STEP_MM
    in_front = (ranked > front[:, None] - _STEP_MM).sum(axis=1)
    return np.where(step, middle(in_front), median)


def take_pictures(mesh: Mesh, yaws_deg: Sequence[float], framing: Framing) -> Pictures:
    """Renders what the network looks at.

    Args:
      mesh: in mm; without texture or colours its grey is 0, which the network knows.
      yaws_deg: V camera yaws.
      framing: what to show.
    """
    buffers = render_views(mesh, yaws_deg, SIZE, framing=framing)
    mask = buffers["mask"]
    grey = 0 if not mesh.has_texture else buffers["texture"].mean(axis=-1) / 255
    images = np.empty((*mask.shape, CHANNELS), np.float32)
    images[..., 0] = buffers["depth"] / _DEPTH_MM
    images[..., 1:4] = buffers["normals"]
    images[..., 4] = grey
    images[..., 5] = mask
    return Pictures(
        images=images,
        depth=buffers["depth"],
        mask=mask,
        facing=buffers["normals"][..., 2],
        yaws_deg=tuple(yaws_deg),
        framing=framing,
    )
