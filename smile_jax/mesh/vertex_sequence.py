"""Vertex sequences in `.npy` files, as VOCASET has them."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np

from smile_jax.mesh.cleaning import clean
from smile_jax.mesh.types import Mesh, MeshError


@dataclasses.dataclass(frozen=True)
class VertexSequence(Sequence[Mesh]):
    """The frames of a (t, n, 3) array as meshes with a template's triangles.

    The file is mapped, not loaded: a frame costs its own memory only.

    Attributes:
      path: `.npy` file of floats, (t, n, 3); (n, 3) is one frame.
      template: a mesh with the same n points, its triangles, colours and texture.
      unit_mm: millimetres of the file's unit.

    Raises:
      MeshError: on the first access, naming the file and the fault.

    Example:
      >>> frames = VertexSequence(Path("data_verts.npy"), read_mesh("FLAME.ply"))
      >>> len(frames), frames[0].vertices.shape
      (123341, (5023, 3))
    """

    path: pathlib.Path
    template: Mesh
    unit_mm: float = 1.0

    @functools.cached_property
    def _array(self) -> np.ndarray:
        path = self.path
        try:
            # Not `np.load`, which takes archives too.
            array = np.lib.format.open_memmap(path, mode="r")
        except Exception as error:  # NumPy's header parser raises many kinds
            raise MeshError(
                f"{path}: byte 0 to {_size(path)}: not a readable .npy array "
                f"({type(error).__name__}: {error}); it may be truncated or damaged"
            ) from error
        shape = array.shape if array.ndim == 3 else (1, *array.shape)
        points = len(self.template.vertices)
        if array.dtype.kind != "f" or shape[1:] != (points, 3) or not shape[0]:
            raise MeshError(
                f"{path}: byte 0: {array.dtype} {array.shape} is no sequence (t, "
                f"{points}, 3) of floats; choose the template that its points belong to"
            )
        return array.reshape(shape)

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, index):
        frame = self._array[index]
        with np.errstate(over="ignore", invalid="ignore"):
            vertices = np.array(frame, np.float32) * np.float32(self.unit_mm)
        mesh = dataclasses.replace(self.template, vertices=vertices, landmarks=None)
        return clean(mesh, f"{self.path}: frame {index}")


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.is_file() else 0
