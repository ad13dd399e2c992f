"""k nearest neighbours in the space of frozen features."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from typing_extensions import override

from smile_jax.evaluation.base import Evaluation, Fold, Outcome, people_folds
from smile_jax.evaluation.cosine_search import nearest

_MOST = 20  # neighbours that any evaluation asks for


class Neighbours(Evaluation):
    """Votes of the k training clips that are nearest to a test clip."""

    name = "knn"
    title = "10-NN"
    fields = ("label", "subject")
    cheap = True
    k: ClassVar[int] = 10

    @override
    def run(self, fold: Fold) -> Outcome:
        features = fold.features.shape[1]
        if len(fold.leading) > 1:
            features = max(fold.leading, key=lambda n: self._accuracy(fold, n))
        everybody = np.arange(fold.split)
        test = np.arange(fold.split, len(fold.features))
        answers = self._answers(fold, features, "test", everybody, test)
        return Outcome(fold.test_of("label"), {"": answers}, {"features": features})

    def _accuracy(self, fold: Fold, features: int) -> float:
        """Mean accuracy over folds of the training people."""
        labels, right = fold.train_of("label"), []
        for i, (fit, held_out) in enumerate(people_folds(fold.train_of("subject"))):
            answers = self._answers(fold, features, f"fold {i}", fit, held_out)
            right.append((answers == labels[held_out]).mean())
        return float(np.mean(right))

    def _answers(
        self,
        fold: Fold,
        features: int,
        name: str,
        keys: Int[np.ndarray, "n"],
        queries: Int[np.ndarray, "m"],
    ) -> Int[np.ndarray, "m"]:
        """Returns the classes of some clips by their neighbours among others.

        Evaluations of fewer neighbours reuse those that another one has found.
        """
        shared = fold.shared.setdefault("neighbours", {})
        if (name, features) not in shared:
            x = fold.features[:, :features]
            count = min(_MOST, len(keys))
            cosines, places = nearest(x[queries], x[keys], count)
            shared[name, features] = cosines, fold.fields["label"][keys][places]
        cosines, labels = shared[name, features]
        return vote(cosines[:, : self.k], labels[:, : self.k], len(fold.classes))


class TwentyNeighbours(Neighbours):
    """kNN with 20 neighbours, to see how much their number matters."""

    name = "knn_20"
    title = ""
    cheap = False
    k = _MOST


def vote(
    cosines: Float[np.ndarray, "m k"],
    labels: Int[np.ndarray, "m k"],
    num_classes: int,
    temperature: float = 0.07,
) -> Int[np.ndarray, "m"]:
    """Returns the class that neighbours vote for, each with the weight exp(cosine / T).

    As in Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
    Discrimination", 2018, with their T = 0.07.

    Args:
      cosines: of the k neighbours of each of m clips.
      labels: classes of these neighbours.
      num_classes: number of classes.
      temperature: T.
    """
    weights = np.exp(cosines.astype(np.float64) / temperature)
    votes = np.zeros((len(labels), num_classes))
    rows = np.arange(len(labels))
    for i in range(labels.shape[1]):
        votes[rows, labels[:, i]] += weights[:, i]
    return votes.argmax(axis=1).astype(np.int64)
