"""Mesh files as a sequence, read when they are asked for."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from smile_jax.mesh import Mesh, MeshError, read_mesh


@dataclasses.dataclass(frozen=True)
class MeshFiles(Sequence[Mesh]):
    """Mesh files as a sequence, read when they are asked for.

    Attributes:
      paths: of the frames, in order.
      needs_texture: a file without its texture image cannot be used.
      unit_mm: millimetres of the files' unit.
      textures: images to use where a mesh's own is not found, in the same order.

    Example:
      >>> MeshFiles([pathlib.Path("scan.obj")])[0].vertices.shape
      (26719, 3)
    """

    paths: Sequence[pathlib.Path]
    needs_texture: bool = False
    unit_mm: float = 1.0
    textures: Sequence[pathlib.Path | None] = ()

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index):
        path = self.paths[index]
        mesh = read_mesh(path)
        if mesh.texture is None and self.textures:
            mesh = dataclasses.replace(mesh, texture=self.textures[index])
        if self.needs_texture:
            check_texture(mesh, path)
        return scale_mesh(mesh, self.unit_mm)


def check_texture(mesh: Mesh, path: pathlib.Path) -> None:
    """Refuses a mesh whose texture channel would be plain grey.

    Raises:
      MeshError: what is missing.
    """
    if mesh.colors is not None or (mesh.uv is not None and mesh.texture is not None):
        return
    missing = (
        f"its texture image is not in {path.parent}; copy it there"
        if mesh.uv is not None
        else "it has neither texture coordinates nor colours"
    )
    raise MeshError(
        f"{path}: {missing}, or build with channels that do not need it "
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
