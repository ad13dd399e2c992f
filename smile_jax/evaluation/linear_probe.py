"""Linear probe: logistic regression on frozen features."""

import dataclasses
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Float32, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from typing_extensions import override

from smile_jax.evaluation.base import Evaluation, Fold, Outcome, people_folds

# Inverse regularisation strengths of the probe, this project's choice: most features
# want 0.01 to 1, those of few training people as little as there is.
_STRENGTHS = tuple(10.0**k for k in range(-4, 7))
# No strength is tried after two in turn that fall short of the best by this much. Less
# may be a plateau, where weak regularisation has not begun to help.
_CLEARLY_WORSE = 0.02
_PLAIN = 1.0  # the strength of a probe on one person


class LinearProbe(Evaluation):
    """Logistic regression on the training people's labels."""

    name = "linear_probe"
    title = "linear probe"
    fields = ("label", "subject")

    @override
    def run(self, fold: Fold) -> Outcome:
        features = self.features_of(fold)
        found = probe_of(fold, features)
        test = features[fold.split :]
        chosen = {"C": found.strength, "features": found.features}
        if found.validation is not None:
            chosen["validation"] = found.validation
        return Outcome(
            fold.test_of("label"),
            {"": found(test)},
            chosen,
            found.warnings,
            found.confidence(test),
        )

    def features_of(self, fold: Fold) -> Float[np.ndarray, "n f"]:
        """Returns the features that the probe is given."""
        return fold.features


@dataclasses.dataclass(frozen=True)
class FittedProbe:
    """A fitted linear probe.

    Attributes:
      strength: C, the inverse strength of its regularisation.
      features: number of leading features that it uses.
      validation: accuracy by which the strength was chosen: the mean over folds of the
        training people, each scored on people whom its fit did not see. None if there
        was one person.
      warnings: choices at the end of what was tried, where more might be better.
    """

    strength: float
    features: int
    validation: float | None
    warnings: tuple[str, ...]
    _scaler: StandardScaler
    _probe: LogisticRegression

    def __call__(self, x: Float[np.ndarray, "m f"]) -> Int[np.ndarray, "m"]:
        """Predicts the classes of clips."""
        return self._probe.predict(self._scaler.transform(x[:, : self.features]))

    def confidence(self, x: Float[np.ndarray, "m f"]) -> Float[np.ndarray, "m"]:
        """Returns the probabilities of the predicted classes."""
        seen = self._scaler.transform(x[:, : self.features])
        return self._probe.predict_proba(seen).max(axis=1)

    def as_matrix(
        self, num_classes: int
    ) -> tuple[Float32[np.ndarray, "f k"], Float32[np.ndarray, "k"]]:
        """Returns weights and biases for features that are not standardised.

        A class that no training clip shows is never the answer: its bias is -inf.
        """
        probe, scaler = self._probe, self._scaler
        slope, offset = probe.coef_, probe.intercept_
        if len(probe.classes_) == 2:  # scikit-learn has one row for both
            slope, offset = np.concatenate([-slope, slope]), np.array([-1, 1]) * offset
        weights = np.zeros((self.features, num_classes), np.float32)
        biases = np.full(num_classes, -np.inf, np.float32)
        slope = slope / scaler.scale_
        weights[:, probe.classes_] = slope.T
        biases[probe.classes_] = offset - slope @ scaler.mean_
        return weights, biases


def probe_of(fold: Fold, features: np.ndarray | None = None) -> FittedProbe:
    """Returns the probe on the training clips of a fold.

    Args:
      fold: its own features are used unless others are given; their probe is fitted
        once and shared between evaluations.
      features: (n + m, f), in place of the fold's.
    """
    own = features is None or features is fold.features
    if own and "probe" in fold.shared:
        return fold.shared["probe"]
    found = linear_probe(
        (fold.features if features is None else features)[: fold.split],
        fold.train_of("label"),
        fold.train_of("subject"),
        fold.leading,
    )
    if own:
        fold.shared["probe"] = found
    return found


