"""Multi-label evaluation: a logistic regression per label, or prompts joining names."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import softmax
from sklearn.metrics import average_precision_score
from typing_extensions import override

from smile_jax.evaluation.base import Evaluation, Fold, Outcome, people_folds
from smile_jax.evaluation.binary_probe import choose_strength, probabilities

_STRENGTHS = (0.01, 0.1, 1.0)  # C, chosen by the training people
_SHARP = 0.05  # of a cosine, by which a set of names counts e times less


class MultiLabelEvaluation(Evaluation):
    """Base for records with 0 or 1 for each of several names.

    Clips that show none or several of a run's classes count, too.

    Attributes:
      field: of the records.
    """

    field: ClassVar[str]
    shown = ("macro_f1", "uar", "mean_ap")
    every_clip = True

    @override
    def run(self, fold: Fold) -> Outcome:
        train, test = fold.features[: fold.split], fold.features[fold.split :]
        shown, people = fold.train_of(self.field) > 0, fold.train_of("subject")
        folds = people_folds(people)
        found = [_probe(train, column, folds, test) for column in shown.T]
        return _outcome(fold.test_of(self.field), *zip(*found, strict=True))

    @override
    def in_words(self, answer: Any, classes: Sequence[str]) -> str:
        return " ".join(str(i) for i in np.flatnonzero(answer[:, 0]))  # columns

    @override
    def score(
        self, parts: list[tuple[np.ndarray, np.ndarray]], classes: Sequence[str]
    ) -> Any:
        truth, answers = (np.concatenate(x) for x in zip(*parts, strict=True))
        return several_scores(truth > 0, answers[..., 0] > 0.5, answers[..., 1])


class ActionUnits(MultiLabelEvaluation):
    """Action units of 4DME and of generated micro-expressions."""

    name = "action_units"
    title = "action units"
    field = "action_units"
    fields = ("action_units", "subject")


class Emotions(MultiLabelEvaluation):
    """Emotions of 4DME, of which a clip shows one or several."""

    name = "emotions"
    title = "emotions"
    field = "emotions"
    fields = ("emotions", "subject")


class EmotionsInWords(MultiLabelEvaluation):
    """Emotions by the nearest prompt of one emotion, or of two joined.

    No label of this dataset is used here.
    """

    name = "emotions_zero_shot"
    title = "emotions, zero-shot"
    field = "emotions"
    fields = ("emotions",)
    labels = "none"
    needs_text = True

    @override
    def applies(self, fold: Fold) -> bool:
        return fold.joined is not None

    @override
    def run(self, fold: Fold) -> Outcome:
        assert fold.test is not None and fold.joined is not None
        members, bank = fold.joined
        alike = softmax(fold.test.joint @ bank.T / _SHARP, axis=1)
        answers = members[alike.argmax(axis=1)]
        return _outcome(
            fold.test_of(self.field), answers.T > 0, (alike @ members.astype(float)).T
        )


def several_scores(
    truth: Bool[np.ndarray, "n k"],
    answers: Bool[np.ndarray, "n k"],
    scores: Float[np.ndarray, "n k"],
) -> dict[str, Any]:
    """Metrics of k labels over n clips; a label that nobody has counts 0.

    Returns:
      "accuracy" over all decisions; "macro_f1" (which is UF1) and "uar", unweighted
      means over the labels; "mean_ap" of average precisions; "per_label_f1",
      "per_label_ap"; and "always_f1", the macro F1 of saying every label always.
    """
    hits = (truth & answers).sum(axis=0)
    shown, said = truth.sum(axis=0), answers.sum(axis=0)
    f1 = 2 * hits / np.maximum(shown + said, 1)
    there = shown > 0
    ap = np.zeros(len(there))
    for k in np.flatnonzero(there):
        ap[k] = average_precision_score(truth[:, k], scores[:, k])
    return {
        "accuracy": float((truth == answers).mean()),
        "macro_f1": float(f1.mean()),
        "uar": float((hits / np.maximum(shown, 1)).mean()),
        "mean_ap": float(ap.mean()),
        "per_label_f1": f1.tolist(),
        "per_label_ap": ap.tolist(),
        "always_f1": float((2 * shown / (shown + len(truth))).mean()),
    }


def best_threshold(
    scores: Float[np.ndarray, "n"], truth: Bool[np.ndarray, "n"]
) -> float:
    """The threshold of best F1: what is above or at it is said."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + max(truth.sum(), 1))
    # Between equal scores no threshold can divide.
    last = np.append(np.diff(scores[order]) != 0, True)
    return float(scores[order][np.where(last, f1, -1).argmax()])


def _outcome(truth: np.ndarray, answers: Any, scores: Any) -> Outcome:
    """Answers [m, k, 2]: what is said, and how surely."""
    columns = [
        np.stack([np.asarray(x, float) for x in xs], 1) for xs in (answers, scores)
    ]
    return Outcome(truth, {"": np.stack(columns, axis=-1)})


def _probe(
    train: Float[np.ndarray, "n f"],
    truth: Bool[np.ndarray, "n"],
    folds: list[tuple[np.ndarray, np.ndarray]],
    test: Float[np.ndarray, "m f"],
) -> tuple[Bool[np.ndarray, "m"], Float[np.ndarray, "m"]]:
    """Answers yes or no for the test clips, with its probability.

    Strength and threshold are chosen by the training people, each by a probe of the
    others.
    """
    if len(np.unique(truth)) < 2:  # always, or never, in the training people
        share = float(truth[0])
        return np.full(len(test), truth[0]), np.full(len(test), share)
    strength, held_out = choose_strength(train, truth, folds, _STRENGTHS)
    found = probabilities(train, truth, test, strength)
    return found >= best_threshold(held_out, truth), found
