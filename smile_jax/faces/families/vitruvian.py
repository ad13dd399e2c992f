"""Vitruvian (CC0): a realistic body for Blender's CharMorph; here, its head.

Sean Buckley and Olaf Delgado-Friedrichs, github.com/Upliner/CharMorph-Vitruvian. Shapes
are `morphs/L1` (at rest), `L2` (people) and `L3` (units of expression, visemes, whole
emotions); they move some points of a body whose quads are in `faces.npy`.
"""

import dataclasses
import io
import json
import pathlib
import re
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from typing_extensions import override

from smile_jax.faces.families.face_model import (
    EYES,
    MOUTH,
    SKIN,
    TEETH,
    FaceModel,
    Person,
    mixed_shape,
)
from smile_jax.faces.families.family import Family
from smile_jax.faces.families.model_files import read_model_files
from smile_jax.faces.families.paint import paint_head
from smile_jax.faces.families.placing import at_the_eyes
from smile_jax.faces.families.recipes import Recipes, cook
from smile_jax.mesh.types import MeshError

_MM = 1000.0  # metres
_POINTS = 37_436
_LOW_MM, _SHOULDERS_MM = 1490.0, 150.0  # of the body, whose eyes are 1,635 mm high
_EYEBALLS = ((0, 514), (34295, 34809))  # the iris is a disc inside, of other points
_TONGUE_MM = 1.0  # what the tongue's shapes move by more is of it
# The mouth's inside: what hangs together with the tongue behind this surface, mm behind
# the middle of the lips, which curves back by so much to the sides.
_BEHIND_LIPS_MM, _LIPS_CURVE = 2.0, 0.024
_LIPS_MM = ((-45.0, 45.0), (1530.0, 1640.0))  # from the face's right to left; height

# Of L2: features of heads; what is fantasy, or of bodies, is left out.
_FEATURE = re.compile("(Cheeks|Chin|Ears|Eyes|Face|Head|Jaw|Mouth|Nose)_|Generic_Assy")
_NO_FEATURE = {"Mouth_NoTeeth"}
_RACES = (
    "African", "Bengali", "EastAsian", "Hispanic", "Kannada", "Marathi",
    "MiddleEastern", "Punjabi", "Sinhalese", "Tamil", "Telegu", "White",
)  # fmt: skip
_SEXES = ("Female", "Male")
_HEAVY, _THIN, _OLD = "BodyType_Fat", "BodyType_Emaciated", "Age_Old"
_SPREAD = 0.35  # of features, share of their travel

# FACS action -> units of L3. Shares are such that landmarks move about as far as
# ICT-FaceKit's (`python -m experiments.families --table`). Units of the lips and some
# others are named from the viewer's side.
_ACTIONS: Recipes = {
    "AU1_": {"Eyebrows_InnerBrow_Raised_{side}": 1.5},
    "AU2_": {"Eyebrows_OuterBrow_Raised_{side}": 0.8, "Eyebrows_Raised_{side}": 0.35},
    "AU4_": {
        "Eyebrows_Frown_{side}": 0.8,
        "Eyebrows_Lower_{side}": 1.0,
        "Eyebrows_OuterBrow_Lower_{side}": 0.6,
    },
    "AU5_": {"Eyes_Opened_Max_{side}": 0.9},
    "AU6_": {"Cheeks_Raised_{side}": 1.0, "Lower_Eyelid_Squint": 1.0},
    "AU7_": {
        "Lower_Eyelid_Squint": 1.0,
        "Lower_Eyelid_Up_{side}": 0.5,
        "Eyes_Closed_{side}": 0.06,
    },
    "AU9_": {
        "Nostrils_Corners_Raise_GLOBAL_{side}": 1.2,
        "Eyebrows_InnerBrow_Lower_{side}": 1.0,
        "Lips_Up_Raised_{other}": 0.8,
        "Smile_Lips_Closed_{side}": 0.3,
    },
    "AU10_": {
        "Lips_Up_Raised_{other}": 1.1,
        "Nostrils_Corners_Raise_GLOBAL_{side}": 0.6,
        "Smile_Lips_Closed_{side}": 0.3,
    },
    "AU12_": {"Smile_Lips_Closed_{side}": 1.6, "Cheeks_Raised_{side}": 0.3},
    "AU15_": {"Mouth_Closed_Corner": 0.85},
    "AU20_": {
        "Opened_ClosedTeeth_{other}": 1.0,
        "Lips_Up_Raised_{other}": -1.0,
        "Lips_Dn_Lower_{side}": -0.5,
        "Mouth_Closed_Corner": 0.8,
    },
    "AU24_": {
        "p_b_m_21": 0.4,
        "Lips_Up_Tighten": 1.0,
        "Lips_Dn_Tighten": 1.0,
        "Lips_Dn_Raised": 0.25,
    },
    "AU17": {
        "Chin_Raised": 0.5,
        "Lips_Dn_Raised": 0.6,
        "Jaw_dn_upper": 1.0,
        "Mouth_Closed_Corner": 0.5,
    },
    "AU25": {
        "Lips_Dn_Lower_Left": 0.25,
        "Lips_Dn_Lower_Right": 0.25,
        "Lips_Up_Raised_Left": 0.5,
        "Lips_Up_Raised_Right": 0.5,
    },
    "AU26": {"Mouth_Large_Opened": 0.55},
}
_IDLE: Recipes = {
    "AU14_": {"Lips_Dimple_{side}": 0.7},
    "AU18": {"Kiss": 1.0},
    "AU45_": {"Eyes_Closed_{side}": 1.0},
    "AU61": {"Look_Out_Left": 1.0, "Look_In_Right": 1.0},
    "AU62": {"Look_In_Left": 1.0, "Look_Out_Right": 1.0},
    "AU63": {"Look_Up_Left": 1.0, "Look_Up_Right": 1.0},
    "AU64": {"Look_Dwn_Left": 1.0, "Look_Dwn_Right": 1.0},
}
# What NumPy and zipfile raise of a damaged file.
_DAMAGE = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)
_TONGUE = ("Tongue_Forward", "Tongue_Up", "Tongue_Down")
_EMOTIONS = {
    "anger": "Angry", "disgust": "Disgusted", "fear": "Scared", "happy": "Happy",
    "sad": "Sad",
}  # fmt: skip
_SHAPES = {
    name.format(side=side, other=side)
    for recipe in (*_ACTIONS.values(), *_IDLE.values())
    for name in recipe
    for side in ("Left", "Right")
} | {*_TONGUE, *_EMOTIONS.values()}

