"""Closed-form meshes and small files."""

import numpy as np

from smile_jax.mesh import Mesh


def mesh(vertices, faces, **fields) -> Mesh:
    return Mesh(np.array(vertices, np.float32), np.array(faces, np.int32), **fields)


def sphere(radius: float = 50.0, n: int = 200) -> Mesh:
    theta, phi = np.meshgrid(np.linspace(0, np.pi, n), np.linspace(0, 2 * np.pi, 2 * n))
    points = radius * np.stack(
        [np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)], -1
    )
    index = np.arange(points.size // 3).reshape(theta.shape)
    a, b = index[:-1, :-1].ravel(), index[1:, :-1].ravel()
    c, d = index[1:, 1:].ravel(), index[:-1, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    corners = points.reshape(-1, 3)[faces]
    outward = np.einsum(
        "fi,fi->f",
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]),
        corners.mean(axis=1),
    )
    faces[outward < 0] = faces[outward < 0][:, ::-1]
    return mesh(points.reshape(-1, 3), faces)


def quad(half: float = 50.0, z: float = 0.0, **fields) -> Mesh:
    """A square facing +z."""
    corners = [[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]]
    return mesh(corners, [[0, 1, 2], [0, 2, 3]], **fields)


CUBE_OBJ = """\
v -1 -1 -1
v 1 -1 -1
v 1 1 -1
v -1 1 -1
v -1 -1 1
v 1 -1 1
v 1 1 1
v -1 1 1
f 1 4 3 2
f 5 6 7 8
f 1 2 6 5
f 2 3 7 6
f 3 4 8 7
f 4 1 5 8
"""
