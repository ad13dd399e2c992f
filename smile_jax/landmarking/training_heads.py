"""The heads that the landmarker learns from, with everything that scanners do to them.

People, actions and pigments come from a face model; on top of it heads are stretched
and bent, cut at the neck, scanned from the front at any resolution, get hair, glasses,
holes, noise and spikes, lose their colours, and are turned. Some are no faces at all.
Every number is this project's choice.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float16, Float32
from scipy.spatial.transform import Rotation

from smile_jax.faces.families.catalogue import load_face_model
from smile_jax.faces.families.face_model import FaceModel
from smile_jax.faces.randomization import bend
from smile_jax.faces.sampling import Difficulty, Subject, sample_subject
from smile_jax.faces.scanner import scan_head
from smile_jax.landmarking.landmark_pose import YAWS_DEG, pose_of
from smile_jax.landmarking.rendered_inputs import (
    GREY,
    SIZE,
    Pictures,
    take_pictures,
)
from smile_jax.mesh import Framing, Mesh, frame_mesh
from smile_jax.mesh.bosphorus import grid_faces
from smile_jax.mesh.pose import frontalize
from smile_jax.mesh.raster import vertex_normals

_NO_FACE = 0.12  # share of samples
_HIDDEN_MM = 8.0  # a landmark so far behind what is seen there is hidden
_REACH = 3  # pixels, across which a hole may be

Points = Float32[np.ndarray, "68 3"]


@dataclasses.dataclass(frozen=True)
class Sample:
    """Views of one head: V turned to the front, and one more as it was scanned.

    Attributes:
      images: (V + 1, S, S, 6).
      pixels: (V + 1, 68, 2) column and row of each landmark.
      seen: (V + 1, 68) whether it is to be seen.
    """

    images: Float16[np.ndarray, "V S S C"]
    pixels: Float32[np.ndarray, "V L 2"]
    seen: Bool[np.ndarray, "V L"]


def make_sample(seed: int, sources: Sequence[str]) -> Sample:
    """Draws a head or something else.

    Args:
      seed: of everything.
      sources: face models to draw from, see `load_face_model`.
    """
    rng = np.random.default_rng(seed)
    model = load_face_model(sources[int(rng.integers(len(sources)))])
    if rng.random() < _NO_FACE:
        return _pictures_of(non_face_mesh(model, rng), None, rng)
    return _pictures_of(*scanned_head(model, rng), rng)


def scanned_head(model: FaceModel, rng: np.random.Generator) -> tuple[Mesh, Points]:
    """A head as a scanner delivers it, and where its landmarks are."""
    mesh, points = _head(model, rng)
    turn = _turn(rng, wide=rng.random() < 0.5)
    mesh, points = _turned(mesh, turn), points @ turn.T
    if rng.random() < 0.6:
        mesh = _scan(mesh, points, rng)
    if rng.random() < 0.5:
        mesh = dataclasses.replace(mesh, colors=None)
    return _faulty(mesh, rng), points.astype(np.float32)


def _head(model: FaceModel, rng: np.random.Generator) -> tuple[Mesh, Points]:
    subject = sample_subject(model, rng, Difficulty(identity=1.2))
    actions = {
        name: float(rng.uniform()) for name in model.actions if rng.random() < 0.25
    }
    vertices = model.acting(subject.person.rest, actions)
    stretch = rng.uniform(0.92, 1.08, size=3)
    bent = bend(vertices, rng, 1.8, (70, 250))
    vertices = (bent + (stretch - 1) * vertices).astype(np.float32)
    faces = model.faces
    points = vertices[model.landmarks]
    if rng.random() < 0.5:  # cut below the chin
        low = vertices[:, 1] < points[8, 1] - rng.uniform(0, 60)
        faces = faces[~low[faces].any(axis=1)]
    light = rng.standard_normal(3) + np.array([0, 0, 2])
    lit = np.maximum(vertex_normals(vertices, faces) @ _unit(light), 0)
    shade = 1 - rng.uniform(0, 0.6) * (1 - lit)
    mesh = Mesh(vertices, faces, colors=_colors(subject, shade))
    if rng.random() < 0.3:
        mesh = _joined(mesh, _hair(mesh, points, rng))
    if rng.random() < 0.2:
        mesh = _joined(mesh, _glasses(points, rng))
    return mesh, points


def _colors(subject: Subject, shade: np.ndarray) -> np.ndarray:
    return (subject.colors * shade[:, None]).astype(np.float32)


def _turn(rng: np.random.Generator, wide: bool) -> np.ndarray:
    if wide:
        angles = rng.uniform(-1, 1, size=3) * (45, 30, 30)
    else:
        angles = 7 * rng.standard_normal(3)
    return Rotation.from_euler("yxz", angles, degrees=True).as_matrix()


def _turned(mesh: Mesh, turn: np.ndarray) -> Mesh:
    vertices = np.ascontiguousarray(mesh.vertices @ turn.T, np.float32)
    return dataclasses.replace(mesh, vertices=vertices)


def _scan(mesh: Mesh, points: Points, rng: np.random.Generator) -> Mesh:
    """Returns what a scanner sees from the front, at any resolution and cut."""
    middle = points.mean(axis=0) + 6 * rng.standard_normal(3)
    x, y, z = (float(c) for c in middle)
    scan = scan_head(
        mesh,
        framing=Framing((x, y, z), float(rng.uniform(180, 340))),
        points=int(np.exp(rng.uniform(np.log(1500), np.log(30000)))),
        texture_size=SIZE,
        crop=0.97 if rng.random() < 0.4 else None,
    )
    made = scan.mesh()
    if made.uv is None or len(made.faces) < 100:
        return mesh
    pixels = (made.uv * [1, -1] + [0, 1]) * (SIZE - 1)
    columns, rows = pixels.round().astype(int).T
    colors = scan.texture[rows, columns].astype(np.float32) / 255
    return Mesh(made.vertices, made.faces, colors=colors)


def _faulty(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Adds noise, spikes and holes."""
    vertices = mesh.vertices.copy()
    n = len(vertices)
    vertices[:, 2] += rng.uniform(0, 0.7) * rng.standard_normal(n)
    if rng.random() < 0.3:
        spiked = rng.random(n) < rng.uniform(0, 0.004)
        vertices[spiked, 2] += rng.uniform(-40, 40, size=spiked.sum())
    kept = np.ones(len(mesh.faces), bool)
    for _ in range(rng.poisson(1.0)):
        middle = vertices[rng.integers(n)]
        inside = np.linalg.norm(vertices - middle, axis=1) < rng.uniform(2, 14)
        kept &= ~inside[mesh.faces].any(axis=1)
    if kept.mean() < 0.5:  # of coarse meshes little would be left
        kept[:] = True
    faces = np.ascontiguousarray(mesh.faces[kept])
    return dataclasses.replace(mesh, vertices=vertices, faces=faces)


