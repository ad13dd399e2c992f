"""Captions from geometry: what a face does against how it is at rest, in FACS' words.

No label goes in: movements are measured in millimetres
(`smile_jax.faces.landmark_motion`) and become phrases. Measures and thresholds are this
project's choice, tuned on generated people other than those of the tests; docs/text.md
has precision and recall.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from smile_jax.faces.landmark_motion import FIRST, MODEL, PERSON, Measures

NEUTRAL = "a face at rest"

# Less is expected of what is measured against a median, in which some of it is already.
_SHARE = {FIRST: 1.0, PERSON: 0.7, MODEL: 0.8}
_SLIGHT, _STRONG = 1.6, 3.5  # thresholds, below and above which a degree is said
# One side alone: it moves by more than this many thresholds, the other by less.
_ONE_SIDE, _OTHER_SIDE = 1.3, 0.4
_MOST = 8.0  # thresholds; what moves by more is not told from it
# Seconds from a fifth to four fifths of the movement: quick below, slow above; and
# seconds above four fifths from which it is held.
_QUICK, _SLOW, _HELD = 0.25, 1.0, 1.0
_LOW, _HIGH = 0.2, 0.8


@dataclasses.dataclass(frozen=True)
class Phrase:
    """A phrase, the action units that it tells of, and when it is said.

    Attributes:
      text: what the caption says.
      actions: names of action units.
      threshold: mm, against the first frame.
      amount: (2,) mm, left and right, of the measures.
      sided: whether a face can do it on one side alone.
      others: other words for the same.
    """

    text: str
    actions: frozenset[str]
    threshold: float
    amount: Callable[[Measures], np.ndarray]
    sided: bool
    others: tuple[str, ...]


def _phrase(
    text: str,
    actions: str,
    threshold: float,
    amount: Callable[[Measures], np.ndarray],
    *others: str,
    sided: bool = True,
) -> Phrase:
    return Phrase(text, frozenset(actions.split()), threshold, amount, sided, others)


def _smile(m: Measures) -> np.ndarray:
    """Corners that go up on their own and outwards."""
    return np.minimum(m["corner"] - 0.9 * m["upper_lip"], 2 * m["corner_out"])


# Upwards, outwards and forwards are positive. What another action moves along is
# subtracted.
PHRASES = (
    _phrase(
        "inner brows raised", "AU1", 0.6,
        lambda m: m["inner"] - 0.58 * m["outer"],
        "inner eyebrows lifted", "inner ends of the brows drawn up", "brows oblique",
        "middle of the brows up",
    ),
    _phrase(
        "outer brows raised", "AU2", 0.8,
        lambda m: m["outer"] - 0.29 * m["inner"],
        "eyebrows arched", "outer eyebrows lifted", "tails of the brows up",
        "brows high",
    ),
    _phrase(
        "brows drawn together", "AU4", 0.7,
        lambda m: -m["brow_out"],
        "eyebrows knitted", "brows lowered", "brow frowning", "forehead contracted",
    ),
    _phrase(
        "upper eyelids raised", "AU5", 0.6,
        lambda m: m["upper_lid"],
        "eyes opened wide", "eyes widened", "eyes staring", "upper lids lifted",
    ),
    _phrase(
        "eyes narrowed", "AU6 AU7", 0.35,
        lambda m: m["lower_lid"] - 0.17 * m["ala"],
        "eyelids tightened", "eyes squinted", "eyes half shut", "lower lids pushed up",
    ),
    _phrase(
        "cheeks raised", "AU6 AU9 AU10 AU12", 0.7,
        lambda m: m["cheek"],
        "cheeks lifted", "cheeks pushed up", "cheeks puffed below the eyes",
        "cheeks high",
    ),
    _phrase(
        "nose wrinkled", "AU9", 2.2,
        lambda m: m["ala"] - 0.3 * m["inner"] - 0.3 * m["corner"],
        "nose scrunched", "nose crinkled", "nostrils raised", "nose drawn up",
    ),
    _phrase(
        "upper lip raised", "AU9 AU10 AU25", 0.6,
        lambda m: m["upper_lip"] - 0.17 * m["corner"],
        "upper lip lifted", "upper lip curled", "upper lip bared", "upper lip drawn up",
    ),
    _phrase(
        "lip corners pulled up", "AU12", 2.5, _smile,
        "mouth smiling", "mouth corners lifted", "mouth curved upward",
        "lips drawn up and out",
    ),
    _phrase(
        "lip corners pulled down", "AU15", 0.8,
        lambda m: 0.48 * np.minimum(m["chin"], 0) - m["corner"]
        - 0.47 * m["corner_out"],
        "mouth corners turned down", "mouth drooping", "mouth curved downward",
        "lip corners depressed",
    ),
    _phrase(
        "lips stretched sideways", "AU20", 3.0,
        lambda m: np.where(_smile(m) < 2.5, m["corner_out"], 0.0),
        "mouth stretched wide", "lips pulled back", "mouth drawn sideways", "lips taut",
    ),
    _phrase(
        "lips pressed together", "AU17 AU24", 0.5,
        lambda m: -m["mouth_height"],
        "lips tightened", "mouth pressed shut", "lips thin", "lips held together",
        sided=False,
    ),
    _phrase(
        "chin raised", "AU17", 1.6,
        lambda m: m["chin_boss"],
        "chin pushed up", "chin lifted", "lower lip pushed up", "chin boss tense",
        sided=False,
    ),
    _phrase(
        "lips parted", "AU9 AU10 AU25 AU26", 2.0,
        lambda m: m["gap"],
        "mouth opened", "lips drawn apart", "lips open", "gap between the lips",
        sided=False,
    ),
    _phrase(
        "jaw dropped", "AU26", 6.0,
        lambda m: -m["chin"],
        "jaw lowered", "mouth hanging open", "mouth wide open", "chin dropped",
        sided=False,
    ),
)  # fmt: skip

# What some of them together are called; no emotion, but what such a face does.
_NAMES: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = (
    (frozenset({"lip corners pulled up"}), ("smiling", "beaming")),
    (frozenset({"nose wrinkled"}), ("sneering", "grimacing")),
    (
        frozenset({"brows drawn together", "lips pressed together"}),
        ("scowling", "frowning and glaring"),
    ),
    (frozenset({"outer brows raised", "jaw dropped"}), ("gaping", "gasping")),
    (
        frozenset({"inner brows raised", "lips stretched sideways"}),
        ("cowering", "flinching"),
    ),
    (
        frozenset({"inner brows raised", "lip corners pulled down"}),
        ("pouting", "sulking"),
    ),
)

NUM_ACTIONS = 2 * len(PHRASES)
_TEMPO = {
    "quickly": ("fast", "suddenly", "in a flash", "at once"),
    "slowly": ("gradually", "little by little", "bit by bit", "in its own time"),
    "held": ("kept up", "for a while", "sustained", "lasting"),
}
# phrase -> itself and other words for it.
_WORDS = {p.text: (p.text, *p.others) for p in PHRASES} | {
    word: (word, *others) for word, others in _TEMPO.items()
}
_WITHOUT_DEGREE = re.compile(" (slightly|strongly)")
_AT_REST = (
    NEUTRAL,
    "a relaxed face",
    "a face that does not move",
    "someone whose face is still",
    "a face without any expression",
    "no movement in the face",
)
_FORMS = ("{}", "a face with {}", "{}", "someone with {}")


def action_vector(measures: Measures, kind: str) -> Float32[np.ndarray, "30"]:
    """Returns how strongly each phrase holds, in multiples of its threshold.

    Left, then right of each, in the order of `PHRASES`.

    1 is where it begins to be said; 0 where it is not known or the face moves the other
    way.

    Args:
      measures: of one face.
      kind: of the reference that they were measured against.
    """
    amounts = [p.amount(measures) / (p.threshold * _SHARE[kind]) for p in PHRASES]
    known = np.nan_to_num(np.concatenate(amounts), nan=0.0)
    return np.clip(known, 0, _MOST).astype(np.float32)


def caption(vector: Float32[np.ndarray, "30"], tempo: Sequence[str] = ()) -> str:
    """The phrases that hold, in a fixed order, joined by commas.

    Degrees are said of what is slight or strong, sides of what one side does alone; how
    fast and how long comes last.

    Example:
      >>> caption(action_vector(first_frame(rest).measure(apex), FIRST))
      'cheeks raised, lip corners pulled up strongly'
    """
    said = []
    for phrase, (left, right) in zip(PHRASES, vector.reshape(-1, 2), strict=True):
        amount, side = (left + right) / 2, ""
        alone = max(left, right) > _ONE_SIDE and min(left, right) < _OTHER_SIDE
        if phrase.sided and alone:
            amount = max(left, right)
            side = f" on the {'left' if left > right else 'right'}"
        if amount <= 1:
            continue
        degree = " strongly" if amount > _STRONG else ""
        said.append(f"{phrase.text}{degree or _slightly(amount)}{side}")
    return ", ".join([*said, *tempo]) if said else NEUTRAL


def _slightly(amount: float) -> str:
    return " slightly" if amount < _SLIGHT else ""


def phrasings(text: str, count: int) -> tuple[str, ...]:
    """Returns the caption and other ways to say it, `count` in all.

    Other words for its phrases, in other orders, every second time without degrees, and
    with the word for such a face, if there is one. A text that `caption` did not write
    has no other phrasing.

    The same text is always said in the same ways.
    """
    if text == NEUTRAL:
        return _AT_REST[:count]
    said = [_taken_apart(part) for part in text.split(", ")]
    if not all(options for options, _ in said):
        return (text,)
    acts = {options[0] for options, _ in said}
    moves = len(acts - set(_TEMPO))  # which change places; the tempo comes last
    names = [name for needed, words in _NAMES if needed <= acts for name in words]
    found = [text]
    for i in range(1, count):
        words = []
        for k, (options, rest) in enumerate(said):
            kept = _WITHOUT_DEGREE.sub("", rest) if i % 2 else rest
            words.append(options[(i + k) % len(options)] + kept)
        first = i % moves
        turned = words[first:moves] + words[:first] + words[moves:]
        joined = ", ".join(turned)
        if names and i % 3 == 2:
            joined = f"{names[i // 3 % len(names)]}, {joined}"
        found.append(_FORMS[i % len(_FORMS)].format(joined))
    return tuple(dict.fromkeys(found))


def _taken_apart(part: str) -> tuple[tuple[str, ...], str]:
    """(a phrase's words, degree and side) of a part of a caption."""
    for name, words in _WORDS.items():
        if part == name or part.startswith(f"{name} "):
            return words, part[len(name) :]
    return (), part


def apex_of(measured: Sequence[Measures]) -> int:
    """Returns the index of the frame with the most motion."""
    return int(np.argmax([_size(m) for m in measured]))


def compress_actions(actions: Any) -> Any:
    """Returns log(1 + x) of measured actions, by which models and probes see them.

    Strengths are multiples of a threshold and grow without bound; their logarithm
    keeps a strong action from hiding all others.

    Args:
      actions: NumPy or JAX array, 0 or more.
    """
    return actions.__array_namespace__().log1p(actions)


def tempo_of(
    measured: Sequence[Measures], seconds: Float[np.ndarray, "t"]
) -> tuple[str, ...]:
    """Returns how fast a face moves to its apex, and if it stays there.

    That is "quickly" or "slowly", and "held".

    What the frames are too far apart to tell is not said: a rise lasts at most from the
    frame before it to the frame after it, and a hold at least from its first to its
    last frame.

    Args:
      measured: of a sequence that begins at rest, in any order.
      seconds: when each was.
    """
    order = np.argsort(seconds)
    time = np.asarray(seconds, np.float64)[order]
    size = np.sqrt([_size(measured[i]) for i in order])
    apex = int(size.argmax())
    if not size[apex] > 0 or size[0] > _LOW * size[apex]:
        return ()  # it did not begin at rest: when it rose is not known
    part = size / size[apex]
    low = int(np.flatnonzero(part[:apex] <= _LOW)[-1])
    high = low + int(np.flatnonzero(part[low:] >= _HIGH)[0])
    below = np.flatnonzero(part < _HIGH)  # frames around those at which it is held
    first = below[below < apex].max() + 1
    last = below[below > apex].min(initial=len(part)) - 1
    said = []
    if time[high] - time[low] <= _QUICK:
        said.append("quickly")
    elif time[high - 1] - time[low + 1] >= _SLOW:
        said.append("slowly")
    if time[last] - time[first] >= _HELD:
        said.append("held")
    return tuple(said)


def _size(m: Measures) -> float:
    """Returns mm squared, over all that is measured of a face."""
    return float(np.nansum([value * value for value in m.values()]))
