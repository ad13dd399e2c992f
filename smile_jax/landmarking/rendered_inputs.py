"""Renders heads as the landmarker sees them, and lifts its pixels back to 3D."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32

from smile_jax.mesh import Framing, Mesh, render_views
from smile_jax.mesh.cameras import project, view_rotation

CHANNELS = 5  # depth, normals, mask
DEPTH, NORMALS = slice(0, 1), slice(1, 4)
_DEPTH_UNIT = 0.25  # of the picture's width
_DEEPEST = 3.0  # such units from the middle of what is seen

_NEAR = 3  # pixels around a point in which its depth is looked for
_STEP = 0.04  # of the picture's width, between pixels: more than a surface has
_AT_EDGE = 0.15  # weight of a surface that is seen edge on


@dataclasses.dataclass(frozen=True)
class Pictures:
    """V views of a mesh.

    Attributes:
      images: (V, S, S, 5) input of the network: depth in quarters of the width, before
        and behind the middle of what is seen, normals and mask. No unit is in it.
      depth: (V, S, S) in the mesh's unit, see `smile_jax.mesh.cameras`.
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

    @property
    def size(self) -> int:
        """S, the side of a picture in pixels."""
        return self.images.shape[1]

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
        last, middle = self.size - 1, self.size / 2
        rows, columns = np.clip(pixels[:, ::-1].astype(int), 0, last).T
        z = np.full(len(pixels), -np.inf)
        weight = np.zeros(len(pixels))
        for reach in (1, _NEAR):
            left = np.flatnonzero(np.isinf(z))
            around = np.indices((2 * reach + 1,) * 2).reshape(2, -1) - reach
            near = (
                np.clip(rows[left, None] + around[0], 0, last),
                np.clip(columns[left, None] + around[1], 0, last),
            )
            z[left] = _surface(depth[near], _STEP * self.framing.extent)
            there = self.mask[view][near]
            facing = self.facing[view][near] * there  # 0 where there is nothing
            weight[left] = facing.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        known = np.isfinite(z)
        scale = self.framing.mm_per_pixel(self.size)
        right, up = (pixels[:, 0] - middle) * scale, (middle - pixels[:, 1]) * scale
        camera = np.stack([right, up, np.where(known, z, np.nan)], axis=1)
        rotation = view_rotation(self.yaws_deg[view]).astype(np.float64)
        points = camera @ rotation + np.asarray(self.framing.center)
        return points, np.where(known, np.maximum(weight, _AT_EDGE), 0)

    def pixels_of(self, points: Float[np.ndarray, "L 3"]) -> Float[np.ndarray, "V L 3"]:
        """(column, row, depth) of points in each view."""
        return np.stack(
            [
                project(
                    points,
                    rotation=view_rotation(yaw),
                    framing=self.framing,
                    size=self.size,
                )
                for yaw in self.yaws_deg
            ]
        )


def _surface(depths: Float[np.ndarray, "L k"], step: float) -> Float[np.ndarray, "L"]:
    """Returns the depth of the surface around each of L pixels; -inf without one.

    The median of k pixels, as a spike is not the surface; at the edge of a step, as
    between a lip and the mouth behind it, the depth of the front.
    `step` is the least of one.
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
        at_step = front - median > step
    in_front = (ranked > front[:, None] - step).sum(axis=1)
    return np.where(at_step, middle(in_front), median)


def take_pictures(
    mesh: Mesh, yaws_deg: Sequence[float], framing: Framing, size: int
) -> Pictures:
    """Renders what the networks look at.

    Args:
      mesh: in any unit; colours are not looked at.
      yaws_deg: V camera yaws.
      framing: what to show.
      size: S.
    """
    bare = dataclasses.replace(mesh.without_materials(), colors=None)
    buffers = render_views(bare, yaws_deg, size, framing=framing)
    depth, normals, mask = (buffers[name] for name in ("depth", "normals", "mask"))
    views = zip(depth, normals, mask, strict=True)
    return Pictures(
        images=np.stack([network_input(*view, framing.extent) for view in views]),
        depth=depth,
        mask=mask,
        facing=normals[..., 2],
        yaws_deg=tuple(yaws_deg),
        framing=framing,
    )


def network_input(
    depth: Float32[np.ndarray, "S S"],
    normals: Float32[np.ndarray, "S S 3"],
    mask: Bool[np.ndarray, "S S"],
    extent: float,
) -> Float32[np.ndarray, "S S C"]:
    """One picture as `Pictures.images` has it; `extent` is what it is across."""
    image = np.empty((*mask.shape, CHANNELS), np.float32)
    middle = np.median(depth[mask]) if mask.any() else 0.0
    deep = (depth - middle) / np.float32(_DEPTH_UNIT * extent)
    image[..., 0] = np.where(mask, np.clip(deep, -_DEEPEST, _DEEPEST), 0)
    image[..., NORMALS] = normals
    image[..., 4] = mask
    return image
