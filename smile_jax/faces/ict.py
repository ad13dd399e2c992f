"""ICT-FaceKit's light model (USC ICT, MIT licence) as a `FaceModel`.

Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020;
github.com/ICT-VGL/ICT-FaceKit. The identity basis comes from light-stage scans.
"""

import itertools
import json
import pathlib
import tarfile
import zipfile
from collections.abc import Iterator

import numpy as np

from smile_jax.faces.model import FaceModel
from smile_jax.mesh.types import MeshError

# Rough centimetres to millimetres.
_MM = np.float32(10.0)

# Vertex ranges of the original README, `[start, stop)`. What follows the eyeballs
# (lacrimal fluid, blends, occlusion, lashes) is left out of renders.
_SKIN_END, _MOUTH_END, _EYE_SOCKETS_END = 11248, 13294, 14062
_GUMS_END, _TEETH_END, _EYEBALLS_END = 17039, 21451, 24591
_EYEBALLS = ((21451, 23021), (23021, 24591))
_IRIS_MM, _PUPIL_MM = 5.8, 2.2  # radii

# FACS action -> shapes, after the table of the original README. AU10 is theirs for the
# upper lip's shrug; the README maps `mouthUpperUp` to AU11, but that shape raises the
# upper lip, which is AU10 (Ekman & Friesen 1978), so both carry it here. AU25 (lips
# part) is both lips' raisers and depressors, AU26 (jaw drop) part of the jaw opening,
# whose full travel is AU27 (mouth stretch).
_ACTION_SHAPES = {
    "AU1": ["browInnerUp"],
    "AU2": ["browOuterUp"],
    "AU4": ["browDown"],
    "AU5": ["eyeWide"],
    "AU6": ["cheekSquint"],
    "AU7": ["eyeSquint"],
    "AU9": ["noseSneer"],
    "AU10": ["mouthUpperUp"],
    "AU12": ["mouthSmile"],
    "AU15": ["mouthFrown"],
    "AU20": ["mouthStretch"],
    "AU24": ["mouthPress"],
}
_MIDLINE_SHAPES = {
    "AU17": ["mouthShrugLower"],
    "AU25": [
        "mouthLowerDown_L",
        "mouthLowerDown_R",
        "mouthUpperUp_L",
        "mouthUpperUp_R",
    ],
    "AU26": ["jawOpen"],
}
_IDLE_SHAPES = {
    "AU14_L": ["mouthDimple_L"],
    "AU14_R": ["mouthDimple_R"],
    "AU18": ["mouthPucker"],
    "AU45_L": ["eyeBlink_L"],
    "AU45_R": ["eyeBlink_R"],
    "AU61": ["eyeLookOut_L", "eyeLookIn_R"],
    "AU62": ["eyeLookIn_L", "eyeLookOut_R"],
    "AU63": ["eyeLookUp_L", "eyeLookUp_R"],
    "AU64": ["eyeLookDown_L", "eyeLookDown_R"],
}
# Full activation as a share of the shapes' full travel, where it is not all of it.
_TRAVEL = {"AU25": 0.5, "AU26": 0.65}

# An archive may hold so many times its own size, and so much beside. (xz makes the
# distributed one eight times smaller.)
_MOST_TIMES, _MOST_BESIDE = 40, 64 << 20


