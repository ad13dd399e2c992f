"""Linear probe: logistic regression on frozen features."""

import dataclasses
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Float32, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from smile_jax.evaluation.base import Evaluation, Fold, Outcome, people_folds

# Inverse regularisation strengths of the probe, this project's choice: label-free
# features want 100, features of few training people 1e-3.
_STRENGTHS = tuple(10.0**k for k in range(-4, 7))
# No strength is tried after two in turn that fall short of the best by this much. Less
# may be a plateau, where weak regularisation has not begun to help.
_CLEARLY_WORSE = 0.02
_PLAIN = 1.0  # the strength of a probe on one person


class LinearProbe(Evaluation):
    """Trained on the training people's labels."""

    name = "linear_probe"
    title = "linear probe"
    fields = ("label", "subject")

    def run(self, fold: Fold) -> Outcome:
        features = self.seen_of(fold)
        found = probe_of(fold, features)
        test = features[fold.split :]
        chosen = {"C": found.strength, "features": found.features}
        return Outcome(
            fold.test_of("label"),
            {"": found(test)},
            chosen,
            found.warnings,
            found.confidence(test),
        )

    def seen_of(self, fold: Fold) -> Float[np.ndarray, "n f"]:
        """The features that it looks at."""
        return fold.features


@dataclasses.dataclass(frozen=True)
class Probed:
    """A fitted probe.

    Attributes:
      strength: C, the inverse strength of its regularisation.
      features: how many of the leading features it takes.
      warnings: choices at the end of what was tried, where more might be better.
    """

    strength: float
    features: int
    warnings: tuple[str, ...]
    _scaler: StandardScaler
    _probe: LogisticRegression

    def __call__(self, x: Float[np.ndarray, "m f"]) -> Int[np.ndarray, "m"]:
        """Classes of clips."""
        return self._probe.predict(self._scaler.transform(x[:, : self.features]))

    def confidence(self, x: Float[np.ndarray, "m f"]) -> Float[np.ndarray, "m"]:
        """Probabilities that it gives its answers."""
        seen = self._scaler.transform(x[:, : self.features])
        return self._probe.predict_proba(seen).max(axis=1)


def probe_of(fold: Fold, features: np.ndarray | None = None) -> Probed:
    """The probe on the training clips of a fold, on its features or on other ones; the
    first is fitted once."""
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
) -> Probed:
    """Logistic regression on standardised features.

    The strength, and the number of leading features, are chosen by cross-validation
    over the training subjects; then the probe is fitted on all of them. Of one
    subject: strength 1, all features.

    Args:
      train, labels, subjects: of n clips.
      leading: numbers of leading features to choose among, rising; () takes all.
    """
    if len(np.unique(subjects)) > 1:
        best = _chosen(train, labels, subjects, leading)
    else:  # nobody is left to choose by
        best = (0.0, _PLAIN, leading[-1] if leading else train.shape[1])
    _, strength, features = best
    scaler = StandardScaler().fit(train[:, :features])
    (probe,) = _path(scaler.transform(train[:, :features]), labels, (strength,))
    ends = _at_the_end(best, leading, len(train))
    return Probed(strength, features, ends, scaler, probe)


def _chosen(
    train: np.ndarray, labels: np.ndarray, subjects: np.ndarray, leading: Sequence[int]
) -> tuple[float, float, int]:
    """(mean accuracy, C, number of features) that the training people choose."""
    folds = people_folds(subjects)
    best = (-1.0, 0.0, 0)
    for features in leading or (train.shape[1],):
        score, strength = _best_strength(train[:, :features], labels, folds)
        if score > best[0]:
            best = score, strength, features
    return best


def as_matrix(
    train: Float[np.ndarray, "n f"],
    labels: Int[np.ndarray, "n"],
    strength: float,
    num_classes: int,
) -> tuple[Float32[np.ndarray, "f k"], Float32[np.ndarray, "k"]]:
    """The probe of a strength as weights and biases of features as they are; a class
    that no clip shows is never the answer."""
    scaler = StandardScaler().fit(train)
    (probe,) = _path(scaler.transform(train), labels, (strength,))
    slope, offset = probe.coef_, probe.intercept_
    if len(probe.classes_) == 2:  # scikit-learn has one row for both
        slope, offset = np.concatenate([-slope, slope]), np.array([-1, 1]) * offset
    weights = np.zeros((train.shape[1], num_classes), np.float32)
    biases = np.full(num_classes, -np.inf, np.float32)
    slope = slope / scaler.scale_
    weights[:, probe.classes_] = slope.T
    biases[probe.classes_] = offset - slope @ scaler.mean_
    return weights, biases


def _best_strength(
    train: np.ndarray, labels: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[float, float]:
    """(mean accuracy, C) of the best C, the smallest of equals."""
    paths = []
    for fit, check in folds:
        scaler = StandardScaler().fit(train[fit])
        held_out = scaler.transform(train[check]), labels[check]
        probes = _path(scaler.transform(train[fit]), labels[fit], _STRENGTHS)
        paths.append(probe.score(*held_out) for probe in probes)
    best, worse = (-1.0, 0.0), 0
    for strength, scores in zip(_STRENGTHS, zip(*paths, strict=True), strict=False):
        score = float(np.mean(scores))
        best = max(best, (score, strength), key=lambda pair: pair[0])
        worse = worse + 1 if score < best[0] - _CLEARLY_WORSE else 0
        if worse == 2:
            break
    return best


def _path(
    features: np.ndarray, labels: np.ndarray, strengths: Sequence[float]
) -> Iterator[LogisticRegression]:
    """Probes of rising strengths, each started from the one before: most iterations
    are spent once, and strengths that nobody asks for are not fitted."""
    probe = LogisticRegression(max_iter=1000, tol=1e-3, warm_start=True)
    for strength in strengths:
        with warnings.catch_warnings():
            # Where classes can be separated, the largest C has no optimum to reach.
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield probe.set_params(C=strength).fit(features, labels)


def _at_the_end(
    best: tuple[float, float, int], leading: Sequence[int], clips: int
) -> tuple[str, ...]:
    _, strength, features = best
    found = []
    if strength in (_STRENGTHS[0], _STRENGTHS[-1]):
        found.append(f"C={strength:g} is the end of what was tried")
    # No more components than clips, less the mean.
    if len(leading) > 1 and features == leading[-1] < clips - 1:
        found.append(
            f"{features} components are all there were; raise evaluation.pca_components"
        )
    return tuple(found)
