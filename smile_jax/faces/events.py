"""Expressions as events in time, among what faces do all the while.

Micro-expressions last 1/25 to 1/2 second, are weak and often partial or on one side
(Yan et al., "How fast are the leaked facial expressions", J. Nonverbal Behavior 2013);
several emotions can show at once (4DME, Li et al., IEEE TAC 2022). Blinks, speech, gaze
and a drifting head go on in every clip, whatever it shows. Every rate, probability,
weight and duration here is this project's choice.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from smile_jax.faces.expressions import micro_actions, sample_actions, smooth_step

MICRO, MACRO = "micro", "macro"
# Clips of a person by emotion, as one-sided as 4DME's; and pairs that show together.
_TIMES = {"negative": 3, "positive": 2, "surprise": 2, "repression": 2, "others": 2}
_PAIRS = 3
_TAKES = 1  # stream of a person's seed that pairs are drawn from
# Emotion of 4DME -> expressions whose actions it has.
_EXPRESSIONS = {
    "negative": ("anger", "disgust", "fear", "sad"),
    "positive": ("happy",),
    "surprise": ("surprise",),
}

_MICRO_SECONDS, _MACRO_SECONDS = (0.1, 0.5), (0.8, 2.5)
_FEWEST = 4  # frames of an event, however few a second has
_MARGIN = 0.06  # seconds of a clip before and after its event, at least
_BLINKS_A_SECOND, _BLINK_SECONDS = 0.35, (0.2, 0.35)
_SPEAKING = 0.4  # share of the clips, or of the time, in which somebody speaks
_SPEECH_SECONDS, _SPEECH_HZ = (1.5, 4.0), (3.0, 6.0)
_SPEECH = {"AU26": 0.2, "AU25": 0.3, "AU18": 0.2}  # largest weights
_GAZE_SECONDS, _GAZE, _SACCADE_SECONDS = (0.4, 1.5), 0.6, 0.05
_DRIFT_HZ = (0.15, 0.9)


@dataclasses.dataclass(frozen=True)
class Event:
    """An expression between two frames.

    Attributes:
      onset, apex, offset: frames at which it begins, is strongest and has ended.
      kind: `MICRO` or `MACRO`.
      emotions: names of 4DME's.
      actions: weight of each at the apex.
    """

    onset: int
    apex: int
    offset: int
    kind: str
    emotions: tuple[str, ...]
    actions: Mapping[str, float]

    def curve(self, num_frames: int) -> Float[np.ndarray, "t"]:
        """Strength in [0, 1] at each frame; a macro-expression is held at its apex."""
        frame = np.arange(num_frames, dtype=np.float64)
        hold = 0.25 * (self.offset - self.onset) / 2 if self.kind == MACRO else 0.0
        rise = (frame - self.onset) / max(self.apex - hold - self.onset, 1e-9)
        fall = (frame - self.apex - hold) / max(self.offset - self.apex - hold, 1e-9)
        return smooth_step(rise) * (1 - smooth_step(fall))


def draw_event(
    emotions: Sequence[str],
    kind: str,
    rng: np.random.Generator,
    *,
    earliest: int,
    latest: int,
    rate_hz: float,
    strength: tuple[float, float],
) -> Event:
    """Draws when and how strongly emotions show together.

    Args:
      emotions: names of 4DME's.
      kind: `MICRO` or `MACRO`.
      rng: source of all randomness.
      earliest: first frame in which it may happen.
      latest: last frame in which it may happen.
      rate_hz: frames a second.
      strength: smallest and largest factor of a micro-expression's weights.
    """
    seconds = rng.uniform(*(_MICRO_SECONDS if kind == MICRO else _MACRO_SECONDS))
    frames = int(np.clip(round(seconds * rate_hz), _FEWEST, latest - earliest))
    onset = int(rng.integers(earliest, latest - frames + 1))
    peak = 0.5 if kind == MACRO else rng.uniform(0.35, 0.6)
    actions: dict[str, float] = {}
    for emotion in emotions:
        if kind == MICRO:
            shown = micro_actions(_prototype(emotion, rng), rng, rng.uniform(*strength))
        else:
            shown = _macro_actions(emotion, rng)
        for name, weight in shown.items():
            actions[name] = max(actions.get(name, 0.0), weight)
    apex = onset + max(1, round(peak * frames))
    return Event(onset, apex, onset + frames, kind, tuple(emotions), actions)


def _prototype(emotion: str, rng: np.random.Generator) -> str:
    """Name of the expression whose actions are shown, or the emotion's own."""
    names = _EXPRESSIONS.get(emotion)
    return emotion if names is None else names[rng.integers(len(names))]


def _macro_actions(emotion: str, rng: np.random.Generator) -> dict[str, float]:
    prototype = _prototype(emotion, rng)
    if emotion not in _EXPRESSIONS:  # no prototype of the six: as weak ones, but strong
        return micro_actions(prototype, rng, rng.uniform(0.5, 1.0))
    level = int(rng.integers(2, 5))
    return sample_actions(prototype, level, rng, dropout=0.1, asymmetry=0.1, noise=0.12)