def load_ict(path: str | pathlib.Path, modes: int | None = None) -> FaceModel:
    """Reads the original tree or an archive of it.

    Args:
      path: a folder that holds `FaceXModel/` at any depth, or a `.tar`, `.tar.xz`,
        `.tar.gz` or `.zip` of one.
      modes: how many identity modes to use; by default all that are there.

    Raises:
      MeshError: no such model there, a shape missing or damaged, or more modes asked
        for than there are.
    """
    files = _files_of(pathlib.Path(path))
    neutral = _read_shape(files, "generic_neutral_mesh")
    available = sorted(name for name in files if name.startswith("identity"))
    modes = len(available) if modes is None else modes
    if not 1 <= modes <= len(available):
        raise MeshError(
            f"{path}: {modes} identity modes asked for, 1 to {len(available)} are there"
        )

    def delta(name: str) -> np.ndarray:
        shape = _read_shape(files, name)
        if len(shape) != len(neutral):
            raise MeshError(
                f"{path}: {name}.obj has {len(shape)} points, the neutral mesh "
                f"{len(neutral)}; the file is truncated or of another version"
            )
        return (shape - neutral)[:_EYEBALLS_END] * _MM

    actions: dict[str, np.ndarray] = {}
    for action, shapes in _ACTION_SHAPES.items():
        for side in ("L", "R"):
            sided = [delta(f"{shape}_{side}") for shape in shapes]
            actions[f"{action}_{side}"] = np.sum(sided, axis=0)
    for action, shapes in _MIDLINE_SHAPES.items():
        share = np.float32(_TRAVEL.get(action, 1.0))
        actions[action] = share * np.sum([delta(shape) for shape in shapes], axis=0)
    idle = {
        action: np.sum([delta(shape) for shape in shapes], axis=0)
        for action, shapes in _IDLE_SHAPES.items()
    }

    faces = _read_faces(files["generic_neutral_mesh"], path)
    landmarks = _read_landmarks(files["vertex_indices"], path)
    mean = neutral[:_EYEBALLS_END] * _MM
    skin, lips, brows, base = _paint(mean, landmarks)
    return FaceModel(
        name="ict",
        mean=mean,
        identity=np.stack([delta(name) for name in available[:modes]]),
        actions=actions,
        idle=idle,
        faces=faces[(faces < _EYEBALLS_END).all(axis=1)],
        skin=skin,
        lips=lips,
        brows=brows,
        base_colors=base,
        landmarks=landmarks,
    )


def _files_of(path: pathlib.Path) -> dict[str, bytes]:
    """Stem -> content of every file in the tree's or archive's `FaceXModel`."""
    try:
        files = {
            pathlib.PurePath(name).stem: content for name, content in _contents(path)
        }
    except MeshError:
        raise
    except Exception as error:  # tarfile, zipfile and the codecs raise many kinds
        raise MeshError(
            f"{path}: cannot be read ({type(error).__name__}: {str(error)[:200]}); it "
            "is truncated or damaged, copy it again"
        ) from error
    missing = {"generic_neutral_mesh", "vertex_indices", "identity000"} - set(files)
    if missing:
        raise MeshError(
            f"{path}: no ICT-FaceKit model there (missing from FaceXModel/: "
            f"{', '.join(sorted(missing))}); expected the ICT-FaceKit tree or its "
            "archive, with FaceXModel/generic_neutral_mesh.obj, identity000.obj, ..."
        )
    return files


