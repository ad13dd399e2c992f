"""FACS scripts of the basic expressions, and their course in time.

The prototypes are the EMFACS combinations as tabulated in Friesen & Ekman, "EMFACS-7"
(1983) and Du, Tao & Martinez, "Compound facial expressions of emotion", PNAS 2014,
Table 1. Every weight, probability and duration below is this project's choice.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float32

# expression -> action unit -> (weight at full intensity, probability of showing it)
_PROTOTYPES: dict[str, dict[str, tuple[float, float]]] = {
    "anger": {
        "AU4": (1.0, 1.0),
        "AU5": (0.5, 0.5),
        "AU7": (0.9, 0.9),
        "AU10": (0.35, 0.35),
        "AU17": (0.6, 0.5),
        "AU24": (0.9, 0.85),
    },
    "disgust": {
        "AU4": (0.45, 0.4),
        "AU7": (0.4, 0.4),
        "AU9": (1.0, 0.95),
        "AU10": (0.9, 0.9),
        "AU15": (0.3, 0.3),
        "AU17": (0.6, 0.55),
        "AU25": (0.3, 0.3),
    },
    "fear": {
        "AU1": (1.0, 1.0),
        "AU2": (0.45, 0.6),
        "AU4": (0.6, 0.85),
        "AU5": (0.9, 0.9),
        "AU20": (1.0, 0.95),
        "AU25": (0.6, 0.8),
        "AU26": (0.25, 0.4),
    },
    "happy": {
        "AU6": (0.9, 0.85),
        "AU12": (1.0, 1.0),
        "AU25": (0.6, 0.6),
        "AU26": (0.2, 0.25),
    },
    "sad": {
        "AU1": (0.9, 0.95),
        "AU4": (0.6, 0.8),
        "AU6": (0.25, 0.3),
        "AU15": (1.0, 1.0),
        "AU17": (0.6, 0.6),
    },
    "surprise": {
        "AU1": (1.0, 1.0),
        "AU2": (1.0, 1.0),
        "AU5": (0.7, 0.85),
        "AU25": (0.5, 0.9),
        "AU26": (0.9, 1.0),
    },
    "neutral": {},
}

EXPRESSIONS = tuple(_PROTOTYPES)

# Weight range of the intensities 1 to 4 of BU-3DFE's scale; 0 is neutral.
_INTENSITY_RANGES = {
    1: (0.3, 0.45),
    2: (0.5, 0.65),
    3: (0.65, 0.8),
    4: (0.85, 1.0),
}


def sample_actions(
    expression: str,
    intensity: int,
    rng: np.random.Generator,
    *,
    dropout: float = 0.0,
    asymmetry: float = 0.0,
    noise: float = 0.0,
    unrelated: float = 0.0,
) -> dict[str, float]:
    """Draws the action weights of one performance of an expression.

    Args:
      expression: one of `EXPRESSIONS`.
      intensity: 1 to 4; ignored for "neutral".
      rng: source of all randomness.
      dropout: probability in [0, 1] that a prototype action is missing, beyond the
        prototype's own probability of showing it. The action of the largest weight
        is always shown.
      asymmetry: standard deviation of the left-right difference, relative.
      noise: standard deviation of each weight, relative.
      unrelated: standard deviation of the weights of actions outside the prototype.

    Returns:
      Weight in [0, 1] by "AUn_L" and "AUn_R"; actions with no sides by "AUn".

    Raises:
      ValueError: an unknown expression or intensity.

    Example:
      >>> sample_actions("happy", 4, np.random.default_rng(0))["AU12_L"]
      0.97...
    """
    if expression not in _PROTOTYPES:
        known = ", ".join(EXPRESSIONS)
        raise ValueError(f"unknown expression {expression!r}; known: {known}")
    prototype = _PROTOTYPES[expression]
    if prototype and intensity not in _INTENSITY_RANGES:
        raise ValueError(f"intensity must be 1, 2, 3 or 4, got {intensity}")
    weights: dict[str, float] = {}
    level = rng.uniform(*_INTENSITY_RANGES[intensity]) if prototype else 0.0
    for action in (*SIDED_ACTIONS, *MIDLINE_ACTIONS):
        full, shown = prototype.get(action, (0.0, 0.0))
        lead = full > 0 and full == max(w for w, _ in prototype.values())
        if rng.random() >= shown * (1 - dropout) and not lead:
            full = 0.0
        value = full * level * (1 + noise * rng.standard_normal())
        value += unrelated * abs(rng.standard_normal())
        tilt = asymmetry * rng.standard_normal()
        if action in MIDLINE_ACTIONS:
            weights[action] = float(np.clip(value, 0, 1))
        else:
            weights[f"{action}_L"] = float(np.clip(value * (1 + tilt), 0, 1))
            weights[f"{action}_R"] = float(np.clip(value * (1 - tilt), 0, 1))
    return {k: w for k, w in weights.items() if w > 0}


def draw_blend(expression: str, rng: np.random.Generator, most: float) -> tuple:
    """Another expression that mixes in, and its share, evenly in [0, most].

    Returns:
      (name, share); the expression itself keeps 1 - share.
    """
    others = [name for name in EXPRESSIONS if name not in ("neutral", expression)]
    return others[rng.integers(len(others))], most * rng.uniform()


def blend_ceiling(most: float) -> float:
    """Returns the best possible accuracy on blended performances.

    If each expression is shown equally often, shares that could as well be the other
    one's tell nothing.

    Of shares s in [0, most] those in [1 - most, most] are such, where there are some.
    """
    return 1 - max(2 * most - 1, 0) / (2 * most) if most else 1.0


_UPPER = ("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10")
SIDED_ACTIONS = (*_UPPER, "AU12", "AU15", "AU20", "AU24")
MIDLINE_ACTIONS = ("AU17", "AU25", "AU26")


def expression_curve(
    num_frames: int, rng: np.random.Generator
) -> Float32[np.ndarray, "t"]:
    """Strength in [0, 1] of a 4D performance: neutral, onset, apex, offset, neutral.

    The phases are smooth and their lengths vary, after the course described for
    BU-4DFE (Yin et al., FG 2008).

    Args:
      num_frames: T >= 2 frames over the whole course.
      rng: source of all randomness.
    """
    onset = rng.uniform(0.05, 0.2)
    apex = onset + rng.uniform(0.15, 0.3)
    offset = apex + rng.uniform(0.15, 0.35)
    end = min(offset + rng.uniform(0.1, 0.25), 0.98)
    time = np.linspace(0, 1, num_frames)
    rise = np.clip((time - onset) / (apex - onset), 0, 1)
    fall = np.clip((time - offset) / (end - offset), 0, 1)
    return (smooth_step(rise) * (1 - smooth_step(fall))).astype(np.float32)


def smooth_step(x: Float[np.ndarray, "t"]) -> Float[np.ndarray, "t"]:
    """0 below 0, 1 above 1, smooth between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


