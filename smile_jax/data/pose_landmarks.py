"""Landmarks that fix a pose, from the landmark files of each dataset."""

import pathlib
from collections.abc import Mapping

import numpy as np

from smile_jax.mesh import MeshError, read_landmarks
from smile_jax.mesh.pose import Anchors

# Rows (first, last + 1) of the Binghamton sets' 83 points. From memory: a user who
# knows better sets the config's `landmark_rows`.
BINGHAMTON_ROWS = {
    "eye": (0, 8),
    "other_eye": (8, 16),
    "nose": (36, 48),
    "mouth": (48, 68),
}


def bosphorus_anchors(path: pathlib.Path) -> Anchors:
    """Reads the anchors of a `.lm3` file by their labels.

    Raises:
      MeshError: unreadable, or a label is missing (turned and occluded scans).
    """
    read = read_landmarks(path)
    try:
        return labelled_anchors(dict(zip(read.labels, read.points, strict=True)))
    except MeshError as error:
        raise MeshError(f"{path}: byte 0: {error}") from error


_BESIDE = (".lm3", ".bnd")


def anchors_beside(scan: pathlib.Path) -> Anchors:
    """Reads the anchors from the `.lm3` or `.bnd` file beside a scan.

    Raises:
      MeshError: there is none, or it is unreadable.
    """
    named, numbered = (scan.with_suffix(suffix) for suffix in _BESIDE)
    if named.is_file():
        return bosphorus_anchors(named)
    if numbered.is_file():
        return binghamton_anchors(numbered, BINGHAMTON_ROWS)
    raise MeshError(
        f"{scan}: byte 0: neither {named.name} nor {numbered.name} is beside it"
    )


def has_anchors(scan: pathlib.Path) -> bool:
    """Returns True if a landmark file of the scan's name lies beside it."""
    return any(scan.with_suffix(suffix).is_file() for suffix in _BESIDE)


def labelled_anchors(landmarks: Mapping[str, np.ndarray]) -> Anchors:
    """Returns the anchors from points by Bosphorus' labels, in any case.

    Raises:
      MeshError: a label is missing.
    """
    points = {label.lower(): point for label, point in landmarks.items()}

    def middle(*labels: str) -> np.ndarray:
        missing = [label for label in labels if label not in points]
        if missing:
            raise MeshError(f"no landmark {missing[0]!r}")
        return np.mean([points[label] for label in labels], axis=0)

    return Anchors(
        eyes=(
            middle("outer left eye corner", "inner left eye corner"),
            middle("outer right eye corner", "inner right eye corner"),
        ),
        mouth=middle("left mouth corner", "right mouth corner"),
        nose_tip=middle("nose tip"),
    )


def binghamton_anchors(
    path: pathlib.Path, rows: Mapping[str, tuple[int, int]]
) -> Anchors:
    """Reads the anchors of a `.bnd` file of 83 points, as contour means.

    The mouth's contour lies before its corners, so faces come out turned down by about
    5 degrees more than with Bosphorus' landmarks; alike for all scans of a set.

    Raises:
      MeshError: unreadable, or fewer points than `rows` names.
    """
    points = read_landmarks(path).points

    def middle(name: str) -> np.ndarray:
        first, stop = rows[name]
        if stop > len(points):
            raise MeshError(
                f"{path}: byte {path.stat().st_size}: {len(points)} landmarks, but "
                f"landmark_rows[{name!r}] reaches to {stop}"
            )
        return points[first:stop].mean(axis=0)

    return Anchors(
        eyes=(middle("eye"), middle("other_eye")),
        mouth=middle("mouth"),
        nose_tip=middle("nose"),
    )
