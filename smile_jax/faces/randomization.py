"""Shapes, cuts and samplings of heads that tell nothing of what a face expresses.

After Tobin et al., "Domain Randomization for Transferring Deep Neural Networks from
Simulation to the Real World" (IROS 2017): what a model is not to look at is varied more
than any dataset varies it. Kinds and numbers are this project's choice. Lengths are
millimetres.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Int32
from scipy.sparse import csr_matrix, diags, identity, vstack
from scipy.sparse.csgraph import dijkstra

from smile_jax.faces.families.face_model import (
    EYES,
    MOUTH,
    TEETH,
    FaceModel,
    Person,
)
from smile_jax.mesh.polygons import pack

_INNER = {"eyes": EYES, "teeth": TEETH, "mouth": MOUTH}
CUTS = ("neck", "hair", "ears", "mask")
_SEAM_MM = 20.0  # half the width in which one person goes over into the other
_WAVES = 6  # that a head is bent by
_CHIN, _JAW, _BROWS, _BRIDGE = 8, (0, 16), slice(17, 27), 28


@dataclasses.dataclass(frozen=True)
class Randomization:
    """How much of what varies; defaults are this project's choice.

    Attributes:
      mixed: probability that a person is mixed of two, region by region or as a whole.
      warp_mm: standard deviation of each of six waves along which a head is bent.
      warp_length_mm: shortest and longest of their wavelengths.
      scale: smallest and largest factor on a person's size.
      gain: standard deviation of the logarithm of each action's gain, by person.
      asymmetry: the same of one side against the other.
      cut: probability of each of `CUTS`, by scan.
      hidden: probability that eyeballs are missing, by scan; teeth and the mouth's
        inside likewise.
      points: fewest and most of a scan.
      smoothing: most passes of smoothing of a scan.
    """

    mixed: float = 0.5
    warp_mm: float = 1.2
    warp_length_mm: tuple[float, float] = (50.0, 200.0)
    scale: tuple[float, float] = (0.85, 1.15)
    gain: float = 0.2
    asymmetry: float = 0.15
    cut: float = 0.35
    hidden: float = 0.35
    points: tuple[int, int] = (2_000, 50_000)
    smoothing: int = 3

    def __post_init__(self) -> None:
        for name in ("mixed", "cut", "hidden"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"randomize.{name} must be a probability, 0 to 1")
        for name in ("warp_mm", "gain", "asymmetry", "smoothing"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"randomize.{name} must be 0 or a positive number")
        for name in ("warp_length_mm", "scale", "points"):
            pair = tuple(getattr(self, name))  # JSON has lists
            if len(pair) != 2 or not 0 < pair[0] <= pair[1]:
                raise ValueError(
                    f"randomize.{name}={list(pair)} must be two positive numbers, the "
                    "smaller one first"
                )
            object.__setattr__(self, name, pair)
        if self.points[0] < 200:
            raise ValueError("randomize.points: below 200 nothing is to be seen")


@dataclasses.dataclass(frozen=True)
class Surface:
    """What a scanner samples of a family's heads.

    Attributes:
      sampling: (k, n) weights that make the scan's points of the family's; their sum is
        1 for each.
      faces: (m, 3) triangles of the scan.
      cuts: of `CUTS`.
      hidden: which of "eyes", "teeth" and "mouth" are missing.
      smoothing: passes.
    """

    sampling: csr_matrix
    faces: Int32[np.ndarray, "m 3"]
    cuts: tuple[str, ...]
    hidden: tuple[str, ...]
    smoothing: int


def unlike_any(
    model: FaceModel, rng: np.random.Generator, spread: float, how: Randomization
) -> Person:
    """Draws a person whom the family alone would not give.

    Attributes tell how: "mixed" is 1 of who is mixed of two, "warp_mm" how far points
    are bent, root mean square.
    """
    person = model.sample_person(rng, spread)
    mixed = rng.random() < how.mixed
    if mixed:
        person = _mixed(person, model.sample_person(rng, spread), rng)
    rest = bend(person.rest, rng, how.warp_mm, how.warp_length_mm)
    warp = float(np.sqrt(((rest - person.rest) ** 2).sum(axis=1).mean()))
    told = {"mixed": float(mixed), "warp_mm": warp}
    return Person(rest, {**person.attributes, **told})


def draw_gains(
    names: Sequence[str], rng: np.random.Generator, how: Randomization
) -> dict[str, float]:
    """Draws a person's gain on each action: "AU12_L", "AU12_R", "AU26"."""
    found: dict[str, float] = {}
    for action in dict.fromkeys(name.split("_")[0] for name in names):
        both = how.gain * rng.standard_normal()
        apart = how.asymmetry * rng.standard_normal() / 2
        for end, side in (("", 0.0), ("_L", apart), ("_R", -apart)):
            found[action + end] = float(np.exp(both + side))
    return found


