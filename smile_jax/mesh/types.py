"""The mesh that every reader returns and every later stage takes."""

import dataclasses
import pathlib

import numpy as np
from jaxtyping import Float32, Int32


class MeshError(ValueError):
    """A mesh file cannot be used; the message names the file and the fault."""


@dataclasses.dataclass(frozen=True)
class Mesh:
    """A triangle mesh in the frame of `smile_jax.mesh.cameras` (mm, y up, z forward).

    Texture coordinates are per corner (`uv_faces` indexes `uv`), so a UV seam never
    splits a vertex and smooth normals stay smooth across it.

    Attributes:
      vertices: (n, 3) positions.
      faces: (m, 3) vertex indices, counter-clockwise seen from outside.
      uv: (k, 2) texture coordinates in [0, 1], u right, v up; None without texture.
      uv_faces: (m, 3) indices into `uv`.
      texture: path of the texture image.
      colors: (n, 3) vertex colours in [0, 1].
      landmarks: (l, 3) positions.
      repairs: what cleaning changed, e.g. {"degenerate faces removed": 12}.
    """

    vertices: Float32[np.ndarray, "n 3"]
    faces: Int32[np.ndarray, "m 3"]
    uv: Float32[np.ndarray, "k 2"] | None = None
    uv_faces: Int32[np.ndarray, "m 3"] | None = None
    texture: pathlib.Path | None = None
    colors: Float32[np.ndarray, "n 3"] | None = None
    landmarks: Float32[np.ndarray, "l 3"] | None = None
    repairs: dict[str, int] = dataclasses.field(default_factory=dict)
