"""Faults of real scans, applied to generated heads in five strengths.

Light that the texture has kept, heads that are turned, things worn or held before a
face, faults of scanners. Kinds and strengths are this project's choice, after Hendrycks
and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions" (ICLR
2019). Lengths are millimetres; heads have vertex colours and Multi-PIE's 68 landmarks.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import trimesh
from jaxtyping import Bool, Float
from scipy.sparse import coo_matrix, diags
from scipy.spatial.transform import Rotation

from smile_jax.mesh.cameras import frame_mesh, project, view_rotation
from smile_jax.mesh.raster import vertex_normals
from smile_jax.mesh.render import render_views
from smile_jax.mesh.types import Mesh

STRENGTHS = (1, 2, 3, 4, 5)
_LIGHTS = 8  # directions, evenly around the head
_SHADOW_PIXELS, _SHADOW_MM = 256, 3.0  # of what a light sees; nearer casts none
_SKIN = np.array([0.76, 0.57, 0.47])
_EYES, _MOUTH = (slice(36, 42), slice(42, 48)), slice(48, 68)
_TIP, _CHIN, _BRIDGE = 30, 8, 27

Rng = np.random.Generator
Fault = Callable[[Mesh, int, Rng], Mesh]


def add_fault(mesh: Mesh, kind: str, strength: int, rng: Rng) -> Mesh:
    """A head with a fault.

    Args:
      mesh: with colours and landmarks, facing +z.
      kind: of `FAULTS`.
      strength: 1 to 5.
      rng: draws places and directions.
    """
    if strength not in STRENGTHS:
        raise ValueError(f"strength={strength}: must be one of {STRENGTHS}")
    if mesh.colors is None or mesh.landmarks is None:
        raise ValueError("a head without colours or landmarks, which faults need")
    return FAULTS[kind](mesh, strength, rng)


def _light(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """From one of eight sides; the stronger, the less of it is everywhere."""
    assert mesh.colors is not None
    angle = _side(rng)
    direction = np.array([np.cos(angle), np.sin(angle), 0.6])
    lambert = np.maximum(_normals(mesh) @ direction / np.linalg.norm(direction), 0)
    share = 0.2 * strength
    shade = (1 - share) + share * lambert
    return _colored(mesh, mesh.colors * shade[:, None])


def _shadows(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """Cast by the head on itself, lit from one of eight sides, 18 to 90 % darker."""
    assert mesh.colors is not None
    angle = _side(rng)
    yaw, pitch = 60 * np.cos(angle), 45 * np.sin(angle)
    framing, size = frame_mesh(mesh, margin=1.5), _SHADOW_PIXELS
    # What the light does not see is dark.
    seen = render_views(mesh, [yaw], size, pitch_deg=pitch, framing=framing)["depth"][0]
    rotation = view_rotation(yaw, pitch)
    points = project(mesh.vertices, rotation=rotation, framing=framing, size=size)
    column, row = points[:, :2].astype(int).clip(0, size - 1).T
    facing = _normals(mesh) @ rotation[2]
    # Where light grazes the skin, the next pixel is much nearer to it.
    near = _SHADOW_MM / facing.clip(0.1)
    dark = (facing <= 0) | (points[:, 2] < seen[row, column] - near)
    return _colored(mesh, mesh.colors * (1 - 0.18 * strength * dark)[:, None])


def _texture(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """Fades into one grey; gone at strength 5."""
    assert mesh.colors is not None
    share = strength / 5
    return _colored(mesh, (1 - share) * mesh.colors + share * mesh.colors.mean())


def _turned(axis: str) -> Fault:
    """Turns a head by 12 to 60 degrees about an axis, to either side."""

    def fault(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
        angle = 12.0 * strength * rng.choice([-1, 1])
        turn = Rotation.from_euler(axis, angle, degrees=True).as_matrix()
        assert mesh.landmarks is not None
        return dataclasses.replace(
            mesh,
            vertices=(mesh.vertices @ turn.T).astype(np.float32),
            landmarks=(mesh.landmarks @ turn.T).astype(np.float32),
        )

    return fault


def _noise(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """Moves every point off the surface, by 0.2 to 1 mm."""
    off = rng.normal(scale=0.2 * strength, size=(len(mesh.vertices), 1))
    return _moved(mesh, off * _normals(mesh))


def _spikes(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """0.2 to 1 % of the points far off it."""
    hit = rng.random(len(mesh.vertices)) < 0.002 * strength
    off = np.where(hit, rng.uniform(5, 25, len(hit)) * rng.choice([-1, 1]), 0)
    return _moved(mesh, off[:, None] * _normals(mesh))


def _holes(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """Cuts 2 to 10 holes into the face, 12 to 20 mm across."""
    assert mesh.landmarks is not None
    middle = mesh.vertices[mesh.faces].mean(axis=1)
    gone = np.zeros(len(middle), bool)
    for _ in range(2 * strength):
        place = mesh.landmarks[rng.integers(17, 68)] + rng.normal(scale=12, size=3)
        gone |= np.linalg.norm(middle - place, axis=1) < rng.uniform(6, 10)
    return _of_triangles(mesh, ~gone)


def _smoothing(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """Moves each point towards the mean of its neighbours, 4 to 64 times."""
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]]])
    edges = np.concatenate([edges, mesh.faces[:, [2, 0]]])
    both = np.concatenate([edges, edges[:, ::-1]])
    count = len(mesh.vertices)
    near = coo_matrix((np.ones(len(both)), both.T), shape=(count, count)).tocsr()
    near.data[:] = 1
    share = diags(1 / np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)) @ near
    points = mesh.vertices.astype(np.float64)
    for _ in range(2 ** (strength + 1)):
        points = 0.5 * points + 0.5 * (share @ points)
    lonely = np.asarray(near.sum(axis=1)).ravel() == 0
    return _moved(mesh, np.where(lonely[:, None], 0, points - mesh.vertices))


def _decimation(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """Keeps one point per cell of a grid, until 5,000 to 1,000 are left."""
    wanted = 6000 - 1000 * strength
    low, high = 0.5, 40.0
    for _ in range(20):
        cell = (low + high) / 2
        owner = _cells(mesh.vertices, cell)
        low, high = (cell, high) if owner.max() + 1 > wanted else (low, cell)
    owner = _cells(mesh.vertices, high)
    count = np.bincount(owner)
    assert mesh.colors is not None

    def mean(values: np.ndarray) -> np.ndarray:
        columns = [np.bincount(owner, values[:, k]) / count for k in range(3)]
        return np.stack(columns, axis=1).astype(np.float32)

    faces = owner[mesh.faces].astype(np.int32)
    whole = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return dataclasses.replace(
        mesh,
        vertices=mean(mesh.vertices),
        colors=mean(mesh.colors),
        faces=faces[whole],
    )


def _glasses(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """Rims around the eyes, 1 to 5 mm thick; dark glass from strength 4 on."""
    assert mesh.landmarks is not None
    parts = []
    for eye in _EYES:
        corners = mesh.landmarks[eye]
        place = corners.mean(axis=0) + np.array([0, 0, 14])
        radius = 0.5 * np.ptp(corners[:, 0]) + 8
        parts.append(trimesh.creation.torus(radius, 0.5 * strength))
        if strength >= 4:
            parts.append(trimesh.creation.cylinder(radius, 1.0))
        for part in parts[-2 if strength >= 4 else -1 :]:
            part.apply_translation(place)
    return _with_parts(mesh, parts, np.full(3, 0.05))


def _hand(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """1 to 5 fingers before mouth and cheek."""
    assert mesh.landmarks is not None
    mouth = mesh.landmarks[_MOUTH].mean(axis=0)
    side = rng.choice([-1, 1])
    parts = []
    for finger in range(strength):
        part = trimesh.creation.capsule(height=70, radius=8)
        part.apply_transform(
            trimesh.transformations.rotation_matrix(np.pi / 2 - 0.2 * side, [0, 1, 0])
        )
        part.apply_translation(mouth + np.array([side * 20, 26 - 15 * finger, 14]))
        part.apply_translation([-35, 0, 0])
        parts.append(part)
    return _with_parts(mesh, parts, _SKIN)


def _mask(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """Cloth from the chin up: to the mouth at strength 1, over the nose at 5."""
    assert mesh.landmarks is not None
    chin, bridge = mesh.landmarks[_CHIN], mesh.landmarks[_BRIDGE]
    top = chin[1] + (0.25 + 0.13 * strength) * (bridge[1] - chin[1])
    points = mesh.vertices
    front = points[:, 2] > chin[2] - 25
    return _covered(mesh, front & (points[:, 1] < top), 5.0, np.full(3, 0.9))


def _hair(mesh: Mesh, strength: int, rng: Rng) -> Mesh:
    """A fringe: of the forehead at strength 1, over the eyes at 5."""
    assert mesh.landmarks is not None
    eyes = mesh.landmarks[36:48].mean(axis=0)
    crown = mesh.vertices[:, 1].max()
    low = crown - (0.35 + 0.14 * strength) * (crown - eyes[1])
    return _covered(mesh, mesh.vertices[:, 1] > low, 6.0, np.array([0.2, 0.13, 0.08]))


FAULTS: dict[str, Fault] = {
    "light": _light,
    "shadows": _shadows,
    "texture": _texture,
    "yaw": _turned("y"),
    "pitch": _turned("x"),
    "noise": _noise,
    "spikes": _spikes,
    "holes": _holes,
    "smoothing": _smoothing,
    "decimation": _decimation,
    "glasses": _glasses,
    "hand": _hand,
    "mask": _mask,
    "hair": _hair,
}


def _side(rng: Rng) -> float:
    """Returns the direction of a light, in radians from the viewer's right."""
    return 2 * np.pi * rng.integers(_LIGHTS) / _LIGHTS


