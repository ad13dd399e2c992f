"""A parametric head of our own: no download, no data file, nothing copied.

An ellipsoidal mask carries a nose, eyes, brows, lips with a real slit, cheeks and a
chin; actions and identity modes are smooth displacement fields on it. All sizes are
millimetres and this project's choice; proportions follow the classical canons.
"""

import dataclasses
import pathlib

import numpy as np

from smile_jax.faces.families.face_model import MOUTH, SKIN, TEETH, LinearFaceModel
from smile_jax.faces.families.family import Family
from smile_jax.mesh.types import MeshError

_WIDTH, _HEIGHT, _DEPTH = 74.0, 104.0, 88.0  # half axes of the ellipsoid
_MOUTH_Y, _MOUTH_HALF = -37.0, 23.0
_EYE_X, _EYE_Y = 31.0, 27.0
_BROW_Y = 43.0

_FINE, _COARSE = (81, 58), (41, 30)  # columns, rows above the mouth


def load_procedural(fine: bool = True) -> LinearFaceModel:
    """Builds the head: 9.3k points at `fine`, 2.5k else (for tests)."""
    columns, rows = _FINE if fine else _COARSE
    rest, faces, lower = _grid(columns, rows)
    inside, inside_faces, inside_colors, teeth = _mouth_cavity()
    n = len(rest)
    faces = np.concatenate([faces, inside_faces + n]).astype(np.int32)

    relief = _relief(rest)
    head = rest + relief

    def on_head(field: np.ndarray) -> np.ndarray:
        """A field on the skin; the cavity behind the lips stays where it is."""
        zeros = np.zeros_like(inside)
        return np.concatenate([field, zeros]).astype(np.float32)

    skin = np.concatenate([np.ones(n), np.zeros(len(inside))])
    lips, brows, eyes, colors = _paint(rest)
    base = np.concatenate([colors, inside_colors])
    pad = np.zeros(len(inside))
    mean = np.concatenate([head, inside]).astype(np.float32)
    return LinearFaceModel(
        name=PROCEDURAL.name,
        mean=mean,
        identity=np.stack([on_head(f) for f in _identity_fields(rest, lower)]),
        actions={name: on_head(f) for name, f in _action_fields(rest, lower).items()},
        idle={name: on_head(f) for name, f in _idle_fields(rest, lower).items()},
        faces=faces,
        parts=np.concatenate([np.full(n, SKIN), np.where(teeth, TEETH, MOUTH)]).astype(
            np.uint8
        ),
        skin=(skin * np.concatenate([1 - eyes, pad])).astype(np.float32),
        lips=np.concatenate([lips, pad]).astype(np.float32),
        brows=np.concatenate([brows, pad]).astype(np.float32),
        base_colors=base.astype(np.float32),
        landmarks=_landmarks(rest, lower),
    )


