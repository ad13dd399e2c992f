"""Windows over a long sequence, each a clip as a model sees them."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from smile_jax.data.frames import FrameSampling, cut, seconds_of

_OVER_TIME = ("views", "frame_index", "motion")


def centres(
    numbers: Int[np.ndarray, "t"], rate_hz: float, every_s: float
) -> Int[np.ndarray, "w"]:
    """Places of the frames that windows are centred at, so many seconds apart.

    Args:
      numbers: of a record's frames, -1 where there is none.
      rate_hz: frames a second.
      every_s: seconds between two windows; at least one frame.
    """
    there = np.flatnonzero(numbers >= 0)
    time_s = seconds_of(numbers[there], rate_hz)
    wanted = np.arange(0, time_s[-1] + 1e-6, max(every_s, 1 / rate_hz))
    return np.unique(np.abs(time_s - wanted[:, None]).argmin(axis=1))


def filled_batches(
    clips: Iterator[dict[str, np.ndarray]], size: int
) -> Iterator[tuple[dict[str, np.ndarray], int]]:
    """Yields batches of one size, and how many of their clips are real.

    The last batch is filled up with its first clip, so that nothing is compiled twice.
    """
    while some := list(itertools.islice(clips, size)):
        filled = some + some[:1] * (size - len(some))
        yield stacked(filled), len(some)


def stacked(clips: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """A batch of clips."""
    return {name: np.stack([clip[name] for clip in clips]) for name in clips[0]}


def windows(
    record: Mapping[str, Any],
    places: Int[np.ndarray, "w"],
    how: FrameSampling,
    seconds: float,
) -> Iterator[dict[str, np.ndarray]]:
    """The clip around each of some frames of a record, shorter at the ends.

    Args:
      record: of `smile_jax.data.schema`, with a known frame rate.
      places: of the frames.
      how: frames are taken of each window.
      seconds: of a window.
    """
    numbers = np.asarray(record["frame_index"])
    there = np.flatnonzero(numbers >= 0)
    time_s = seconds_of(numbers[there], float(record["rate_hz"]))
    around = [
        there[np.abs(time_s - time_s[place]) <= seconds / 2 + 1e-6] for place in places
    ]
    if not how.frames:  # all of each window, and all alike
        how = dataclasses.replace(how, frames=max(map(len, around)))
    for inside in around:
        part = {name: record[name][inside] for name in _OVER_TIME if name in record}
        yield cut(part | {"rate_hz": record["rate_hz"]}, how)
