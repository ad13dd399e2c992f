"""Parts of a scene, each with its place and its colour, as one mesh."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from smile_jax.mesh.types import Material, Mesh

_GREY = 0.5  # of points of a part without colours beside a part that has some


@dataclasses.dataclass(frozen=True)
class Part:
    """A mesh in a scene.

    Attributes:
      mesh: its own materials do not count.
      material: of all its faces.
      matrix: (4, 4) that places its points.
    """

    mesh: Mesh
    material: Material
    matrix: Float[np.ndarray, "4 4"]

    def placed(self) -> Mesh:
        """The mesh with its points where the scene has them."""
        if np.array_equal(self.matrix, np.eye(4)):
            return self.mesh
        turn, move = self.matrix[:3, :3], self.matrix[:3, 3]
        with np.errstate(over="ignore", invalid="ignore"):  # `clean` counts them
            vertices = self.mesh.vertices @ turn.T + move
            mirrored = np.linalg.det(turn) < 0
        faces, uv_faces = self.mesh.faces, self.mesh.uv_faces
        if mirrored:
            faces = np.ascontiguousarray(faces[:, ::-1])
            if uv_faces is not None:
                uv_faces = np.ascontiguousarray(uv_faces[:, ::-1])
        return dataclasses.replace(
            self.mesh, vertices=vertices, faces=faces, uv_faces=uv_faces
        )


def join(parts: Sequence[Part]) -> Mesh:
    """Joins the parts of a scene.

    Where some have texture coordinates, the others' are 0; where some have colours, the
    others' are those of their material.

    Args:
      parts: at least one.
    """
    materials = tuple(dict.fromkeys(part.material for part in parts))
    meshes = [part.placed() for part in parts]
    repairs: dict[str, int] = {}
    for mesh in meshes:
        for name, count in mesh.repairs.items():
            repairs[name] = repairs.get(name, 0) + count
    if len(parts) == 1:
        return dataclasses.replace(meshes[0], materials=materials, repairs=repairs)
    points = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    uv = uv_faces = colors = None
    if any(mesh.uv is not None for mesh in meshes):
        none = np.zeros((1, 2), np.float32)
        corners = [none if mesh.uv is None else mesh.uv for mesh in meshes]
        starts = np.cumsum([0, *map(len, corners)])
        rows = [
            np.zeros_like(mesh.faces) if mesh.uv_faces is None else mesh.uv_faces
            for mesh in meshes
        ]
        uv = np.concatenate(corners)
        shifted = [row + k for row, k in zip(rows, starts, strict=False)]
        uv_faces = np.concatenate(shifted).astype(np.int32)
    if any(mesh.colors is not None for mesh in meshes):
        colors = np.concatenate(
            [
                np.full(mesh.vertices.shape, part.material.color or _GREY, np.float32)
                if mesh.colors is None
                else mesh.colors
                for mesh, part in zip(meshes, parts, strict=True)
            ]
        )
    faces = [m.faces + n for m, n in zip(meshes, points, strict=False)]
    number = {material: i for i, material in enumerate(materials)}
    of_part = [number[part.material] for part in parts]
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        faces=np.concatenate(faces).astype(np.int32),
        uv=uv,
        uv_faces=uv_faces,
        materials=materials,
        face_materials=None
        if len(materials) == 1
        else np.repeat(of_part, [len(m.faces) for m in meshes]).astype(np.int32),
        colors=colors,
        repairs=repairs,
    )
