"""Linear probe: logistic regression on frozen features."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from smile_jax.evaluation.base import Evaluation, Fold, Outcome

# Inverse regularisation strengths of the probe, this project's choice.
_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)


class LinearProbe(Evaluation):
    """Trained on the training people's labels."""

    name = "linear_probe"
    title = "linear probe"
    fields = ("label", "subject")

    def run(self, fold: Fold) -> Outcome:
        answers, _ = linear_probe(
            fold.features[: fold.split],
            fold.train_of("label"),
            fold.train_of("subject"),
            fold.features[fold.split :],
        )
        return Outcome(fold.test_of("label"), {"": answers})


def linear_probe(
    train: Float[np.ndarray, "n f"],
    labels: Int[np.ndarray, "n"],
    subjects: np.ndarray,
    test: Float[np.ndarray, "m f"],
) -> tuple[Int[np.ndarray, "m"], float]:
    """Logistic regression on standardised features.

    The strength is chosen by cross-validation over the training subjects, then the
    probe is fitted on all of them; the test subjects choose nothing.

    Returns:
      Predicted classes of `test`, and the chosen strength C.
    """
    folds = list(
        GroupKFold(min(3, len(np.unique(subjects)))).split(train, labels, subjects)
    )
    scores = [
        cross_val_score(_probe(strength), train, labels, cv=folds).mean()
        for strength in _STRENGTHS
    ]
    best = _STRENGTHS[int(np.argmax(scores))]
    return _probe(best).fit(train, labels).predict(test), best


def _probe(strength: float):
    return make_pipeline(
        StandardScaler(), LogisticRegression(C=strength, max_iter=1000, tol=1e-3)
    )
