"""Heads of people whom no run has seen, and ways to cut them, for experiments."""

import dataclasses
from collections.abc import Callable

import numpy as np
import trimesh

from smile_jax.faces import Difficulty, FaceModel
from smile_jax.faces.sampling import sample_clip, sample_subject
from smile_jax.mesh import Mesh
from smile_jax.mesh.face_crop import keep_faces

_LEVEL = 3  # of four intensities
_CHIN, _BROWS, _JAW, _TIP = 8, slice(17, 27), (0, 16), 30


def unseen_head(model: FaceModel, expression: str, seed: tuple[int, int]) -> Mesh:
    """Returns a person's expression as a scan."""
    rng, hard = np.random.default_rng(seed), Difficulty()
    level = 0 if expression == "neutral" else _LEVEL
    person = sample_subject(model, rng, hard)
    return sample_clip(model, person, expression, level, rng, hard, 1)[0]


def _landmarks(mesh: Mesh) -> np.ndarray:
    assert mesh.landmarks is not None
    return mesh.landmarks


def _without(mesh: Mesh, gone: np.ndarray) -> Mesh:
    cut = keep_faces(mesh, ~gone[mesh.faces].any(axis=1))
    used, places = np.unique(cut.faces, return_inverse=True)
    return dataclasses.replace(
        cut,
        vertices=np.ascontiguousarray(cut.vertices[used]),
        faces=places.reshape(-1, 3).astype(np.int32),
        colors=None if cut.colors is None else cut.colors[used],
    )


def _hair_line(mesh: Mesh) -> Mesh:
    """Without what lies 40 mm above the brows, as under a cap."""
    landmarks = _landmarks(mesh)
    return _without(mesh, mesh.vertices[:, 1] > landmarks[_BROWS, 1].mean() + 40)


def _neck(mesh: Mesh) -> Mesh:
    """Without what lies 20 mm below the chin."""
    landmarks = _landmarks(mesh)
    return _without(mesh, mesh.vertices[:, 1] < landmarks[_CHIN, 1] - 20)


def _ears(mesh: Mesh) -> Mesh:
    """Without what is behind the ends of the jaw line."""
    landmarks = _landmarks(mesh)
    behind = landmarks[list(_JAW), 2].mean()
    return _without(mesh, mesh.vertices[:, 2] < behind)


def _mask(mesh: Mesh) -> Mesh:
    """What lies within 100 mm of the nose's tip, as faces are cut for datasets."""
    landmarks = _landmarks(mesh)
    apart = np.linalg.norm(mesh.vertices - landmarks[_TIP], axis=1)
    return _without(mesh, apart > 100)


def _tight_mask(mesh: Mesh) -> Mesh:
    """What lies in an oval through the ends of the jaw line, the chin and the brows."""
    landmarks = _landmarks(mesh)
    low, high = landmarks[_CHIN, 1], landmarks[_BROWS, 1].mean() + 25
    wide = np.ptp(landmarks[list(_JAW), 0]) / 2
    x = (mesh.vertices[:, 0] - landmarks[_TIP, 0]) / wide
    y = (mesh.vertices[:, 1] - (low + high) / 2) / ((high - low) / 2 + 5)
    behind = mesh.vertices[:, 2] < landmarks[list(_JAW), 2].mean()
    return _without(mesh, (np.hypot(x, y) > 1) | behind)


def _shoulders(mesh: Mesh) -> Mesh:
    """On a neck and shoulders, which most families lack."""
    middle = _landmarks(mesh).mean(axis=0)
    neck = trimesh.creation.cylinder(52, 160).subdivide_to_size(15)
    neck.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0]))
    neck.apply_translation(np.add(middle, [0, -150, -75]))
    chest = trimesh.creation.icosphere(4)
    chest.apply_scale([215, 130, 115])
    chest.apply_translation(np.add(middle, [0, -310, -85]))
    return with_thing(mesh, trimesh.util.concatenate([neck, chest]))


def with_thing(mesh: Mesh, thing: trimesh.Trimesh) -> Mesh:
    """The mesh and something else, as one mesh."""
    points = np.concatenate([mesh.vertices, thing.vertices]).astype(np.float32)
    faces = np.concatenate([mesh.faces, thing.faces + len(mesh.vertices)])
    return Mesh(points, faces.astype(np.int32))


CROPS: dict[str, Callable[[Mesh], Mesh]] = {
    "neck": _neck,
    "hair line": _hair_line,
    "ears": _ears,
    "mask": _mask,
    "tight mask": _tight_mask,
    "shoulders": _shoulders,
}