def linear_probe(
    train: Float[np.ndarray, "n f"],
    labels: Int[np.ndarray, "n"],
    subjects: np.ndarray,
    leading: Sequence[int] = (),
) -> FittedProbe:
    """Fits logistic regression on standardised features.

    The strength, and the number of leading features, are chosen by cross-validation
    over the training subjects: each fold's fit is scored on that fold's own people,
    whom it has not seen. Then the probe is fitted on all training clips. If there is
    one subject: strength 1, all features.

    Args:
      train: features of n clips.
      labels: classes of these clips.
      subjects: people of these clips.
      leading: numbers of leading features to choose from, rising; () takes all.
    """
    validation = None
    strength, features = _PLAIN, leading[-1] if leading else train.shape[1]
    if len(np.unique(subjects)) > 1:
        validation, strength, features = _choose(train, labels, subjects, leading)
    scaler = StandardScaler().fit(train[:, :features])
    (probe,) = _path(scaler.transform(train[:, :features]), labels, (strength,))
    ends = _warnings_of(strength, features, leading, len(train))
    return FittedProbe(strength, features, validation, ends, scaler, probe)


def _choose(
    train: np.ndarray, labels: np.ndarray, subjects: np.ndarray, leading: Sequence[int]
) -> tuple[float, float, int]:
    """Chooses (mean accuracy, C, number of features) by the training people."""
    folds = people_folds(subjects)
    best = (-1.0, 0.0, 0)
    for features in leading or (train.shape[1],):
        score, strength = _best_strength(train[:, :features], labels, folds)
        if score > best[0]:
            best = score, strength, features
    return best


def _best_strength(
    train: np.ndarray, labels: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[float, float]:
    """Returns (mean accuracy, C) of the best C, the smallest of equals."""
    # A function call binds each fold's arrays; a generator expression in this loop
    # would score all fits on the last fold's people.
    paths = [
        _accuracies(train[fit], labels[fit], train[check], labels[check])
        for fit, check in folds
    ]
    best, worse = (-1.0, 0.0), 0
    for strength, scores in zip(_STRENGTHS, zip(*paths, strict=True), strict=False):
        score = float(np.mean(scores))
        best = max(best, (score, strength), key=lambda pair: pair[0])
        worse = worse + 1 if score < best[0] - _CLEARLY_WORSE else 0
        if worse == 2:
            break
    return best


def _accuracies(
    features: np.ndarray, labels: np.ndarray, others: np.ndarray, truth: np.ndarray
) -> Iterator[float]:
    """Yields accuracies of probes of rising strengths on other people's clips.

    Each probe is fitted when it is asked for.
    """
    scaler = StandardScaler().fit(features)
    others = scaler.transform(others)
    for probe in _path(scaler.transform(features), labels, _STRENGTHS):
        yield probe.score(others, truth)


def _path(
    features: np.ndarray, labels: np.ndarray, strengths: Sequence[float]
) -> Iterator[LogisticRegression]:
    """Yields probes of rising strengths, each started from the one before.

    Most iterations are spent once.
    """
    probe = LogisticRegression(max_iter=1000, tol=1e-3, warm_start=True)
    for strength in strengths:
        with warnings.catch_warnings():
            # Where classes can be separated, the largest C has no optimum to reach.
            warnings.simplefilter("ignore", ConvergenceWarning)
            probe.C = strength
            yield probe.fit(features, labels)


def _warnings_of(
    strength: float, features: int, leading: Sequence[int], clips: int
) -> tuple[str, ...]:
    """Says which choices lie at the end of what was tried."""
    found = []
    if strength in (_STRENGTHS[0], _STRENGTHS[-1]):
        found.append(f"C={strength:g} is the end of what was tried")
    # No more components than clips, less the mean.
    if len(leading) > 1 and features == leading[-1] < clips - 1:
        found.append(
            f"{features} components are all there were; raise evaluation.pca_components"
        )
    return tuple(found)