# Points of the body: ICT-FaceKit's landmarks, its mean head fitted to this one, looked
# at, and made symmetric; those of the lids lie on the edge that moves.
_LANDMARKS = (
    *(28701, 28700, 3610, 18678, 3516, 27810, 19755, 28752, 25154, 30091, 11764, 30167),
    *(7693, 17416, 7779, 32372, 32370, 14184, 23008, 26292, 26325, 1031, 5204, 29965),
    *(29967, 18062, 15409, 23175, 11953, 602, 14177, 2024, 11481, 3625, 10649, 6193),
    *(36475, 36773, 36783, 26409, 36765, 36750, 30988, 36961, 36950, 31017, 37091),
    *(36942, 27424, 17125, 11672, 13321, 14569, 19060, 30968, 30969, 32418, 17936),
    *(27290, 28768, 1149, 26469, 580, 30099, 5322, 30122, 11350, 26423),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VitruvianHeads(FaceModel):
    """People are sums of shapes, each within the bounds that its makers give.

    Attributes:
      base: (n, 3) mm, to which shapes are added.
      shapes: (n, 3) displacement in mm of each, at its full travel.
      bounds: lowest and highest share of each feature.
      emotions: (n, 3) displacement in mm of whole emotions as its makers have them, by
        this project's names: a second opinion on the scripts.
    """

    base: Float32[np.ndarray, "n 3"]
    shapes: Mapping[str, Float32[np.ndarray, "n 3"]]
    bounds: Mapping[str, tuple[float, float]]
    emotions: Mapping[str, Float32[np.ndarray, "n 3"]]

    @override
    def sample_person(self, rng: np.random.Generator, spread: float = 1.0) -> Person:
        """Draws a person; `spread` is of what is individual."""
        races = rng.dirichlet([0.3] * len(_RACES))
        male, old = float(rng.beta(0.6, 0.6)), float(rng.uniform(0, 0.9))
        weight = spread * float(rng.uniform(-0.7, 0.7))
        shares = {f"Race_{n}": float(s) for n, s in zip(_RACES, races, strict=True)}
        sexes = zip(_SEXES, (1 - male, male), strict=True)
        shares |= {f"Gender_{name}": share for name, share in sexes}
        shares |= {_OLD: old, _HEAVY: max(weight, 0.0), _THIN: max(-weight, 0.0)}
        for name, (low, high) in self.bounds.items():
            drawn = _SPREAD * spread * float(rng.standard_normal())
            shares[name] = float(np.clip(drawn, low, high))
        rest = mixed_shape(self.base, self.shapes, shares)
        attributes: dict[str, str | float] = {
            "gender": _SEXES[int(male > 0.5)].lower(),
            "ethnicity": _RACES[int(races.argmax())],
        }
        return Person(at_the_eyes(rest, self.parts), attributes)


def load_vitruvian(
    path: str | pathlib.Path, modes: int | None = None
) -> VitruvianHeads:
    """Reads the original tree or an archive of it.

    Args:
      path: a folder that holds `faces.npy` and `morphs/`, at any depth, or a `.tar`,
        `.tar.xz`, `.tar.gz` or `.zip` of one.
      modes: must be None: people are no sums of independent modes.

    Raises:
      MeshError: no such model there, a file missing or damaged, or modes asked for.
    """
    if modes is not None:
        raise MeshError(
            f"identity_modes={modes}: Vitruvian's people are drawn by ancestry, sex "
            "and single features, not by modes; leave it out"
        )
    tree = _Tree(pathlib.Path(path))
    body = tree.base()
    quads = tree.array("faces.npy", (None, 4)).astype(np.int64)
    if quads.min() < 0 or quads.max() >= len(body):
        raise MeshError(f"{path}: faces.npy names points that are not there")
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    whole = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
    near = (body[:, 1] > _LOW_MM) & (np.abs(body[:, 0]) < _SHOULDERS_MM)
    triangles = triangles[whole & near[triangles].all(axis=1)]
    used, faces = np.unique(triangles, return_inverse=True)
    if not set(_LANDMARKS) <= set(used.tolist()):
        raise MeshError(f"{path}: another version: its head has other points")
    parts = _parts(body, triangles, tree)[used]
    bounds = {n: b for n, b in tree.bounds().items() if f"L2/{n}" in tree}
    people = [f"Race_{n}" for n in _RACES] + [f"Gender_{n}" for n in _SEXES]
    people += [_HEAVY, _THIN, _OLD, *bounds]
    shapes = {name: tree.shape(f"L2/{name}")[used] for name in people}
    base = body[used]
    middle = base + (shapes["Gender_Female"] + shapes["Gender_Male"]) / 2
    mean = at_the_eyes(middle, parts)
    landmarks = np.searchsorted(used, _LANDMARKS).astype(np.int32)
    eyeballs = [(used >= start) & (used < stop) for start, stop in _EYEBALLS]
    sides = ("Left", "Right")

    def shape(name: str) -> np.ndarray:
        return tree.shape(f"L3/{name}")[used]

    return VitruvianHeads(
        base=base,
        shapes=shapes,
        bounds=bounds,
        emotions={name: shape(word) for name, word in _EMOTIONS.items()},
        name=VITRUVIAN.name,
        mean=mean,
        actions=cook(_ACTIONS, shape, mean[:, 0], sides),
        idle=cook(_IDLE, shape, mean[:, 0], sides),
        faces=faces.reshape(-1, 3).astype(np.int32),
        parts=parts,
        landmarks=landmarks,
        **paint_head(mean, parts, eyeballs, landmarks),
    )


class _Tree:
    """The files that are used, by their path below the tree's root."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        found = read_model_files(path, lambda name: bool(_inside(name)))
        self._files = {_inside(name): content for name, content in found.items()}
        missing = sorted(_needed() - self._files.keys())
        if missing:
            raise MeshError(
                f"{path}: no Vitruvian there ({', '.join(missing[:5])} missing, "
                f"{len(missing)} in all); expected the tree of CharMorph-Vitruvian or "
                "its archive"
            )

    def __contains__(self, shape: str) -> bool:
        return f"morphs/{shape}.npz" in self._files

    def array(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """One array; None stands for any length."""
        found = self._load(name)
        if not isinstance(found, np.ndarray) or len(found.shape) != len(shape):
            raise MeshError(f"{self._path}: {name} is no array of {len(shape)} axes")
        if any(n not in (None, m) for n, m in zip(shape, found.shape, strict=True)):
            raise MeshError(
                f"{self._path}: {name} is {found.shape}, expected {shape}; it is of "
                "another version"
            )
        return found

    def base(self) -> Float32[np.ndarray, "n 3"]:
        """The body at rest, in mm and in this project's axes."""
        return _turned(self.array("morphs/L1/Default.npy", (_POINTS, 3)))

    def shape(self, name: str) -> Float32[np.ndarray, "n 3"]:
        """The displacement of a shape, in mm."""
        file = f"morphs/{name}.npz"
        if file not in self._files:  # of every point
            return _turned(self.array(f"morphs/{name}.npy", (_POINTS, 3)))
        stored = self._load(file)
        moved = np.zeros((_POINTS, 3))
        try:
            moved[stored["idx"]] = stored["delta"]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise MeshError(
                f"{self._path}: {file} is damaged ({type(error).__name__}: {error})"
            ) from error
        return _turned(moved)

    def bounds(self) -> dict[str, tuple[float, float]]:
        """The features of heads, with the shares that they may have."""
        file = "morphs/L2/morphs.json"
        try:
            listed = json.loads(self._files[file])
            return {
                m["morph"]: (float(m.get("min", 0)), float(m.get("max", 1)))
                for m in listed
                if _FEATURE.match(m.get("morph", "")) and m["morph"] not in _NO_FEATURE
            }
        except (ValueError, TypeError, AttributeError) as error:
            raise MeshError(f"{self._path}: {file} is damaged ({error})") from error

    def _load(self, name: str):
        try:
            found = np.load(io.BytesIO(self._files[name]), allow_pickle=False)
            return found if isinstance(found, np.ndarray) else dict(found)
        except _DAMAGE as error:
            raise MeshError(
                f"{self._path}: {name} is truncated or damaged ({str(error)[:200]})"
            ) from error


def _inside(name: str) -> str:
    """The path below the tree's root of a file that is used; "" of others."""
    found = re.search(r"(?:^|/)(faces\.npy|morphs/(L[123])/([\w.]+))$", name)
    if not found:
        return ""
    _, layer, file = found.groups()
    if layer == "L3" and pathlib.PurePath(file).stem not in _SHAPES:
        return ""
    return found[1]


def _needed() -> set[str]:
    people = [f"Race_{n}" for n in _RACES] + [f"Gender_{n}" for n in _SEXES]
    return {
        "faces.npy",
        "morphs/L1/Default.npy",
        "morphs/L2/morphs.json",
        f"morphs/L2/{_OLD}.npy",
        *(f"morphs/L2/{name}.npz" for name in (*people, _HEAVY, _THIN)),
        *(f"morphs/L3/{name}.npz" for name in _SHAPES),
    }


def _turned(points: np.ndarray) -> Float32[np.ndarray, "n 3"]:
    """From metres with z up to millimetres with y up."""
    x, y, z = (points * _MM).T
    return np.stack([x, z, -y], axis=1).astype(np.float32)


def _parts(body: np.ndarray, triangles: np.ndarray, tree: _Tree) -> np.ndarray:
    """(n,) of the whole body."""
    parts = np.full(len(body), SKIN, np.uint8)
    (right, left), (low, high) = _LIPS_MM
    lips = body[list(_LANDMARKS[60:68])]
    front = lips[:, 2].max() - _BEHIND_LIPS_MM - _LIPS_CURVE * body[:, 0] ** 2
    wall = (body[:, 2] > front) & (body[:, 1] > low) & (body[:, 1] < high)
    wall &= (body[:, 0] > right) & (body[:, 0] < left)
    behind = triangles[~wall[triangles].any(axis=1)]
    ends = behind.ravel(), np.roll(behind, 1, axis=1).ravel()
    graph = coo_matrix((np.ones(len(ends[0]), np.int8), ends), (len(body),) * 2)
    _, piece = connected_components(graph, directed=False)
    tongue = np.zeros(len(body), bool)
    for name in _TONGUE:
        moved = np.linalg.norm(tree.shape(f"L3/{name}"), axis=1)
        tongue |= (moved > _TONGUE_MM) & ~wall
    parts[np.isin(piece, np.unique(piece[tongue]))] = MOUTH
    if "L2/Mouth_NoTeeth" in tree:
        gone = np.linalg.norm(tree.shape("L2/Mouth_NoTeeth"), axis=1)
        parts[(gone > _TONGUE_MM) & (parts == MOUTH)] = TEETH
    for start, stop in _EYEBALLS:
        parts[start:stop] = EYES
    return parts


VITRUVIAN = Family(
    name="vitruvian",
    title="Vitruvian",
    source="Sean Buckley and Olaf Delgado-Friedrichs, for CharMorph",
    licence="CC0, in its config.yaml",
    where="github.com/Upliner/CharMorph-Vitruvian",
    points=16_734,
    people="12 ancestries and what lies between, both sexes and what lies between, "
    "weight, age, and 83 single features of the head",
    units="metres, z up; a whole body of 1.75 m",
    odd="half of a head's points are in the mouth; units of the lips are named from "
    "the viewer's side; lips stretch (AU20) only as a sum of other units",
    archive="vitruvian",
    load=load_vitruvian,
    has_mark=lambda name: name.endswith("morphs/L2/Race_African.npz"),
)
