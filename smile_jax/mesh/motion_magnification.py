"""Motion magnified in the geometry: x_0 + (1 + a) (x_t - x_0).

After Wu et al., "Eulerian Video Magnification", SIGGRAPH 2012, on points in place of
pixels. For scans in correspondence: the head's own motion is taken off, what is left is
averaged over the skin around each point (a scanner's noise would be magnified too), and
its course is passed through a band of frequencies.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32
from scipy.signal import butter, sosfiltfilt

from smile_jax.mesh.cameras import frame_mesh
from smile_jax.mesh.displacement import Displacement
from smile_jax.mesh.types import Mesh, MeshError


@dataclasses.dataclass(frozen=True)
class MagnifiedSequence(Sequence[Mesh]):
    """A sequence with its motion magnified; all of it is read at once.

    Attributes:
      frames: in correspondence.
      more: a; 0 takes only the head's motion off.
      rate_hz: frames a second; 0 where that is not known, and then all passes.
      band_hz: lowest and highest frequency that passes; 0 and inf let all pass.

    Raises:
      MeshError: frames are not in correspondence, where they are taken.
    """

    frames: Sequence[Mesh]
    more: float
    rate_hz: float
    band_hz: tuple[float, float]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index):
        vertices = self._first.vertices + (1 + self.more) * self._moved[index]
        # Landmarks are of the face as it was.
        return dataclasses.replace(
            self.frames[index], vertices=vertices.astype(np.float32), landmarks=None
        )

    @functools.cached_property
    def _first(self) -> Mesh:
        return self.frames[0]

    @functools.cached_property
    def _moved(self) -> Float32[np.ndarray, "t n 3"]:
        """Movement of every point in every frame, without the head's."""
        first = self._first
        look = Displacement(first, frame_mesh(first))
        moved = np.empty((len(self.frames), *first.vertices.shape), np.float32)
        for i in range(len(self.frames)):
            mesh = self.frames[i]
            if not look.alike(mesh):
                raise MeshError(
                    f"frame {i} has other points or triangles than the first: motion "
                    "is magnified in meshes in correspondence alone; set magnify=0"
                )
            moved[i] = look.of_points(mesh)
        return self._passed(moved)

    def _passed(self, moved: np.ndarray) -> np.ndarray:
        low, high = self.band_hz
        nyquist = self.rate_hz / 2
        if not self.rate_hz or (low <= 0 and high >= nyquist) or len(moved) < 4:
            return moved
        edges: Any
        if low <= 0:
            kind, edges = "lowpass", high / nyquist
        elif high >= nyquist:
            kind, edges = "highpass", low / nyquist
        else:
            kind, edges = "bandpass", np.array([low, high]) / nyquist
        sections = butter(2, edges, kind, output="sos")
        padding = min(len(moved) - 1, round(self.rate_hz / 2))
        passed = sosfiltfilt(sections, moved, axis=0, padlen=padding)
        return (passed - passed[:1]).astype(np.float32)