# What 4DME's other two emotions move: lips that are pressed so as not to show a
# feeling, and single actions that belong to none.
_MICRO_PROTOTYPES = {
    "repression": {"AU24": (1.0, 1.0), "AU14": (0.8, 0.6), "AU17": (0.7, 0.5)},
    "others": {
        "AU2": (1.0, 0.35),
        "AU10": (0.8, 0.35),
        "AU18": (0.9, 0.3),
        "AU20": (0.9, 0.35),
    },
}
_LEFT_OUT, _ONE_SIDED = 0.4, 0.35  # probabilities of a micro-expression


def micro_actions(
    prototype: str, rng: np.random.Generator, strength: float
) -> dict[str, float]:
    """Draws the weights of one weak, partial, perhaps one-sided performance.

    Args:
      prototype: one of `EXPRESSIONS`, "repression" or "others".
      rng: source of all randomness.
      strength: of the weights, 1 as they are posed.

    Returns:
      Weight by "AUn_L" and "AUn_R"; actions with no sides by "AUn". At least one.
    """
    known = _PROTOTYPES | _MICRO_PROTOTYPES
    actions = known[prototype]
    lead = max(actions, key=lambda name: actions[name][0])
    if prototype == "others":
        lead = tuple(actions)[rng.integers(len(actions))]
    weights: dict[str, float] = {}
    for name, (full, shown) in actions.items():
        if name != lead and rng.random() >= shown * (1 - _LEFT_OUT):
            continue
        value = full * strength * rng.uniform(0.8, 1.2)
        if name in (*MIDLINE_ACTIONS, "AU18"):
            weights[name] = value
            continue
        sides = {"L": 1.0, "R": 1.0}
        if rng.random() < _ONE_SIDED:
            sides["LR"[rng.integers(2)]] = rng.uniform(0, 0.3)
        weights |= {f"{name}_{side}": value * share for side, share in sides.items()}
    return weights


def scale_actions(actions: Mapping[str, float], strength: float) -> dict[str, float]:
    """Returns the same performance at another strength in [0, 1]."""
    return {name: weight * strength for name, weight in actions.items()}
