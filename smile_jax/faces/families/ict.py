"""ICT-FaceKit's light model (USC ICT, MIT licence) as a face family.

Li et al., "Learning Formation of Physically-Based Face Attributes", CVPR 2020;
github.com/ICT-VGL/ICT-FaceKit. The identity basis comes from light-stage scans.
"""

import json
import pathlib

import numpy as np

from smile_jax.faces.families.face_model import (
    EYES,
    MOUTH,
    SKIN,
    TEETH,
    LinearFaceModel,
)
from smile_jax.faces.families.family import Family
from smile_jax.faces.families.model_files import read_model_files
from smile_jax.faces.families.paint import (
    EYE_COLOR,
    GUMS_COLOR,
    MOUTH_COLOR,
    TEETH_COLOR,
    lips_and_brows,
    paint_eyeball,
)
from smile_jax.faces.families.recipes import ARKIT_ACTIONS, ARKIT_IDLE, cook
from smile_jax.mesh.types import MeshError

# Rough centimetres to millimetres.
_MM = np.float32(10.0)

# Vertex ranges of the original README, `[start, stop)`. What follows the eyeballs
# (lacrimal fluid, blends, occlusion, lashes) is left out of renders.
_SKIN_END, _MOUTH_END, _EYE_SOCKETS_END = 11248, 13294, 14062
_GUMS_END, _TEETH_END, _EYEBALLS_END = 17039, 21451, 24591
_EYEBALLS = ((21451, 23021), (23021, 24591))
_NEUTRAL = "generic_neutral_mesh"

# Its inner brows have sides.
_ACTIONS = {**ARKIT_ACTIONS, "AU1_": {"browInnerUp{side}": 1.0}}


def load_ict(path: str | pathlib.Path, modes: int | None = None) -> LinearFaceModel:
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
    neutral = _read_shape(files, _NEUTRAL)
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

    faces = _read_faces(files[_NEUTRAL], path)
    landmarks = _read_landmarks(files["vertex_indices"], path)
    mean = neutral[:_EYEBALLS_END] * _MM
    skin, lips, brows, base = _paint(mean, landmarks)
    sides = ("_L", "_R")
    return LinearFaceModel(
        name=ICT.name,
        mean=mean,
        identity=np.stack([delta(name) for name in available[:modes]]),
        actions=cook(_ACTIONS, delta, mean[:, 0], sides),
        idle=cook(ARKIT_IDLE, delta, mean[:, 0], sides),
        faces=faces[(faces < _EYEBALLS_END).all(axis=1)],
        parts=_parts(),
        skin=skin,
        lips=lips,
        brows=brows,
        base_colors=base,
        landmarks=landmarks,
    )


def _files_of(path: pathlib.Path) -> dict[str, bytes]:
    """Stem -> content of every file in the tree's or archive's `FaceXModel`."""
    found = read_model_files(path, lambda name: "FaceXModel/" in f"/{name}")
    files = {pathlib.PurePath(name).stem: content for name, content in found.items()}
    missing = {_NEUTRAL, "vertex_indices", "identity000"} - set(files)
    if missing:
        raise MeshError(
            f"{path}: no ICT-FaceKit model there (missing from FaceXModel/: "
            f"{', '.join(sorted(missing))}); expected the ICT-FaceKit tree or its "
            "archive, with FaceXModel/generic_neutral_mesh.obj, identity000.obj, ..."
        )
    return files


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


def _parts() -> np.ndarray:
    """(n,) by the vertex ranges."""
    parts = np.full(_EYEBALLS_END, SKIN, np.uint8)
    parts[_SKIN_END:_GUMS_END] = MOUTH
    parts[_MOUTH_END:_EYE_SOCKETS_END] = EYES
    parts[_GUMS_END:_TEETH_END] = TEETH
    parts[_TEETH_END:] = EYES
    return parts


def _paint(mean: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, ...]:
    """Pigment weights and fixed colours; the light model ships no albedo."""
    n = len(mean)
    skin = (np.arange(n) < _SKIN_END).astype(np.float32)
    base = np.empty((n, 3), np.float32)
    base[:_EYE_SOCKETS_END] = MOUTH_COLOR
    base[_EYE_SOCKETS_END:_GUMS_END] = GUMS_COLOR
    base[_GUMS_END:_TEETH_END] = TEETH_COLOR
    base[_TEETH_END:] = EYE_COLOR
    for start, stop in _EYEBALLS:
        paint_eyeball(base[start:stop], mean[start:stop])
    lips, brows = lips_and_brows(mean, skin, landmarks)
    return skin, lips, brows, base


ICT = Family(
    name="ict",
    title="ICT-FaceKit",
    source="USC Institute for Creative Technologies, from light-stage scans (Li et "
    "al., CVPR 2020)",
    licence="MIT, in its LICENSE",
    where="github.com/ICT-VGL/ICT-FaceKit",
    points=_EYEBALLS_END,
    people="100 independent modes of shape; ages and ancestries are not said",
    units="roughly centimetres",
    odd="no albedo; lacrimal fluid, lashes and what blends eyes with lids are left out",
    archive="ict",
    load=load_ict,
    has_mark=lambda name: name.endswith(f"FaceXModel/{_NEUTRAL}.obj"),
)