def _contents(path: pathlib.Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of the files in `FaceXModel`, of a folder or an archive.

    Raises:
      MeshError: an archive holds much more than such models are compressed by.
    """
    if path.is_dir():
        for found in sorted(path.rglob("FaceXModel/*")):
            if found.is_file():
                yield found.name, found.read_bytes()
        return
    if not path.is_file():
        return
    left = _MOST_TIMES * path.stat().st_size + _MOST_BESIDE

    def spend(size: int) -> None:
        nonlocal left
        left -= size
        if left < 0:
            raise MeshError(
                f"{path}: holds more than {_MOST_TIMES} times its own size; it is no "
                "archive of ICT-FaceKit"
            )

    if tarfile.is_tarfile(path):
        # One pass: seeking in a compressed archive would decompress it many times.
        with tarfile.open(path) as tar:
            for member in tar:
                spend(member.size)
                handle = tar.extractfile(member) if member.isfile() else None
                if handle and "FaceXModel/" in member.name:
                    yield member.name, handle.read()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                spend(info.file_size)
                if "FaceXModel/" in info.filename and not info.is_dir():
                    yield info.filename, archive.read(info)


def _read_shape(files: dict[str, bytes], name: str) -> np.ndarray:
    if name not in files:
        raise MeshError(f"ICT-FaceKit: FaceXModel/{name}.obj is missing")
    lines = [line[2:] for line in files[name].splitlines() if line[:2] == b"v "]
    try:
        points = np.array(b" ".join(lines).split(), np.float32).reshape(-1, 3)
    except ValueError as error:
        raise MeshError(
            f"ICT-FaceKit: FaceXModel/{name}.obj is truncated or damaged ({error})"
        ) from error
    if len(points) < _EYEBALLS_END or not np.isfinite(points).all():
        raise MeshError(
            f"ICT-FaceKit: FaceXModel/{name}.obj has {len(points)} points, expected at "
            f"least {_EYEBALLS_END} finite ones; it is truncated or damaged"
        )
    return points


def _read_faces(content: bytes, path: str | pathlib.Path) -> np.ndarray:
    triangles = []
    for line in content.splitlines():
        if line[:2] == b"f ":
            try:
                corners = [int(word.split(b"/", 1)[0]) - 1 for word in line.split()[1:]]
            except ValueError as error:
                raise MeshError(
                    f"{path}: generic_neutral_mesh.obj: {line[:40]!r} is no face"
                ) from error
            if min(corners, default=0) < 0 or max(corners, default=0) >= 2**31:
                raise MeshError(
                    f"{path}: generic_neutral_mesh.obj: {line[:40]!r} names a point "
                    "that is not there"
                )
            triangles += [
                (corners[0], corners[i], corners[i + 1])
                for i in range(1, len(corners) - 1)
            ]
    if not triangles:
        raise MeshError(f"{path}: generic_neutral_mesh.obj has no faces")
    return np.array(triangles, np.int32)


def _read_landmarks(content: bytes, path: str | pathlib.Path) -> np.ndarray:
    """(68,) points of the mesh."""
    try:
        found = np.asarray(json.loads(content)["idx_to_landmark_verts"], np.int64)
        if found.shape != (68,) or found.min() < 0 or found.max() >= _EYEBALLS_END:
            raise ValueError(f"{found.shape} landmarks, or not of its points")
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise MeshError(
            f"{path}: vertex_indices.json: not the indices of 68 landmarks "
            f"({str(error)[:200]})"
        ) from error
    return found.astype(np.int32)


def _paint(mean: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, ...]:
    """Pigment weights and fixed colours; the light model ships no albedo."""
    n = len(mean)
    index = np.arange(n)
    skin = (index < _SKIN_END).astype(np.float32)
    base = np.empty((n, 3), np.float32)
    base[:_EYE_SOCKETS_END] = (0.35, 0.12, 0.12)
    base[_EYE_SOCKETS_END:_GUMS_END] = (0.6, 0.25, 0.25)
    base[_GUMS_END:_TEETH_END] = (0.9, 0.88, 0.8)
    base[_TEETH_END:] = (0.9, 0.9, 0.88)
    for start, stop in _EYEBALLS:  # a clear cornea covers the iris: paint both
        eye = mean[start:stop]
        center = (eye.min(axis=0) + eye.max(axis=0)) / 2
        radius = np.linalg.norm((eye - center)[:, :2], axis=1)
        front = eye[:, 2] > center[2]
        base[start:stop][front & (radius < _IRIS_MM)] = (0.3, 0.2, 0.12)
        base[start:stop][front & (radius < _PUPIL_MM)] = 0.03
    face = mean * skin[:, None] + 1e6 * (1 - skin[:, None])
    brows = np.maximum(
        _near_polyline(face, mean[landmarks[17:22]], 3.5),
        _near_polyline(face, mean[landmarks[22:27]], 3.5),
    )
    outer, inner = mean[landmarks[48:60]], mean[landmarks[60:68]]
    lips = np.zeros(n, np.float32)
    for half in (slice(0, 7), slice(6, 12)):
        lips = np.maximum(lips, _near_polyline(face, outer[half], 3.0))
    lips = np.maximum(lips, _near_polyline(face, inner, 4.0))
    return skin, lips * skin, brows * skin, base


def _near_polyline(points: np.ndarray, line: np.ndarray, radius: float) -> np.ndarray:
    """Soft weight in [0, 1], 1/2 at `radius` mm from the line."""
    nearest = np.full(len(points), np.inf)
    for a, b in itertools.pairwise(line):
        along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        gap = np.linalg.norm(points - a - along[:, None] * (b - a), axis=1)
        nearest = np.minimum(nearest, gap)
    return (1 / (1 + (nearest / radius) ** 6)).astype(np.float32)