def _hair(mesh: Mesh, points: Points, rng: np.random.Generator) -> Mesh:
    """A rough shell over the skull, down to the brows or over the cheeks at times."""
    brow, temple = points[17:27, 1].max(), np.abs(points[[0, 16], 0]).mean()
    above = mesh.vertices[:, 1] > brow + rng.uniform(-2, 45)
    if rng.random() < 0.5:
        above |= np.abs(mesh.vertices[:, 0]) > temple * rng.uniform(0.9, 1.1)
    faces = mesh.faces[above[mesh.faces].all(axis=1)]
    normals = vertex_normals(mesh.vertices, mesh.faces)
    rough = rng.uniform(3, 20) + 2 * rng.standard_normal((len(mesh.vertices), 1))
    color = np.full(3, rng.uniform(0.02, 0.6), np.float32)
    return Mesh(
        (mesh.vertices + rough * normals).astype(np.float32),
        np.ascontiguousarray(faces),
        colors=np.tile(color, (len(mesh.vertices), 1)),
    )


def _glasses(points: Points, rng: np.random.Generator) -> Mesh:
    """Two rims before the eyes and a bridge, at times with what looks like lenses."""
    rims = []
    ahead = rng.uniform(8, 16)
    radius, thick = rng.uniform(18, 27), rng.uniform(1, 3)
    for eye in (slice(36, 42), slice(42, 48)):
        rim = _ring(radius, thick if rng.random() < 0.8 else radius / 2)
        middle = points[eye].mean(axis=0) + np.array([0, -2, ahead])
        vertices = (rim.vertices + middle).astype(np.float32)
        rims.append(dataclasses.replace(rim, vertices=vertices))
    color = np.full(3, rng.uniform(0, 0.5), np.float32)
    both = _joined(*rims)
    return dataclasses.replace(both, colors=np.tile(color, (len(both.vertices), 1)))


