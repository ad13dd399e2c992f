"""Binary logistic regression, with a strength that the training people choose."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def probabilities(
    train: Float[np.ndarray, "n f"],
    truth: Bool[np.ndarray, "n"],
    test: Float[np.ndarray, "m f"],
    strength: float,
    *,
    balanced: bool = False,
) -> Float[np.ndarray, "m"]:
    """Returns the probability of yes for each test row.

    If the training rows all say the same, that is the answer.

    Args:
      train: n rows, z-scored.
      truth: the answers of these rows.
      test: m rows.
      strength: C.
      balanced: weigh rows as if both answers were equally frequent.
    """
    if truth.all() or not truth.any():
        return np.full(len(test), float(truth[0]))
    weight = "balanced" if balanced else None
    probe = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=strength, class_weight=weight, max_iter=300),
    )
    return probe.fit(train, truth).predict_proba(test)[:, 1]


def choose_strength(
    train: Float[np.ndarray, "n f"],
    truth: Bool[np.ndarray, "n"],
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    strengths: Sequence[float],
    *,
    balanced: bool = False,
) -> tuple[float, Float[np.ndarray, "n"]]:
    """Chooses the C of best average precision.

    Returns:
      C, and with it the probability of each row by a regression that did not see its
      person.

    Args:
      train: n rows, z-scored.
      truth: the answers of these rows.
      folds: (fit, held out) rows, by person.
      strengths: values of C to choose from.
      balanced: see `probabilities`.
    """
    best: tuple[float, float, np.ndarray] = (-1.0, 0.0, np.zeros(0))
    for strength in strengths:
        held_out = np.zeros(len(train))
        for fit, check in folds:
            held_out[check] = probabilities(
                train[fit], truth[fit], train[check], strength, balanced=balanced
            )
        precision = float(average_precision_score(truth, held_out))
        if precision > best[0]:
            best = precision, strength, held_out
    return best[1], best[2]
