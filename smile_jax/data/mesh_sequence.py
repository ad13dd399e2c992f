"""Mesh files as a sequence, read when they are asked for."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

from smile_jax.mesh import Mesh, MeshError, read_mesh
from smile_jax.mesh.far_points import moved_to
from smile_jax.mesh.types import Material, scale_mesh


@dataclasses.dataclass(frozen=True)
class MeshFiles(Sequence[Mesh]):
    """Mesh files as a sequence, read when they are asked for.

    Attributes:
      paths: of the frames, in order.
      needs_texture: a file without its texture image cannot be used.
      unit_mm: millimetres of the files' unit; 0: by the size of the first one's face.
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
        if any(mesh.origin):
            mesh = moved_to(mesh, self._origin)
        return scale_mesh(mesh, self.unit_mm or self._unit)

    @functools.cached_property
    def _origin(self) -> tuple[float, float, float]:
        return read_mesh(self.paths[0], self.within).origin

    @functools.cached_property
    def _unit(self) -> float:
        # jax is slow to import, and files whose unit is known do without.
        from smile_jax.landmarking.face_units import unit_of

        try:
            return unit_of(read_mesh(self.paths[0], self.within))
        except MeshError as error:
            raise MeshError(f"{self.paths[0]}: {error}") from error


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