def _ring(radius: float, thick: float) -> Mesh:
    """A torus across z."""
    around, tube = np.meshgrid(
        np.linspace(0, 2 * np.pi, 25), np.linspace(0, 2 * np.pi, 7), indexing="ij"
    )
    far = radius + thick * np.cos(tube)
    x, y = far * np.cos(around), far * np.sin(around)
    vertices = np.stack([x, y, min(thick, 3.0) * np.sin(tube)], axis=-1)
    faces = grid_faces(np.ones(around.shape, bool))
    return Mesh(vertices.reshape(-1, 3).astype(np.float32), faces)


def _joined(first: Mesh, second: Mesh) -> Mesh:
    vertices = np.concatenate([first.vertices, second.vertices])
    faces = np.concatenate([first.faces, second.faces + len(first.vertices)])
    colors = None
    if first.colors is not None and second.colors is not None:
        colors = np.concatenate([first.colors, second.colors])
    return Mesh(vertices, faces.astype(np.int32), colors=colors)


def non_face_mesh(model: FaceModel, rng: np.random.Generator) -> Mesh:
    """A mesh of a head's size that shows no face."""
    kinds: tuple[Callable, ...] = (_blob, _blob, _box, _relief, _wrong_way)
    mesh = kinds[rng.integers(len(kinds))](model, rng)
    return _faulty(mesh, rng)


def _blob(model: FaceModel, rng: np.random.Generator) -> Mesh:
    """A sphere, an ellipsoid, a limb, with bumps or without."""
    turn, height = np.meshgrid(
        np.linspace(0, 2 * np.pi, 61), np.linspace(-1, 1, 41), indexing="ij"
    )
    across = np.sqrt(1 - height**2) if rng.random() < 0.6 else np.ones_like(height)
    axes = rng.uniform(40, 140, size=3)
    shape = np.stack([across * np.cos(turn), height, across * np.sin(turn)], axis=-1)
    vertices = (shape * axes).reshape(-1, 3)
    if rng.random() < 0.7:
        vertices = _waves(vertices, rng)
    mesh = Mesh(vertices.astype(np.float32), grid_faces(np.ones(turn.shape, bool)))
    return _turned(mesh, Rotation.random(random_state=rng).as_matrix())


def _box(model: FaceModel, rng: np.random.Generator) -> Mesh:
    corners = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    vertices = corners * rng.uniform(50, 130, size=3)
    quads = [
        (0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4),
        (1, 3, 7, 5),
    ]  # fmt: skip
    faces = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    mesh = Mesh(vertices.astype(np.float32), np.array(faces, np.int32))
    return _turned(mesh, Rotation.random(random_state=rng).as_matrix())


def _relief(model: FaceModel, rng: np.random.Generator) -> Mesh:
    """A sheet with hills, such as the back of a chair or a hand's."""
    side = np.linspace(-1, 1, 50) * rng.uniform(80, 150)
    x, y = np.meshgrid(side, side)
    bend = rng.uniform(0, 0.006)
    flat = np.stack([x, y, -bend * (x**2 + y**2)], axis=-1).reshape(-1, 3)
    vertices = _waves(flat, rng)
    return Mesh(vertices.astype(np.float32), grid_faces(np.ones(x.shape, bool)))


