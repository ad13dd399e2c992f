"""The heads that the landmarker learns from, with everything that scanners do to them.

People and actions come from face families; on top of it heads are mixed, stretched and
bent, cut, scanned from the front at any resolution, get hair, glasses, holes, noise and
spikes, and are turned anyhow, with walls, floors and shoulders around them. Some are no
faces at all. Every number is this project's choice.
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float16, Float32
from scipy.spatial.transform import Rotation

from smile_jax.faces.families.catalogue import load_face_model
from smile_jax.faces.families.face_model import FaceModel
from smile_jax.faces.randomization import Randomization, draw_surface
from smile_jax.faces.sampling import Difficulty, sample_subject
from smile_jax.faces.scanner import scan_head
from smile_jax.landmarking.landmark_pose import YAWS_DEG, pose_of
from smile_jax.landmarking.network import FIRST_LOOK, LANDMARKER
from smile_jax.landmarking.rendered_inputs import Pictures, take_pictures
from smile_jax.mesh import Framing, Mesh
from smile_jax.mesh.bosphorus import grid_faces
from smile_jax.mesh.pose import frontalize
from smile_jax.mesh.raster import vertex_normals

NETWORKS = ("landmarker", "first_look")  # in the order of `make_views`

_NO_FACE = 0.12  # share of samples
_HIDDEN = 0.04  # of a picture's width; a landmark so far behind what is seen is hidden
_REACH = 3  # pixels, across which a hole may be
_SKULL_MM = 180.0  # deep, at least, are heads that have one
_LOOKS = 6  # of the first look at each head
_SEEN_TO_DEG, _AWAY_DEG = 75.0, 115.0  # turned less than that, and more than that

_HOW = Randomization(warp_mm=1.6, scale=(0.9, 1.1), points=(1_500, 30_000))
_PEOPLE = Difficulty(identity=1.2, randomize=_HOW)

Points = Float32[np.ndarray, "68 3"]


@dataclasses.dataclass(frozen=True)
class Views:
    """V pictures, and where the landmarks are on them.

    Attributes:
      images: (V, S, S, 5).
      pixels: (V, 68, 2) column and row of each landmark.
      seen: (V, 68) whether it is to be seen.
    """

    images: Float16[np.ndarray, "V S S C"]
    pixels: Float32[np.ndarray, "V L 2"]
    seen: Bool[np.ndarray, "V L"]


def stacked(views: Sequence[Views]) -> Views:
    """All views as one."""
    return Views(
        images=np.concatenate([v.images for v in views]),
        pixels=np.concatenate([v.pixels for v in views]),
        seen=np.concatenate([v.seen for v in views]),
    )


def read_views(path: pathlib.Path, network: str) -> Views:
    """The views of one network, of the file of a family."""
    with np.load(path, allow_pickle=False) as file:
        names = [field.name for field in dataclasses.fields(Views)]
        return Views(**{name: file[f"{network}/{name}"] for name in names})


def make_views(seed: int, source: str) -> tuple[Views, Views]:
    """Draws a head or something else.

    Args:
      seed: of everything.
      source: the face family, see `load_face_model`.

    Returns:
      The landmarker's views, of the head turned to the front; and the first look's, of
      the head turned anyhow.
    """
    rng = np.random.default_rng(seed)
    model = load_face_model(source)
    if rng.random() < _NO_FACE:
        return _views_of_other(non_face_mesh(model, rng), rng)
    mesh, points = scanned_head(model, rng)
    return _front(mesh, points, rng), _anyhow(mesh, points, rng)


def scanned_head(model: FaceModel, rng: np.random.Generator) -> tuple[Mesh, Points]:
    """A head as a scanner delivers it, and where its landmarks are."""
    mesh, points = _head(model, rng)
    turn = _turn(rng, wide=rng.random() < 0.5)
    mesh, points = _turned(mesh, turn), points @ turn.T
    if rng.random() < 0.4:
        mesh = _scan(mesh, points, rng)
    return _faulty(mesh, rng), points.astype(np.float32)


def _head(model: FaceModel, rng: np.random.Generator) -> tuple[Mesh, Points]:
    subject = sample_subject(model, rng, _PEOPLE)
    rest = subject.person.rest
    actions = {
        name: float(rng.uniform())
        for names, share in ((model.actions, 0.25), (model.idle, 0.1))
        for name in names
        if rng.random() < share
    }
    stretch = subject.scale * rng.uniform(0.92, 1.08, size=3).astype(np.float32)
    vertices = model.acting(rest, actions) * stretch
    faces = model.faces
    points = vertices[model.landmarks]
    if rng.random() < 0.4:
        surface = draw_surface(model, rest, faces, rng, _HOW)
        vertices, faces = surface.sampling @ vertices, surface.faces
    elif rng.random() < 0.5:  # cut below the chin
        low = vertices[:, 1] < points[8, 1] - rng.uniform(0, 60)
        faces = faces[~low[faces].any(axis=1)]
    mesh = Mesh(vertices.astype(np.float32), np.ascontiguousarray(faces, np.int32))
    if rng.random() < 0.3:
        mesh = _joined(mesh, _hair(mesh, points, rng))
    if rng.random() < 0.2:
        mesh = _joined(mesh, _glasses(points, rng))
    return mesh, points


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
    made = scan_head(
        mesh,
        framing=Framing((x, y, z), float(rng.uniform(180, 340))),
        points=int(np.exp(rng.uniform(np.log(1500), np.log(30000)))),
        texture_size=1,
        crop=0.97 if rng.random() < 0.4 else None,
    ).mesh()
    return Mesh(made.vertices, made.faces) if len(made.faces) >= 100 else mesh


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
    vertices = (mesh.vertices + rough * normals).astype(np.float32)
    return Mesh(vertices, np.ascontiguousarray(faces))


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
    return _joined(*rims)


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
    return Mesh(vertices, faces.astype(np.int32))


def non_face_mesh(model: FaceModel, rng: np.random.Generator) -> Mesh:
    """A mesh of a head's size that shows no face."""
    kind = int(rng.integers(5))
    # From behind a mask is a face like from the front.
    if kind == 4 and np.ptp(model.mean[:, 2]) > _SKULL_MM:
        return _faulty(_back(model, rng), rng)
    kinds: tuple[Callable, ...] = (_blob, _blob, _box, _relief)
    return _faulty(kinds[kind % len(kinds)](rng), rng)


