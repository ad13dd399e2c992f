"""Meshes to views: readers, cleaning, cameras, rasteriser, dynamic images.

NumPy and numba only: nothing here imports jax or TensorFlow.
"""

from smile_jax.mesh.cameras import Framing, frame_mesh
from smile_jax.mesh.landmarks import Landmarks, read_landmarks
from smile_jax.mesh.rank_pooling import RankPooling, dynamic_image, rank_pooling_weights
from smile_jax.mesh.readers import read_mesh
from smile_jax.mesh.render import render_views
from smile_jax.mesh.types import Mesh, MeshError
from smile_jax.mesh.vertex_sequence import VertexSequence

__all__ = [
    "Framing",
    "Landmarks",
    "Mesh",
    "MeshError",
    "RankPooling",
    "VertexSequence",
    "dynamic_image",
    "frame_mesh",
    "rank_pooling_weights",
    "read_landmarks",
    "read_mesh",
    "render_views",
]