def bend(
    vertices: Float32[np.ndarray, "n 3"],
    rng: np.random.Generator,
    swing_mm: float,
    lengths_mm: tuple[float, float],
) -> Float32[np.ndarray, "n 3"]:
    """Bends a head smoothly, along waves of any direction."""
    out = vertices.astype(np.float64)
    for _ in range(_WAVES):
        direction = rng.standard_normal(3)
        wave = direction / np.linalg.norm(direction) * 2 * np.pi
        wave = wave / rng.uniform(*lengths_mm)
        swing = swing_mm * rng.standard_normal(3)
        out += np.sin(vertices @ wave + rng.uniform(0, 6.3))[:, None] * swing
    return out.astype(np.float32)


def draw_surface(
    model: FaceModel,
    rest: Float32[np.ndarray, "n 3"],
    faces: Int32[np.ndarray, "m 3"],
    rng: np.random.Generator,
    how: Randomization,
) -> Surface:
    """Draws what a scanner keeps of a head, and how it samples that.

    Args:
      model: of the head.
      rest: of the person; cuts are made there, so that they do not move with actions.
      faces: triangles that there are, such as those without holes.
      rng: source of all randomness.
      how: see there.
    """
    hidden = tuple(name for name in _INNER if rng.random() < how.hidden)
    gone = np.isin(model.parts, [_INNER[name] for name in hidden])
    cuts = tuple(name for name in CUTS if rng.random() < how.cut)
    landmarks = rest[model.landmarks]
    for name in cuts:
        gone |= _CUTTERS[name](rest, landmarks, rng)
    left = faces[~gone[faces].any(axis=1)]
    low, high = np.log(how.points)
    count = round(float(np.exp(rng.uniform(low, high))))
    sampling, sampled = resample(rest, left, count, rng)
    smoothing = int(rng.integers(how.smoothing + 1))
    if smoothing:
        near = _neighbours(sampled, sampling.shape[0])
        degree = np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1)
        step = 0.5 * identity(len(degree)) + 0.5 * diags(1 / degree) @ near
        for _ in range(smoothing):
            sampling = csr_matrix(step @ sampling)
    return Surface(sampling.astype(np.float32), sampled, cuts, hidden, smoothing)


def resample(
    points: Float32[np.ndarray, "n 3"],
    faces: Int32[np.ndarray, "m 3"],
    count: int,
    rng: np.random.Generator,
) -> tuple[csr_matrix, Int32[np.ndarray, "k 3"]]:
    """Samples a surface by about so many points, evenly, and triangulates them.

    Points are drawn by area; who is nearest to which along the surface gives the
    triangles (the dual of their Voronoi cells), so that what only touches, as lips do,
    stays apart. A coarse mesh is divided first.

    Args:
      points: of the mesh, mm.
      faces: its triangles; what they do not use is left out.
      count: of points wanted.
      rng: draws them.

    Returns:
      (k, n) weights of the mesh's points in each new one, and the triangles.
    """
    used, faces = pack(faces, len(points))
    weights = csr_matrix(identity(len(points), format="csr")[used])
    where = points[used].astype(np.float64)
    while count > 0.7 * len(where):
        faces, halves = _divided(faces, len(where))
        weights = csr_matrix(vstack([weights, halves @ weights]))
        where = np.concatenate([where, halves @ where])
    corners = where[faces]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    share = np.bincount(faces.ravel(), np.repeat(area, 3), minlength=len(where)) + 1e-9
    seeds = np.sort(rng.choice(len(where), count, replace=False, p=share / share.sum()))
    ends = _edges(faces)
    lengths = np.linalg.norm(where[ends[:, 0]] - where[ends[:, 1]], axis=1) + 1e-6
    graph = csr_matrix((lengths, ends.T), shape=(len(where),) * 2)
    _, _, owner = dijkstra(
        graph, directed=False, indices=seeds, min_only=True, return_predecessors=True
    )
    label = np.full(len(where) + 1, -1)
    label[seeds] = np.arange(count)
    cells = label[np.where(owner >= 0, owner, len(where))][faces]
    distinct = (cells != np.roll(cells, 1, axis=1)).all(axis=1) & (cells >= 0).all(1)
    kept, packed = pack(cells[distinct].astype(np.int32), count)
    return csr_matrix(weights[seeds[kept]]), packed