def _blob(rng: np.random.Generator) -> Mesh:
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


def _box(rng: np.random.Generator) -> Mesh:
    corners = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    vertices = corners * rng.uniform(50, 130, size=3)
    quads = [
        (0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4),
        (1, 3, 7, 5),
    ]  # fmt: skip
    faces = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    mesh = Mesh(vertices.astype(np.float32), np.array(faces, np.int32))
    return _turned(mesh, Rotation.random(random_state=rng).as_matrix())


def _relief(rng: np.random.Generator) -> Mesh:
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


def _back(model: FaceModel, rng: np.random.Generator) -> Mesh:
    """What a scanner sees of a head from behind."""
    mesh, points = _head(model, rng)
    half = Rotation.from_euler("y", 180 + rng.uniform(-40, 40), degrees=True)
    turned = _turned(mesh, half.as_matrix())
    return _scan(turned, points @ half.as_matrix().T * [1, 1, -1], rng)


def _views_of_other(mesh: Mesh, rng: np.random.Generator) -> tuple[Views, Views]:
    """Views of what is no face, from anywhere."""
    points = np.full((68, 3), np.nan)

    def looks(size: int, count: int) -> Views:
        made = []
        for _ in range(count):
            turn = Rotation.random(random_state=rng).as_matrix()
            seen = _turned(mesh, turn)
            x, y, z = (float(c) for c in seen.vertices.mean(axis=0))
            framing = Framing((x, y, z), float(rng.uniform(130, 320)))
            made.append(_marked(take_pictures(seen, (0.0,), framing, size), points))
        return stacked(made)

    return looks(LANDMARKER.size, len(YAWS_DEG)), looks(FIRST_LOOK.size, _LOOKS)


def _front(mesh: Mesh, points: Points, rng: np.random.Generator) -> Views:
    """The head turned to the front, as well as the first look finds that."""
    pose = pose_of(points)
    slip = Rotation.from_euler("yxz", 4 * rng.standard_normal(3), degrees=True)
    rotation = (pose.rotation @ slip.as_matrix()).astype(np.float32)
    pose = dataclasses.replace(pose, rotation=rotation)
    front = frontalize(dataclasses.replace(mesh, landmarks=points), pose)
    assert front.landmarks is not None
    framing = _jittered(pose.framing, rng)
    pictures = take_pictures(front, YAWS_DEG, framing, LANDMARKER.size)
    return _marked(pictures, front.landmarks)


def _anyhow(mesh: Mesh, points: Points, rng: np.random.Generator) -> Views:
    """The head turned anyhow, near and far."""
    pose = pose_of(points)
    front = frontalize(dataclasses.replace(mesh, landmarks=points), pose)
    assert front.landmarks is not None
    points = front.landmarks
    around = _joined(front, _surroundings(points, rng)) if rng.random() < 0.4 else front
    made = []
    for _ in range(_LOOKS):
        seen, kind = around, rng.random()
        framing, away = pose.framing, False
        if kind < 0.4:  # as it is looked at when it was turned to the front
            seen = front if rng.random() < 0.5 else around
            turn = Rotation.from_euler("yxz", 7 * rng.standard_normal(3), degrees=True)
            framing = dataclasses.replace(
                _jittered(framing, rng), extent=framing.extent * rng.uniform(0.85, 1.3)
            )
        else:
            away = kind > 0.85
            angle = (
                rng.uniform(_AWAY_DEG, 180) if away else rng.uniform(0, _SEEN_TO_DEG)
            )
            turn = Rotation.from_rotvec(
                np.deg2rad(angle) * _unit(rng.standard_normal(3))
            )
            extent = float(np.exp(rng.uniform(np.log(160), np.log(480))))
            x, y, z = framing.center + rng.uniform(-0.25, 0.25, 3) * (extent - 100)
            framing = Framing((float(x), float(y), float(z)), extent)
        matrix = turn.as_matrix()
        # About the face, so that it stays in the picture.
        middle = np.asarray(pose.framing.center)
        vertices = ((seen.vertices - middle) @ matrix.T + middle).astype(np.float32)
        turned = dataclasses.replace(seen, vertices=vertices, landmarks=None)
        where = (
            np.full((68, 3), np.nan) if away else (points - middle) @ matrix.T + middle
        )
        made.append(
            _marked(take_pictures(turned, (0.0,), framing, FIRST_LOOK.size), where)
        )
    return stacked(made)


