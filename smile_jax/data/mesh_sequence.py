"""Mesh files as a sequence, read when they are asked for."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from smile_jax.mesh import Mesh, MeshError, read_mesh
from smile_jax.mesh.types import Material
from smile_jax.mesh.unit_guess import guess_unit_mm


@dataclasses.dataclass(frozen=True)
class MeshFiles(Sequence[Mesh]):
    """Mesh files as a sequence, read when they are asked for.

    Attributes:
      paths: of the frames, in order.
      needs_texture: a file without its texture image cannot be used.
      unit_mm: millimetres of the files' unit; 0: guessed for each by its size.
      textures: images to use where a mesh's own is not found, in the same order.
      within: folder outside of which nothing that a mesh names is opened; see
        `read_mesh`.

    Example:
      >>> MeshFiles([pathlib.Path("scan.obj")])[0].vertices.shape
      (26719, 3)
    """

    paths: Sequence[pathlib.Path]
    needs_texture: bool = False
    unit_mm: float = 1.0
    textures: Sequence[pathlib.Path | None] = ()
    within: pathlib.Path | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index):
        path = self.paths[index]
        mesh = read_mesh(path, self.within)
        other = self.textures[index] if self.textures else None
        if other is not None and not mesh.images:
            mesh = dataclasses.replace(
                mesh, materials=(Material(other),), face_materials=None
            )
        if self.needs_texture:
            check_texture(mesh, path)
        return scale_mesh(mesh, self.unit_mm or unit_of(mesh, path))


def unit_of(mesh: Mesh, path: pathlib.Path) -> float:
    """The unit of a file in mm, by the head's size.

    Raises:
      MeshError: it is no head in any usual unit; naming the file.
    """
    try:
        return guess_unit_mm(mesh)
    except MeshError as error:
        raise MeshError(f"{path}: {error}") from error


def check_texture(mesh: Mesh, path: pathlib.Path) -> None:
    """Refuses a mesh whose texture channel would be of one colour.

    Raises:
      MeshError: what is missing.
    """
    if mesh.has_texture:
        return
    missing = "it has neither texture coordinates nor colours"
    if mesh.uv is not None:
        missing = (
            "; ".join(mesh.texture_notes) or "it has texture coordinates, and no image"
        )
    raise MeshError(
        f"{path}: {missing}; mend that, or build with channels that do not need it "
        '("channels": ["depth", "normals"])'
    )


def scale_mesh(mesh: Mesh, factor: float) -> Mesh:
    """The mesh with lengths multiplied."""
    if factor == 1.0:
        return mesh
    scale = np.float32(factor)
    landmarks = mesh.landmarks
    return dataclasses.replace(
        mesh,
        vertices=mesh.vertices * scale,
        landmarks=None if landmarks is None else landmarks * scale,
    )