def _edges(faces: np.ndarray) -> np.ndarray:
    """(3 m, 2) the ends of each triangle's edges."""
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _divided(faces: np.ndarray, count: int) -> tuple[np.ndarray, csr_matrix]:
    """Each triangle as four, by the middles of its edges, which come after the points.

    Returns the triangles, and the weights of the points in the middles.
    """
    low, high = np.sort(_edges(faces), axis=1).T.astype(np.int64)
    code = low * count + high
    order = np.argsort(code, kind="stable")
    first = np.append(True, np.diff(code[order]) > 0)
    number = np.empty(len(code), np.int64)
    number[order] = np.cumsum(first) - 1
    ends = np.stack(np.divmod(code[order][first], count), axis=1)
    rows = np.repeat(np.arange(len(ends)), 2)
    halves = csr_matrix(
        (np.full(2 * len(ends), 0.5), (rows, ends.ravel())), shape=(len(ends), count)
    )
    a, b, c = faces.T
    ab, bc, ca = count + number.reshape(3, -1)
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    divided = np.concatenate([np.stack(part, axis=1) for part in parts])
    return divided.astype(np.int32), halves


def _neighbours(faces: np.ndarray, count: int) -> csr_matrix:
    """(count, count) 1 between points that share an edge."""
    ends = _edges(faces)
    both = np.concatenate([ends, ends[:, ::-1]])
    near = csr_matrix((np.ones(len(both)), both.T), shape=(count, count))
    near.data[:] = 1
    return near


def _mixed(first: Person, second: Person, rng: np.random.Generator) -> Person:
    """Parts of one and of the other, or something between them."""
    if rng.random() < 0.5:
        share = np.float32(rng.uniform(0.2, 0.8))
        weight = np.full(len(first.rest), share)
    else:
        direction = rng.standard_normal(3)
        along = first.rest @ (direction / np.linalg.norm(direction))
        seam = rng.uniform(*np.quantile(along, (0.3, 0.7)))
        weight = 1 / (1 + np.exp(-(along - seam) / _SEAM_MM))
    rest = weight[:, None] * first.rest + (1 - weight[:, None]) * second.rest
    return Person(rest.astype(np.float32), _common(first.attributes, second.attributes))


def _common(
    first: Mapping[str, str | float], second: Mapping[str, str | float]
) -> dict[str, str | float]:
    """Attributes of a mixed person: words that both have, numbers between them."""
    found: dict[str, str | float] = {}
    for name, value in first.items():
        other = second[name]
        if isinstance(value, str):
            found[name] = value if value == other else "unknown"
        else:
            found[name] = (value + float(other)) / 2
    return found


def _below_chin(
    rest: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator
) -> Bool[np.ndarray, "n"]:
    tilt = rng.uniform(-0.3, 0.5)
    chin = landmarks[_CHIN]
    height = rest[:, 1] - chin[1] - tilt * (rest[:, 2] - chin[2])
    return height < -rng.uniform(0, 45) + _wavy(rest[:, 0], rng)


def _above_brows(
    rest: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator
) -> Bool[np.ndarray, "n"]:
    tilt = rng.uniform(-0.6, 0.2)
    top = landmarks[_BROWS].mean(axis=0)
    height = rest[:, 1] - top[1] - tilt * (rest[:, 2] - top[2])
    return height > rng.uniform(18, 60) + _wavy(rest[:, 0], rng)


def _ears(
    rest: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator
) -> Bool[np.ndarray, "n"]:
    """What is behind the jaw line's ends, or all that lies farther out than they do."""
    ends = landmarks[list(_JAW)]
    half = np.ptp(ends[:, 0]) / 2
    out = np.abs(rest[:, 0] - ends[:, 0].mean()) > half * rng.uniform(0.95, 1.05)
    behind = rest[:, 2] < ends[:, 2].mean() - rng.uniform(-5, 15)
    return out | behind


def _outside_mask(
    rest: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator
) -> Bool[np.ndarray, "n"]:
    """What lies outside an oval around the face, or behind it."""
    middle = (landmarks[_BRIDGE] + landmarks[_CHIN]) / 2 + [0, rng.uniform(0, 20), 0]
    wide = np.ptp(landmarks[list(_JAW), 0]) / 2 * rng.uniform(0.85, 1.1)
    high = (landmarks[_BRIDGE, 1] - landmarks[_CHIN, 1]) * rng.uniform(0.85, 1.3)
    x, y = (rest[:, 0] - middle[0]) / wide, (rest[:, 1] - middle[1]) / high
    round_about = np.arctan2(y, x)
    border = 1 + 0.01 * _wavy(60 * round_about, rng)
    behind = rest[:, 2] < landmarks[list(_JAW), 2].mean() - 10
    return (np.hypot(x, y) > border) | behind


def _wavy(along: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An uneven border, about 2 mm up and down over some centimetres."""
    found = np.zeros(len(along))
    for _ in range(3):
        length = rng.uniform(15, 80)
        swing = 1.5 * rng.standard_normal()
        found += swing * np.sin(2 * np.pi * along / length + rng.uniform(0, 6.3))
    return found


_CUTTERS = dict(
    zip(CUTS, (_below_chin, _above_brows, _ears, _outside_mask), strict=True)
)