def _waves(vertices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out = vertices.copy()
    for _ in range(rng.integers(1, 12)):
        length = rng.uniform(15, 150)
        wave = _unit(rng.standard_normal(3)) * 2 * np.pi / length
        swing = 0.06 * length * rng.standard_normal(3)
        out += np.sin(vertices @ wave + rng.uniform(0, 6.3))[:, None] * swing
    return out


def _wrong_way(model: FaceModel, rng: np.random.Generator) -> Mesh:
    """A head from behind or upside down."""
    mesh, _ = _head(model, rng)
    axis = "y" if rng.random() < 0.5 else "z"
    half = Rotation.from_euler(axis, 180 + rng.uniform(-40, 40), degrees=True)
    turned = _turned(mesh, half.as_matrix())
    # From the front, as a scanner sees it: what was the face is out of sight.
    return _scan(turned, turned.vertices[model.landmarks] * [1, 1, -1], rng)


def _pictures_of(mesh: Mesh, points: Points | None, rng: np.random.Generator) -> Sample:
    if points is None:
        x, y, z = (float(c) for c in mesh.vertices.mean(axis=0))
        close = Framing((x, y, z), float(rng.uniform(150, 260)))
        points = np.full((68, 3), np.nan)
        front, front_points = mesh, points
    else:
        pose = pose_of(points)
        slip = Rotation.from_euler("yxz", 4 * rng.standard_normal(3), degrees=True)
        rotation = (pose.rotation @ slip.as_matrix()).astype(np.float32)
        pose = dataclasses.replace(pose, rotation=rotation)
        front = frontalize(dataclasses.replace(mesh, landmarks=points), pose)
        assert front.landmarks is not None
        front_points = front.landmarks
        close = _jittered(pose.framing, rng)
    whole = _jittered(frame_mesh(mesh, margin=float(rng.uniform(0.9, 1.25))), rng)
    made = [
        _views(take_pictures(front, YAWS_DEG, close), front_points, rng),
        _views(take_pictures(mesh, (0.0,), whole), points, rng),
    ]
    images, pixels, seen = (np.concatenate(parts) for parts in zip(*made, strict=True))
    return Sample(images.astype(np.float16), pixels.astype(np.float32), seen)


def _views(
    pictures: Pictures, points: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    images = pictures.images
    there = images[..., 5:] > 0
    grey = images[..., GREY]
    if grey.any():  # another exposure
        grey = np.clip(grey * rng.uniform(0.5, 1.5) + rng.uniform(-0.15, 0.15), 0.02, 1)
        images[..., GREY] = np.where(there, grey, 0)
    if not np.isfinite(points).all():
        views = len(images)
        return images, np.zeros((views, 68, 2)), np.zeros((views, 68), bool)
    where = pictures.pixels_of(points)
    return images, where[..., :2], _seen(pictures, where)


def _seen(pictures: Pictures, where: np.ndarray) -> np.ndarray:
    """Which landmarks lie in the picture, on or near what is seen."""
    seen = np.zeros(where.shape[:2], bool)
    for v, points in enumerate(where):
        mask, depth = pictures.mask[v], pictures.depth[v]
        for i, (column, row, z) in enumerate(points):
            c, r = int(column), int(row)
            if not (0 <= c < SIZE and 0 <= r < SIZE):
                continue
            if mask[r, c] and depth[r, c] > z + _HIDDEN_MM:
                continue
            window = np.s_[max(r - _REACH, 0) : r + _REACH + 1,
                           max(c - _REACH, 0) : c + _REACH + 1]  # fmt: skip
            near = np.abs(depth[window][mask[window]] - z) < _HIDDEN_MM
            seen[v, i] = near.any()
    return seen


def _jittered(framing: Framing, rng: np.random.Generator) -> Framing:
    x, y, z = (float(c + 4 * rng.standard_normal()) for c in framing.center)
    return Framing((x, y, z), framing.extent * float(rng.uniform(0.93, 1.07)))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
