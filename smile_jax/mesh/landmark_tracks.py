"""Landmarks of all frames of a recording in one MATLAB file, as BP4D+ has them."""

import functools
import pathlib
import zlib
from typing import Any

import numpy as np

from smile_jax.mesh.landmarks import Landmarks
from smile_jax.mesh.types import MeshError

_STRUCT, _POINTS = "stereo", "pts_3d"
_ROWS = 83
_LARGEST = 256 << 20  # bytes of a file
_MOST_FRAMES = 100_000
# MATLAB's level 5 format, and how far its packed parts may grow (our choice).
_HEADER, _PACKED = 128, 15
_TIMES, _BESIDE, _CHUNK = 8, 8 << 20, 1 << 20


def count_frames(path: pathlib.Path) -> int:
    """How many frames the struct array `stereo` of a `.mat` file has.

    Raises:
      MeshError: naming the file and what is wrong.
    """
    import scipy.io

    try:
        listed = {name: shape for name, shape, _ in scipy.io.whosmat(str(path))}
    except Exception as error:  # SciPy's parser raises whatever it meets
        raise _unreadable(path, error) from error
    if _STRUCT not in listed or not 0 < np.prod(listed[_STRUCT]) <= _MOST_FRAMES:
        raise MeshError(
            f"{path}: byte 0: no struct array {_STRUCT!r} of frames, but "
            f"{str(listed)[:100]}; it is no 3DFeatures file of BP4D+"
        )
    return int(np.prod(listed[_STRUCT]))


def read_frame(path: pathlib.Path, number: int) -> Landmarks:
    """The 83 landmarks of one frame.

    Args:
      path: the `.mat` file; the one that was read last is kept.
      number: of the frame, from 1.

    Raises:
      MeshError: the file cannot be read, or nothing was found in that frame.
    """
    frames = _frames_of(path, path.stat().st_mtime_ns)
    points = frames[number - 1] if 0 < number <= len(frames) else None
    if points is None:
        raise MeshError(f"{path}: frame {number}: no landmarks were found in it")
    return Landmarks(points, scheme="binghamton83")


@functools.lru_cache(maxsize=1)
def _frames_of(path: pathlib.Path, changed: int) -> list[np.ndarray | None]:
    """(83, 3) points of each frame, None where there are none."""
    del changed  # a file that has changed is read again
    import scipy.io

    size = path.stat().st_size
    if size > _LARGEST:
        raise MeshError(f"{path}: {size >> 20} MB; at most {_LARGEST >> 20} are read")
    count_frames(path)  # refuses what is none, or too much
    try:
        _check_unpacked(path)
        content = scipy.io.loadmat(str(path), variable_names=[_STRUCT])
        rows = [_points_of(one) for one in content[_STRUCT].ravel()]
    except Exception as error:  # SciPy's parser raises whatever it meets
        raise _unreadable(path, error) from error
    return rows


def _check_unpacked(path: pathlib.Path) -> None:
    """Refuses a file whose packed parts become far more than it has.

    Raises:
      ValueError: they do.
    """
    content = path.read_bytes()
    most = _TIMES * len(content) + _BESIDE
    at, total = _HEADER, 0
    while at + 8 <= len(content):
        kind, length = np.frombuffer(content, "<u4", 2, at).tolist()
        if kind == _PACKED:
            unpack = zlib.decompressobj()
            part = content[at + 8 : at + 8 + length]
            while part and total <= most:
                total += len(unpack.decompress(part, _CHUNK))
                part = unpack.unconsumed_tail
        if total > most:
            raise ValueError(f"it unpacks to more than {most} bytes")
        at += 8 + length + (0 if kind == _PACKED else -length % 8)


def _points_of(frame: Any) -> np.ndarray | None:
    """A frame's points; None where it lost the face.

    Raises:
      ValueError: they are other than 83 points.
    """
    points = np.asarray(frame[_POINTS], np.float64)
    if not points.size:
        return None
    if points.shape == (3, _ROWS):
        points = points.T
    if points.shape != (_ROWS, 3):
        raise ValueError(f"{_POINTS} is {points.shape}, not ({_ROWS}, 3)")
    return points.astype(np.float32) if np.isfinite(points).all() else None


def _unreadable(path: pathlib.Path, error: Exception) -> MeshError:
    newer = isinstance(error, NotImplementedError)  # SciPy: v7.3 is HDF5
    said = "of MATLAB 7.3: save it with -v7" if newer else str(error)[:200]
    return MeshError(
        f"{path}: byte 0 to {path.stat().st_size}: not a readable .mat file "
        f"({type(error).__name__}: {said})"
    )
