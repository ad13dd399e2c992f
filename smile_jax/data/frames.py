"""Selects the frames of a stored clip that a model sees."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from smile_jax.mesh.displacement import motion_of

SAMPLINGS = ("even", "apex")
FEWEST_MOMENTS = 6  # frames, for four moments
TIMES = ("time_s", "apex")  # what `cut` gives beside the pixels


@dataclasses.dataclass(frozen=True)
class FrameSampling:
    """Settings of how a model's frames are taken from a record.

    Attributes:
      clip: feature of the pixels, "views" or "dynamic".
      frames: T; 0 for all that there are.
      sampling: "even" over the clip, or with the frame of most motion ("apex") in the
        middle: T=1 is that frame, T=2 the first one and that.
      speed: in training a window is seen, of exp(-speed) of the clip's seconds or more.
      phase: in training frames are taken earlier or later, by up to this share of half
        the time between two.
      crops: in training so many windows are drawn, whose frames follow each other.
      moments: of four windows of one frame each, the second is near the first, the
        fourth near the third, and these two are far from each other.
    """

    clip: str = "views"
    frames: int = 0
    sampling: str = "even"
    speed: float = 0.0
    phase: float = 0.0
    crops: int = 1
    moments: bool = False

    @property
    def random(self) -> bool:
        """True if training draws frames at random."""
        drawn = self.speed > 0 or self.phase > 0 or self.moments
        return self.clip == "views" and drawn


def cut(
    record: Mapping[str, Any],
    how: FrameSampling,
    rng: np.random.Generator | None = None,
) -> dict[str, np.ndarray]:
    """The frames of one record that a model sees.

    Args:
      record: of `smile_jax.data.schema`, or an example on its way there.
      how: they are taken.
      rng: draws, in training.

    Returns:
      "views" [T, A, H, W, C] as stored; "time_s" float32 [T], seconds from the first of
      them (frame numbers where the rate is not known), -1 for frames that are not
      there, which come last; "apex" int32 [], the place of the one of most motion, the
      middle where motion was not measured. Of crops in training [crops T, ...] and
      "apex" [crops].
    """
    if rng is not None and how.crops > 1:
        one = dataclasses.replace(how, crops=1, moments=False)
        if how.moments:
            parts = [cut(frame, one) for frame in _moments(record, rng)]
        else:
            parts = [cut(record, one, rng) for _ in range(how.crops)]
        return {
            "views": np.concatenate([part["views"] for part in parts]),
            "time_s": np.concatenate([part["time_s"] for part in parts]),
            "apex": np.stack([part["apex"] for part in parts]),
        }
    pixels = record[how.clip]
    if how.clip == "dynamic":
        return {
            "views": pixels,
            "time_s": np.zeros(1, np.float32),
            "apex": np.zeros((), np.int32),
        }
    numbers = np.asarray(record["frame_index"])
    there = np.flatnonzero(numbers >= 0)
    time_s = seconds_of(numbers[there], float(record.get("rate_hz", 0)))
    motion = motion_of(record["motion"][there]) if "motion" in record else None
    chosen = pick(time_s, motion, how, len(pixels), rng)
    count = how.frames or len(pixels)
    found = np.full(count, -1, np.float32)
    found[: len(chosen)] = time_s[chosen] - time_s[chosen[0]]
    if len(chosen) == len(pixels):
        views = pixels  # all of them, in order: no copy
    else:
        views = np.zeros((count, *pixels.shape[1:]), pixels.dtype)
        views[: len(chosen)] = pixels[there[chosen]]
    apex = len(chosen) // 2 if motion is None else motion[chosen].argmax()
    return {"views": views, "time_s": found, "apex": np.int32(apex)}


def _moments(
    record: Mapping[str, Any], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """A record of each of four frames: see `FrameSampling.moments`."""
    there = np.flatnonzero(np.asarray(record["frame_index"]) >= 0)
    places = moments(len(there), rng)
    timed = [name for name in ("views", "frame_index", "motion") if name in record]
    return [
        {**record, **{name: record[name][there[i : i + 1]] for name in timed}}
        for i in places
    ]


def moments(count: int, rng: np.random.Generator) -> list[int]:
    """Returns four places among `count` frames: two pairs far from each other.

    An anchor, one near it, one far from it, and one near that.

    Near is 1 to 5 steps of 1/20 of the clip, the nearer the likelier (5 : 4 : 3 : 2 :
    1), but another frame where there is one; far is half of the clip or more. Shu et
    al. (2022) draw so, of 2 to 6 frames and 12, in clips of any length.
    """
    if count < FEWEST_MOMENTS:
        raise ValueError(f"{count} frames, of which four moments cannot be chosen")
    half = count // 2
    anchor = int(rng.integers(count))
    far = [p for p in range(count) if abs(p - anchor) >= half]
    other = int(rng.choice(far))
    chosen = [anchor, other]
    for place in (anchor, other):
        steps = rng.choice(np.arange(1, 6), p=np.arange(5, 0, -1) / 15)
        distance = max(round(steps * count / 20), 1)
        free = [p for p in range(count) if p not in chosen]
        off = min(abs(abs(p - place) - distance) for p in free)
        best = [p for p in free if abs(abs(p - place) - distance) == off]
        chosen.append(int(rng.choice(best)))
    return [chosen[0], chosen[2], chosen[1], chosen[3]]


def seconds_of(numbers: Int[np.ndarray, "t"], rate_hz: float) -> Float[np.ndarray, "t"]:
    """Returns the seconds of frames by their numbers.

    Where the rate is not known, which is 0, the numbers themselves are returned.
    """
    since = (numbers - numbers[0]).astype(np.float32)
    return since / rate_hz if rate_hz > 0 else since


def pick(
    time_s: Float[np.ndarray, "t"],
    motion: Float[np.ndarray, "t"] | None,
    how: FrameSampling,
    stored: int,
    rng: np.random.Generator | None = None,
) -> Int[np.ndarray, "n"]:
    """Returns the places of the frames to see, rising.

    They are fewer than asked for where the clip, or its window, has fewer.

    Args:
      time_s: of the frames that are there, rising.
      motion: of each, in any unit; None where it was not measured.
      how: they are chosen.
      stored: frames that a record has room for.
      rng: draws window and phase.
    """
    count = how.frames or stored
    low, high = time_s[0], time_s[-1]
    if rng is not None:
        seconds = (high - low) * np.exp(-how.speed * rng.uniform())
        low = low + (high - low - seconds) * rng.uniform()
        high = low + seconds
    peak = None
    if how.sampling == "apex" and motion is not None:
        inside = np.flatnonzero((time_s >= low) & (time_s <= high))
        if not len(inside):  # a window between two frames
            inside = np.array([np.abs(time_s - low).argmin()])
        peak = time_s[inside[motion[inside].argmax()]]
    wanted = _instants(low, high, peak, count)
    if rng is not None:
        step = (high - low) / max(count - 1, 1)
        moved = wanted + how.phase * step * rng.uniform(-0.5, 0.5, count)
        wanted = np.where(wanted == peak, wanted, moved.clip(low, high))
    return np.unique(np.abs(time_s - wanted[:, None]).argmin(axis=1))


def _instants(
    low: float, high: float, peak: float | None, count: int
) -> Float[np.ndarray, "n"]:
    """Seconds spread evenly over a window, or over both sides of its peak."""
    if peak is not None:
        before = np.linspace(low, peak, count // 2 + 1)[:-1]
        return np.concatenate([before, np.linspace(peak, high, count - count // 2)])
    if count == 1:
        return np.array([(low + high) / 2])
    return np.linspace(low, high, count)