def _normals(mesh: Mesh) -> Float[np.ndarray, "n 3"]:
    return vertex_normals(mesh.vertices, mesh.faces.view(np.uint32))


def _colored(mesh: Mesh, colors: np.ndarray) -> Mesh:
    return dataclasses.replace(mesh, colors=colors.clip(0, 1).astype(np.float32))


def _moved(mesh: Mesh, by: np.ndarray) -> Mesh:
    vertices = (mesh.vertices + by).astype(np.float32)
    return dataclasses.replace(mesh, vertices=vertices)


def _of_triangles(mesh: Mesh, kept: Bool[np.ndarray, "m"]) -> Mesh:
    """Without some triangles, and the points that only they had."""
    assert mesh.colors is not None
    used, packed = np.unique(mesh.faces[kept], return_inverse=True)
    return dataclasses.replace(
        mesh,
        vertices=mesh.vertices[used],
        colors=mesh.colors[used],
        faces=packed.reshape(-1, 3).astype(np.int32),
    )


def _cells(points: np.ndarray, cell: float) -> np.ndarray:
    """The number of each point's cell among those that have some."""
    places = np.floor((points - points.min(axis=0)) / cell).astype(np.int64)
    _, owner = np.unique(places, axis=0, return_inverse=True)
    return owner.ravel()


def _covered(
    mesh: Mesh, where: Bool[np.ndarray, "n"], thick: float, color: np.ndarray
) -> Mesh:
    """Adds a layer of one colour above some points."""
    chosen = where[mesh.faces].all(axis=1)
    # Cloth and hair do not follow every fold.
    layer = _smoothing(_of_triangles(mesh, chosen), 4, np.random.default_rng(0))
    layer = _moved(layer, thick * _normals(layer))
    return _joined(mesh, layer.vertices, layer.faces, color)


def _with_parts(mesh: Mesh, parts: list[trimesh.Trimesh], color: np.ndarray) -> Mesh:
    for part in parts:
        mesh = _joined(mesh, part.vertices, part.faces, color)
    return mesh


def _joined(
    mesh: Mesh, vertices: np.ndarray, faces: np.ndarray, color: np.ndarray
) -> Mesh:
    assert mesh.colors is not None
    colors = np.tile(color, (len(vertices), 1))
    return dataclasses.replace(
        mesh,
        vertices=np.concatenate([mesh.vertices, vertices]).astype(np.float32),
        faces=np.concatenate([mesh.faces, faces + len(mesh.vertices)]).astype(np.int32),
        colors=np.concatenate([mesh.colors, colors]).astype(np.float32),
    )