def _surroundings(points: np.ndarray, rng: np.random.Generator) -> Mesh:
    """Walls, floors, shoulders and things near a head that faces +z."""
    middle = points.mean(axis=0)
    made: list[Mesh] = []
    if rng.random() < 0.5:
        made.append(_torso(middle, rng))
    if rng.random() < 0.4:
        made.append(_sheet(middle - [0, 0, rng.uniform(150, 400)], 2, rng))
    if rng.random() < 0.2:
        made.append(_sheet(middle - [0, rng.uniform(150, 400), 0], 1, rng))
    if not made or rng.random() < 0.3:
        other = _box if rng.random() < 0.5 else _blob
        thing = other(rng)
        side = _unit(rng.standard_normal(3) * [1, 1, 0.3]) * rng.uniform(200, 400)
        made.append(_moved(thing, middle + side))
    found = made[0]
    for more in made[1:]:
        found = _joined(found, more)
    return found


def _torso(middle: np.ndarray, rng: np.random.Generator) -> Mesh:
    """Shoulders and chest, roughly, and a neck."""
    turn, height = np.meshgrid(
        np.linspace(0, 2 * np.pi, 41), np.linspace(0, 1, 31), indexing="ij"
    )
    # Half widths from the neck down, and how deep a body is for its width.
    wide = np.interp(height, [0, 0.2, 0.35, 0.5, 1], [55, 60, 150, 200, 180])
    wide = wide * rng.uniform(0.85, 1.15)
    deep = wide * np.interp(height, [0, 0.25, 0.6], [1, 0.9, 0.55])
    down = rng.uniform(70, 100) + height * rng.uniform(200, 600)
    shape = np.stack([wide * np.cos(turn), -down, deep * np.sin(turn) - 60], axis=-1)
    mesh = Mesh(
        shape.reshape(-1, 3).astype(np.float32), grid_faces(np.ones(turn.shape, bool))
    )
    return _moved(mesh, middle)


def _sheet(at: np.ndarray, across: int, rng: np.random.Generator) -> Mesh:
    """A wall or a floor: a square across an axis, a little turned."""
    half = rng.uniform(150, 800)
    side = np.linspace(-half, half, int(rng.integers(2, 30)))
    u, v = np.meshgrid(side, side)
    flat = [u.ravel(), v.ravel()]
    flat.insert(across, np.zeros(u.size))
    mesh = Mesh(
        np.stack(flat, axis=1).astype(np.float32), grid_faces(np.ones(u.shape, bool))
    )
    turn = Rotation.from_rotvec(0.15 * rng.standard_normal(3)).as_matrix()
    return _moved(_turned(mesh, turn), at)


def _moved(mesh: Mesh, by: np.ndarray) -> Mesh:
    vertices = (mesh.vertices + by).astype(np.float32)
    return dataclasses.replace(mesh, vertices=vertices)


def _marked(pictures: Pictures, points: np.ndarray) -> Views:
    """Pictures with the landmarks' pixels; where points are not finite, nothing."""
    images = pictures.images.astype(np.float16)
    if not np.isfinite(points).all():
        nothing = np.zeros((len(images), 68, 2), np.float32)
        return Views(images, nothing, np.zeros(nothing.shape[:2], bool))
    where = pictures.pixels_of(points)
    return Views(images, where[..., :2].astype(np.float32), _seen(pictures, where))


def _seen(pictures: Pictures, where: np.ndarray) -> np.ndarray:
    """Which landmarks lie in the picture, on or near what is seen."""
    seen = np.zeros(where.shape[:2], bool)
    size, hidden = pictures.size, _HIDDEN * pictures.framing.extent
    for v, points in enumerate(where):
        mask, depth = pictures.mask[v], pictures.depth[v]
        for i, (column, row, z) in enumerate(points):
            c, r = math.floor(column), math.floor(row)
            if not (0 <= c < size and 0 <= r < size):
                continue
            if mask[r, c] and depth[r, c] > z + hidden:
                continue
            window = np.s_[max(r - _REACH, 0) : r + _REACH + 1,
                           max(c - _REACH, 0) : c + _REACH + 1]  # fmt: skip
            seen[v, i] = (np.abs(depth[window][mask[window]] - z) < hidden).any()
    return seen


def _jittered(framing: Framing, rng: np.random.Generator) -> Framing:
    x, y, z = (float(c + 5 * rng.standard_normal()) for c in framing.center)
    return Framing((x, y, z), framing.extent * float(rng.uniform(0.93, 1.07)))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