def _grid(columns: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ellipsoidal mask with a slit along the mouth line.

    Returns points (n, 3), triangles (m, 3), and which points are below the slit (n,).
    """
    below = int(rows * 0.55)
    # Denser towards the front, where the features are.
    turn = np.linspace(-1, 1, columns)
    longitude = np.deg2rad(105) * (0.75 * turn + 0.25 * turn**3)
    mouth = np.arcsin(_MOUTH_Y / _HEIGHT)
    upper = np.linspace(mouth, np.deg2rad(82), rows)
    under = np.linspace(mouth, np.deg2rad(-78), below)

    def sheet(latitude: np.ndarray) -> np.ndarray:
        theta, phi = np.meshgrid(latitude, longitude, indexing="ij")
        x = _WIDTH * np.cos(theta) * np.sin(phi)
        y = _HEIGHT * np.sin(theta)
        z = _DEPTH * np.cos(theta) * np.cos(phi)
        jaw = _ramp((-y - 25) / 75)  # narrows from the mouth to the chin
        return np.stack([x * (1 - 0.22 * jaw), y, z * (1 - 0.05 * jaw)], axis=-1)

    top, bottom = sheet(upper), sheet(under)
    points = np.concatenate([top.reshape(-1, 3), bottom.reshape(-1, 3)])
    index_top = np.arange(rows * columns).reshape(rows, columns)
    index_bottom = rows * columns + np.arange(below * columns).reshape(below, columns)
    # Outside the mouth the two sheets share their common row.
    closed = np.abs(top[0, :, 0]) > _MOUTH_HALF
    index_bottom[0, closed] = index_top[0, closed]
    quads = [_quads(index_top), _quads(index_bottom[::-1])]
    faces = np.concatenate(quads)
    used, faces = np.unique(faces, return_inverse=True)
    lower = used >= rows * columns
    return points[used], faces.reshape(-1, 3), lower


def _quads(index: np.ndarray) -> np.ndarray:
    """Triangles of a grid whose rows go up and whose columns go towards +x."""
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    c, d = index[1:, 1:].ravel(), index[1:, :-1].ravel()
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def _mouth_cavity() -> tuple[np.ndarray, ...]:
    """A dark curved patch behind the lips, its upper rows the teeth.

    Returns points, triangles, colours, and which points are of teeth.
    """
    x, y = np.meshgrid(np.linspace(-30, 30, 21), np.linspace(-72, -22, 26))
    z = 64 - 0.011 * x**2 - 0.6 * np.maximum(-45 - y, 0)
    index = np.arange(x.size).reshape(x.shape)
    teeth = (np.abs(x) < 19) & (y > -43) & (y < -30)
    colors = np.where(teeth[..., None], (0.9, 0.88, 0.82), (0.25, 0.07, 0.08))
    points = np.stack([x, y, z], axis=-1)
    faces = _quads(index)
    return points.reshape(-1, 3), faces, colors.reshape(-1, 3), teeth.ravel()


def _ramp(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _bump(p: np.ndarray, x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """Gaussian weight (n,) around (x, y) on the front of the head."""
    front = _ramp(p[:, 2] / 20)
    return front * np.exp(-(((p[:, 0] - x) / rx) ** 2) - ((p[:, 1] - y) / ry) ** 2)


def _pair(p: np.ndarray, x: float, y: float, rx: float, ry: float) -> np.ndarray:
    return _bump(p, x, y, rx, ry) + _bump(p, -x, y, rx, ry)


def _along(axis: int, weight: np.ndarray) -> np.ndarray:
    out = np.zeros((len(weight), 3))
    out[:, axis] = weight
    return out


def _relief(p: np.ndarray) -> np.ndarray:
    """The features that make the ellipsoid a face, as displacements along z."""
    z = 17 * np.exp(-((p[:, 0] / 8) ** 2)) * _ramp((38 - p[:, 1]) / 45)
    z *= _ramp((p[:, 1] + 24) / 8) * _ramp(p[:, 2] / 20)
    z += 9 * _bump(p, 0, -12, 11, 8) + 4 * _pair(p, 13, -15, 6, 6)
    z += -10 * _pair(p, _EYE_X, _EYE_Y, 15, 11) + 5 * _pair(p, _EYE_X, _EYE_Y, 11, 6)
    z += 4 * _pair(p, 28, _BROW_Y, 20, 6) + 5 * _pair(p, 38, -8, 17, 17)
    z += 5 * _bump(p, 0, -31, 19, 4.5) + 6 * _bump(p, 0, -43, 17, 5)
    z += -3 * _bump(p, 0, _MOUTH_Y, 21, 1.8) - 3 * _bump(p, 0, -54, 18, 5)
    z += 8 * _bump(p, 0, -72, 17, 12)
    return _along(2, z)


def _action_fields(p: np.ndarray, lower: np.ndarray) -> dict[str, np.ndarray]:
    """Displacement fields in mm at full activation, by action and side."""
    fields: dict[str, np.ndarray] = {}
    upper_lip = ~lower
    for side, s in (("L", 1.0), ("R", -1.0)):

        def move(
            x: float,
            y: float,
            rx: float,
            ry: float,
            delta: tuple[float, float, float],
            s: float = s,
        ) -> np.ndarray:
            weight = _bump(p, s * x, y, rx, ry)
            return weight[:, None] * np.array([s * delta[0], delta[1], delta[2]])

        corner = (_MOUTH_HALF, _MOUTH_Y)
        half = {
            "AU1": move(11, _BROW_Y, 12, 11, (0, 9, 1.5)),
            "AU2": move(43, _BROW_Y - 2, 14, 11, (0, 9, 1)),
            "AU4": move(15, _BROW_Y - 1, 17, 11, (-4, -7, 2)),
            "AU5": move(_EYE_X, 33, 13, 5, (0, 4.5, 0)),
            "AU6": move(36, 5, 18, 13, (0, 6, 5)) + move(31, 17, 14, 5, (0, 3, 1)),
            "AU7": move(_EYE_X, 21, 13, 5, (0, 4, 0))
            + move(_EYE_X, 33, 13, 5, (0, -3, 0)),
            "AU9": move(13, -8, 9, 11, (0, 6, 2))
            + move(8, 20, 8, 9, (0, 0, 4))
            + move(11, 38, 11, 9, (0, -4, 1)),
            "AU10": upper_lip[:, None] * move(11, -33, 12, 6, (0, 6, 2))
            + move(21, -18, 9, 11, (0, 3, 3.5)),
            "AU12": move(*corner, 12, 11, (9, 9, -4))
            + move(35, -13, 13, 12, (1, 3, 5)),
            "AU15": move(*corner, 11, 11, (1, -9, -1)),
            "AU20": move(*corner, 13, 11, (10, -2, -4)),
            "AU24": upper_lip[:, None] * move(8, -32, 12, 5, (0, -3, -4))
            + lower[:, None] * move(8, -43, 12, 6, (0, 3, -5)),
        }
        fields |= {f"{action}_{side}": field for action, field in half.items()}

    reach = np.clip(1 - (p[:, 0] / _MOUTH_HALF) ** 2, 0, 1)
    fields["AU17"] = _along(1, 6 * _bump(p, 0, -64, 17, 13)) + _along(
        2, 4 * _bump(p, 0, -64, 17, 13) + 3 * lower * _bump(p, 0, -43, 16, 6)
    )
    part = np.where(lower, -6.0, 3.0) * reach * _bump(p, 0, _MOUTH_Y, 30, 9)
    fields["AU25"] = _along(1, part)
    deep = _ramp((_MOUTH_Y - p[:, 1]) / 30)
    jaw = lower * np.maximum(np.sqrt(reach) * (1 - deep), 0) + deep
    jaw *= _ramp(p[:, 2] / 40 + 0.3)
    fields["AU26"] = _along(1, -21 * jaw) + _along(2, -9 * jaw)
    return fields


def _idle_fields(p: np.ndarray, lower: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the fields of `model.IDLE_ACTIONS`. Eyes are painted: paint moves."""
    fields: dict[str, np.ndarray] = {}
    pucker = _along(2, 6 * _bump(p, 0, _MOUTH_Y, 16, 10))
    gaze = np.zeros(len(p))
    for side, s in (("L", 1.0), ("R", -1.0)):
        corner = _bump(p, s * _MOUTH_HALF, _MOUTH_Y, 10, 9)
        fields[f"AU14_{side}"] = corner[:, None] * np.array([3.0 * s, 1.0, -4.0])
        pucker = pucker + corner[:, None] * np.array([-7.0 * s, 0.0, 3.0])
        upper = _bump(p, s * _EYE_X, _EYE_Y + 5, 13, 5)
        under = _bump(p, s * _EYE_X, _EYE_Y - 6, 13, 4)
        fields[f"AU45_{side}"] = _along(1, -8 * upper + 2 * under) + _along(2, upper)
        gaze = gaze + _bump(p, s * _EYE_X, _EYE_Y, 5, 4)
    fields["AU18"] = pucker
    fields |= {"AU61": _along(0, 3 * gaze), "AU62": _along(0, -3 * gaze)}
    return fields | {"AU63": _along(1, 2 * gaze), "AU64": _along(1, -2 * gaze)}


def _identity_fields(p: np.ndarray, lower: np.ndarray) -> list[np.ndarray]:
    """Displacement in mm of one standard deviation of each identity mode.

    Brow height, lid opening and the mouth's corners vary with identity too: a neutral
    face of one person resembles a weak expression of another.
    """
    x, y, z = p.T
    mouth = _bump(p, 0, _MOUTH_Y, 30, 12)
    brow = _pair(p, 27, _BROW_Y, 22, 10)
    corner = _pair(p, _MOUTH_HALF, _MOUTH_Y, 12, 10)
    lips = np.where(lower, -1, 1) * _bump(p, 0, _MOUTH_Y, 22, 9)
    outward = np.sign(x) * _pair(p, _EYE_X, 33, 20, 16)
    fields = [
        _along(0, 0.06 * x),
        _along(1, 0.05 * y),
        _along(2, 0.05 * z),
        _along(0, -0.07 * x * _ramp((-y - 10) / 70)),
        _along(0, 0.05 * x * _ramp((y - 20) / 60)),
        _along(2, 2.5 * np.exp(-((x / 9) ** 2)) * _ramp((38 - y) / 45) * (y > -24)),
        _along(0, 0.18 * x * _bump(p, 0, -13, 20, 10)),
        _along(1, -2.5 * _bump(p, 0, -14, 14, 12)),
        _along(0, 2.0 * outward),
        _along(1, 2.2 * brow),
        _along(2, 2.0 * brow),
        _along(1, 1.0 * _pair(p, _EYE_X, 33, 13, 5) - 0.7 * _pair(p, 31, 21, 13, 5)),
        _along(2, 2.2 * _pair(p, 38, -8, 17, 17)),
        _along(0, 0.08 * x * mouth),
        _along(1, 2.0 * mouth),
        _along(1, 1.8 * corner),
        _along(1, 1.5 * lips) + _along(2, 1.2 * np.abs(lips)),
        _along(2, 3.0 * _bump(p, 0, -72, 18, 14)),
        _along(1, -2.5 * _ramp((-y - 50) / 30)),
        _along(2, 2.5 * _ramp((y - 45) / 40)),
    ]
    for i, (fx, fy) in enumerate(((1, 1), (2, 1), (1, 2), (2, 2))):
        # Asymmetry and what else differs: smooth waves along the surface's depth.
        wave = np.sin(fx * x / 40 + i) * np.cos(fy * y / 45 + 2 * i)
        fields.append(_along(2, 1.2 * wave))
    return fields


def _paint(p: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weights of lips, brows and eyes (n,), and the eyes' colours (n, 3)."""
    front = p[:, 2] > 20
    x, y = p[:, 0], p[:, 1]
    bow = 1 - (x / 24) ** 2
    lips = (np.abs(y - _MOUTH_Y + 0.5) < 9.5 * bow) & (bow > 0) & front
    arch = _BROW_Y + 1 - 0.012 * (np.abs(x) - 30) ** 2
    brows = (np.abs(y - arch) < 3.6) & (np.abs(x) > 9) & (np.abs(x) < 50) & front
    ex, ey = (np.abs(x) - _EYE_X) / 13.5, (y - _EYE_Y) / 5.8
    eyes = (ex**2 + np.abs(ey) ** 1.5 < 1) & front
    iris = ((np.abs(x) - _EYE_X) ** 2 + (y - _EYE_Y) ** 2 < 5.2**2) & eyes
    colors = np.where(iris[:, None], (0.22, 0.16, 0.1), (0.93, 0.92, 0.9))
    return lips.astype(float), brows.astype(float), eyes.astype(float), colors


def _landmarks(p: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The 68 Multi-PIE points, from the face's right to its left."""
    # Spaced as ICT-FaceKit's, which the other families' are fitted to.
    jaw = [(69, 21), (68, 0), (66, -19), (62, -38), (54, -58), (41, -74), (29, -82)]
    jaw += [(15, -86)]
    brow = [(46, 42), (38, 45), (29, 46), (20, 45), (12, _BROW_Y)]
    nose = [(0, 28), (0, 15), (0, 2), (0, -11)]
    base = [(-13, -17), (-7, -19), (0, -20), (7, -19), (13, -17)]
    half = _MOUTH_HALF
    upper = [(half, _MOUTH_Y), (15, -31), (7, -29), (0, -30)]
    under = [(0, -46), (7, -45.5), (15, -43)]
    inner = [(half - 3, _MOUTH_Y), (8, _MOUTH_Y), (0, _MOUTH_Y)]

    def right(points: list) -> list:
        return [(-x, y) for x, y in points]

    eye = [(44, _EYE_Y), (36, 32), (26, 32), (18, _EYE_Y), (26, 22), (36, 22)]
    left_eye = [eye[i] for i in (3, 2, 1, 0, 5, 4)]
    wanted = np.array(
        [
            *(*right(jaw), (0, -88), *jaw[::-1]),
            *(*right(brow), *brow[::-1]),
            *(*nose, *base),
            *(*right(eye), *left_eye),
            *(*right(upper), *upper[-2::-1], *under[::-1], *right(under[1:])),
            *(*right(inner), *inner[-2::-1], *inner[1:], *right(inner[1:2])),
        ]
    )
    # Both lips end at the slit: what is asked of the lower one must not be the upper's.
    of_lower = np.isin(np.arange(68), (65, 66, 67))
    of_upper = np.isin(np.arange(68), (61, 62, 63))
    cost = ((p[None, :, :2] - wanted[:, None]) ** 2).sum(axis=2)
    cost += 1e6 * (p[:, 2] < 10)
    cost += 1e6 * (of_lower[:, None] & ~lower | of_upper[:, None] & lower)
    return np.argmin(cost, axis=1).astype(np.int32)


def _load(path: str | pathlib.Path, modes: int | None) -> LinearFaceModel:
    model = load_procedural()
    modes = len(model.identity) if modes is None else modes
    if not 1 <= modes <= len(model.identity):
        raise MeshError(
            f"{modes} identity modes asked for, the procedural head has 1 to "
            f"{len(model.identity)}"
        )
    return dataclasses.replace(model, identity=model.identity[:modes])


PROCEDURAL = Family(
    name="procedural",
    title="procedural head",
    source="this project, from formulas",
    licence="Apache-2.0, as this repository",
    where="smile_jax/faces/families/procedural.py",
    points=7_693,
    people="24 independent modes of shape",
    units="millimetres",
    odd="a mask without skull and ears; eyes are painted, they do not turn. For tests: "
    "what learns from it alone does not know real heads",
    archive="",
    load=_load,
    has_mark=lambda name: False,
)
