"""Repairs that are safe to make and counted, and faults that are not."""

import dataclasses

import numpy as np

from smile_jax.mesh.far_points import far_points
from smile_jax.mesh.point_merging import merge_points
from smile_jax.mesh.types import Mesh, MeshError

# Share of faces that repairs may remove before the file counts as broken
# (this project's choice).
MAX_REMOVED_FACES = 0.05


def clean(mesh: Mesh, name: str) -> Mesh:
    """Merges duplicate points and drops unusable faces; counts both in `repairs`.

    Args:
      mesh: as parsed; indices unchecked.
      name: file name for messages.

    Returns:
      A mesh whose vertices are finite and distinct and whose faces have three
      distinct corners. Points that only broken faces used are dropped.

    Raises:
      MeshError: no points or faces, face indices out of range, or more than
        5 % of the faces unusable.
    """
    _check(mesh, name)
    vertices, faces = mesh.vertices, mesh.faces
    repairs = dict(mesh.repairs)
    finite = np.isfinite(vertices).all(axis=1)
    repairs["non-finite points removed"] = int((~finite).sum())
    far = far_points(vertices) & finite
    repairs["points far from all others removed"] = int(far.sum())
    broken = ~finite[faces].all(axis=1)
    usable = ~broken & ~far[faces].any(axis=1)

    # Infinities compare equal, so all broken points become one, which is dropped.
    solid = vertices if finite.all() else np.where(finite[:, None], vertices, np.inf)
    first, merged = merge_points(np.ascontiguousarray(solid, np.float32))
    repairs["duplicate points merged"] = int(finite.sum() - finite[first].sum())
    faces = merged[faces]
    distinct = (
        (faces[:, 0] != faces[:, 1])
        & (faces[:, 1] != faces[:, 2])
        & (faces[:, 2] != faces[:, 0])
    )
    repairs["faces on non-finite points removed"] = int(broken.sum())
    repairs["degenerate faces removed"] = int((usable & ~distinct).sum())
    keep = usable & distinct
    if keep.mean() < 1 - MAX_REMOVED_FACES:
        found = ", ".join(f"{k}: {v}" for k, v in repairs.items() if v)
        raise MeshError(
            f"{name}: {(~keep).sum()} of {len(keep)} faces are unusable ({found}); "
            f"more than {MAX_REMOVED_FACES:.0%} means a damaged file, export it again"
        )
    points = (finite & ~far)[first]
    renumber = np.cumsum(points) - 1
    kept = first[points]
    uv = mesh.uv
    if uv is not None and not np.isfinite(uv).all():
        repairs["non-finite texture coordinates set to 0"] = int(
            (~np.isfinite(uv)).any(axis=1).sum()
        )
        uv = np.nan_to_num(uv, nan=0.0, posinf=0.0, neginf=0.0)
    corners = None if mesh.uv_faces is None else mesh.uv_faces[keep]
    if uv is not None and corners is not None:
        uv, corners = _in_first_tile(uv, corners)
    return dataclasses.replace(
        mesh,
        vertices=np.ascontiguousarray(vertices[kept]),
        faces=np.ascontiguousarray(renumber[faces[keep]], dtype=np.int32),
        uv=uv,
        uv_faces=corners,
        face_materials=None
        if mesh.face_materials is None
        else mesh.face_materials[keep],
        colors=None if mesh.colors is None else mesh.colors[kept],
        repairs={k: v for k, v in repairs.items() if v},
    )


def _in_first_tile(
    uv: np.ndarray, corners: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Moves triangles of repeated images by whole tiles to where the image is."""
    if not len(uv) or (uv.min() >= 0 and uv.max() <= 1):
        return uv, corners
    middle = uv[corners].mean(axis=1)
    tile = np.floor(middle).astype(np.float32)
    tile[(middle >= 0) & (middle <= 1)] = 0
    outside = tile.any(axis=1)
    if not outside.any():
        return uv, corners
    moved = uv[corners[outside]] - tile[outside][:, None]
    corners = corners.copy()
    added = len(uv) + np.arange(3 * outside.sum(), dtype=np.int32)
    corners[outside] = added.reshape(-1, 3)
    return np.concatenate([uv, moved.reshape(-1, 2).astype(np.float32)]), corners


def _check(mesh: Mesh, name: str) -> None:
    """Refuses what no repair can mend: an empty mesh, or indices that lead nowhere.

    Raises:
      MeshError: saying which.
    """
    vertices, faces = mesh.vertices, mesh.faces
    if len(vertices) and not len(faces):
        raise MeshError(
            f"{name}: has no faces; it is a point cloud of {len(vertices)} points"
        )
    if not len(vertices):
        raise MeshError(
            f"{name}: empty mesh ({len(vertices)} points, {len(faces)} faces); "
            "the file may be truncated, export it again"
        )
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise MeshError(
            f"{name}: face index {faces.min() if faces.min() < 0 else faces.max()} is "
            f"outside 0..{len(vertices) - 1}; the file is truncated or damaged"
        )
    corners = mesh.uv_faces
    if (
        corners is not None
        and mesh.uv is not None
        and not (corners.min() >= 0 and corners.max() < len(mesh.uv))
    ):
        raise MeshError(
            f"{name}: texture index {corners.max()} is outside 0..{len(mesh.uv) - 1}; "
            "the file is truncated or damaged"
        )
