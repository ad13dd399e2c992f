"""Action units: one logistic regression each on frozen features."""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from smile_jax.evaluation.base import Evaluation, Fold, Outcome


class ActionUnitProbe(Evaluation):
    """For datasets whose records have 0 or 1 for each of several action units."""

    name = "action_units"
    title = "action units"
    shown = ("accuracy", "macro_f1")
    fields = ("action_units",)

    def run(self, fold: Fold) -> Outcome:
        train, test = fold.features[: fold.split], fold.features[fold.split :]
        moves = fold.train_of("action_units")
        answers = [_answers(train, unit, test) for unit in moves.T]
        return Outcome(fold.test_of("action_units"), {"": np.stack(answers, axis=1)})

    def in_words(self, answer: np.ndarray, fold: Fold) -> str:
        return " ".join(str(i) for i in np.flatnonzero(answer))  # columns that move

    def score(self, parts: list[tuple[np.ndarray, np.ndarray]], fold: Fold) -> Any:
        truth, answers = (np.concatenate(x) for x in zip(*parts, strict=True))
        each = f1_score(truth, answers, average=None, zero_division=0)
        return {
            "accuracy": float((truth == answers).mean()),
            "macro_f1": float(np.mean(each)),
            "per_unit_f1": np.ravel(each).tolist(),
        }


def _answers(train: np.ndarray, unit: np.ndarray, test: np.ndarray) -> np.ndarray:
    if len(np.unique(unit)) < 2:  # it always moves in the training people, or never
        return np.full(len(test), unit[0])
    probe = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced")
    )
    return probe.fit(train, unit).predict(test)