def micro_takes(person_seed: int) -> list[tuple[str, ...]]:
    """The emotions of each clip of a person: single ones, and three pairs of two."""
    rng = np.random.default_rng((person_seed, _TAKES))
    single = [(emotion,) for emotion, count in _TIMES.items() for _ in range(count)]
    pairs = list(itertools.combinations(_TIMES, 2))
    chosen = rng.choice(len(pairs), _PAIRS, replace=False)
    return single + [pairs[i] for i in sorted(chosen)]


def place_events(
    kinds: Sequence[str],
    emotions: Sequence[Sequence[str]],
    rng: np.random.Generator,
    *,
    num_frames: int,
    rate_hz: float,
    strength: tuple[float, float],
) -> tuple[Event, ...]:
    """Events one after another, in order, each somewhere in its share of the clip."""
    # In clips of few frames there is little before and after.
    margin = max(1, min(round(_MARGIN * rate_hz), num_frames // (6 * len(kinds))))
    edges = np.linspace(0, num_frames - 1, len(kinds) + 1).round().astype(int)
    if np.diff(edges).min() < _FEWEST + 2 * margin:
        raise ValueError(
            f"{num_frames} frames: too few for {len(kinds)} expressions of at least "
            f"{_FEWEST} frames each"
        )
    return tuple(
        draw_event(
            emotions[i],
            kind,
            rng,
            earliest=int(edges[i]) + margin,
            latest=int(edges[i + 1]) - margin,
            rate_hz=rate_hz,
            strength=strength,
        )
        for i, kind in enumerate(kinds)
    )


def idle_course(
    num_frames: int, rate_hz: float, rng: np.random.Generator
) -> dict[str, Float[np.ndarray, "t"]]:
    """Weights of blinks, speech and gaze at each frame, drawn alike for every clip."""
    time = np.arange(num_frames) / rate_hz
    course = {
        name: np.zeros(num_frames)
        for name in ("AU45", *_SPEECH, "AU61", "AU62", "AU63", "AU64")
    }
    for _ in range(rng.poisson(_BLINKS_A_SECOND * time[-1])):
        start, length = rng.uniform(0, time[-1]), rng.uniform(*_BLINK_SECONDS)
        part = (time - start) / length
        shut = smooth_step(part / 0.4) * (1 - smooth_step((part - 0.4) / 0.6))
        course["AU45"] = np.maximum(course["AU45"], rng.uniform(0.85, 1) * shut)
    speaking = _speaking(time, rng)
    for name, most in _SPEECH.items():
        hertz, phase = rng.uniform(*_SPEECH_HZ), rng.uniform(0, 2 * np.pi)
        slow = 0.5 + 0.5 * np.sin(2 * np.pi * 0.7 * time + rng.uniform(0, 6))
        beat = 0.5 - 0.5 * np.cos(2 * np.pi * hertz * time + phase)
        course[name] = most * rng.uniform(0.3, 1) * slow * beat * speaking
    across, up = (_saccades(time, rng) for _ in range(2))
    course |= {"AU61": across.clip(0), "AU62": (-across).clip(0)}
    course |= {"AU63": up.clip(0), "AU64": (-up).clip(0)}
    return course


def _speaking(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """1 while somebody speaks, with soft edges."""
    loud, start = np.zeros(len(time)), -rng.uniform(0, _SPEECH_SECONDS[1])
    while start < time[-1]:
        length = rng.uniform(*_SPEECH_SECONDS)
        if rng.random() < _SPEAKING:
            edge = smooth_step((time - start) / 0.15)
            loud = np.maximum(
                loud, edge * (1 - smooth_step((time - start - length) / 0.15))
            )
        start += length
    return loud


def _saccades(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A gaze that rests, and jumps, between -1 and 1."""
    gaze, start, place = np.zeros(len(time)), 0.0, _GAZE * rng.uniform(-1, 1)
    gaze += place
    while (start := start + rng.uniform(*_GAZE_SECONDS)) < time[-1]:
        target = _GAZE * rng.uniform(-1, 1)
        gaze += (target - place) * smooth_step((time - start) / _SACCADE_SECONDS)
        place = target
    return gaze


def head_drift(
    num_frames: int, rate_hz: float, size_deg: float, rng: np.random.Generator
) -> Float[np.ndarray, "t 3"]:
    """Yaw, pitch and roll in degrees about where a head began: slow waves."""
    time = np.arange(num_frames)[:, None] / rate_hz
    drift = np.zeros((num_frames, 3))
    for _ in range(3):
        hertz = rng.uniform(*_DRIFT_HZ, 3)
        phase, size = rng.uniform(0, 2 * np.pi, 3), size_deg * rng.standard_normal(3)
        drift += size * np.sin(2 * np.pi * hertz * time + phase) / np.sqrt(3)
    return drift - drift[:1]
