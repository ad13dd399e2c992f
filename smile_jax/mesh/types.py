"""The mesh that every reader returns and every later stage takes."""

import dataclasses
import pathlib

import numpy as np
from jaxtyping import Float, Float32, Int32


class MeshError(ValueError):
    """A mesh file cannot be used; the message names the file and the fault."""


@dataclasses.dataclass(frozen=True)
class EmbeddedImage:
    """An image that lies inside of a mesh file.

    Attributes:
      name: of the file and the image, for messages.
      content: the image file's bytes.
    """

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name


ImageSource = pathlib.Path | EmbeddedImage


@dataclasses.dataclass(frozen=True)
class Material:
    """The colour of some faces of a mesh.

    Attributes:
      image: over the texture coordinates; None where there is none.
      color: red, green and blue in [0, 1] as a screen shows them: the faces' own where
        they have neither image nor vertex colours, and None where it is not known.
      tint: linear red, green and blue that multiply the image.
    """

    image: ImageSource | None = None
    color: tuple[float, float, float] | None = None
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Mesh:
    """A triangle mesh in the frame of `smile_jax.mesh.cameras` (mm, y up, z forward).

    Texture coordinates are per corner (`uv_faces` indexes `uv`), so a UV seam never
    splits a vertex and smooth normals stay smooth across it.

    Attributes:
      vertices: (n, 3) positions; float32, but for what a reader has just parsed.
      faces: (m, 3) vertex indices, counter-clockwise seen from outside.
      uv: (k, 2) texture coordinates in [0, 1], u right, v up; None without texture.
      uv_faces: (m, 3) indices into `uv`.
      materials: of the faces; () where the file has none.
      face_materials: (m,) which of them each face has; None: all have the first.
      colors: (n, 3) vertex colours in [0, 1], of faces without an image.
      landmarks: (l, 3) positions.
      origin: that the file's coordinates are counted from; where these are so large
        that float32 would round them, the mesh was moved near to 0.
      repairs: what cleaning changed, e.g. {"degenerate faces removed": 12}.
      notes: lines on what the file holds and was not read.
      texture_notes: lines on images and materials that it names and were not found.
    """

    vertices: Float[np.ndarray, "n 3"]
    faces: Int32[np.ndarray, "m 3"]
    uv: Float32[np.ndarray, "k 2"] | None = None
    uv_faces: Int32[np.ndarray, "m 3"] | None = None
    materials: tuple[Material, ...] = ()
    face_materials: Int32[np.ndarray, "m"] | None = None
    colors: Float32[np.ndarray, "n 3"] | None = None
    landmarks: Float32[np.ndarray, "l 3"] | None = None
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    repairs: dict[str, int] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    texture_notes: tuple[str, ...] = ()

    @property
    def used_materials(self) -> tuple[Material, ...]:
        """The materials that its faces have."""
        if self.face_materials is None:
            return self.materials[:1]
        return tuple(self.materials[i] for i in np.unique(self.face_materials))

    @property
    def images(self) -> tuple[ImageSource, ...]:
        """The texture images that its faces show, each once."""
        if self.uv is None:
            return ()
        found = (m.image for m in self.used_materials if m.image is not None)
        return tuple(dict.fromkeys(found))

    def without_materials(self) -> "Mesh":
        """The mesh in its points' colours, or grey."""
        return dataclasses.replace(self, materials=(), face_materials=None)

    @property
    def has_texture(self) -> bool:
        """Whether its faces may differ in colour: by images, points or materials."""
        plain = {material.color for material in self.used_materials}
        return bool(self.images) or self.colors is not None or len(plain) > 1


def scale_mesh(mesh: Mesh, factor: float) -> Mesh:
    """The mesh with lengths multiplied."""
    if factor == 1.0:
        return mesh
    scale = np.float32(factor)
    landmarks = mesh.landmarks
    x, y, z = (c * factor for c in mesh.origin)
    return dataclasses.replace(
        mesh,
        vertices=mesh.vertices * scale,
        landmarks=None if landmarks is None else landmarks * scale,
        origin=(x, y, z),
    )
