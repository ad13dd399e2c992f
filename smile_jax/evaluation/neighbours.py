"""k nearest neighbours in the space of frozen features."""

import functools
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int

from smile_jax.evaluation.base import Evaluation, Fold, Outcome, people_folds
from smile_jax.inference.prompting import unit_rows


class Neighbours(Evaluation):
    """Votes of the k training clips that are nearest to a test clip."""

    name = "knn"
    title = "10-NN"
    fields = ("label", "subject")
    cheap = True
    k: ClassVar[int] = 10

    def run(self, fold: Fold) -> Outcome:
        vote = functools.partial(
            nearest_neighbours, k=self.k, num_classes=len(fold.classes)
        )
        train, labels = fold.features[: fold.split], fold.train_of("label")
        features = train.shape[1]
        if len(fold.leading) > 1:
            folds = people_folds(fold.train_of("subject"))

            def score(n: int) -> float:
                answers = (
                    vote(train[fit, :n], labels[fit], train[held, :n]) == labels[held]
                    for fit, held in folds
                )
                return float(np.mean([right.mean() for right in answers]))

            features = max(fold.leading, key=score)
        answers = vote(
            train[:, :features], labels, fold.features[fold.split :, :features]
        )
        return Outcome(fold.test_of("label"), {"": answers}, {"features": features})


class TwentyNeighbours(Neighbours):
    """The same with more of them, to see whether their number matters."""

    name = "knn_20"
    title = ""
    cheap = False
    k = 20


def nearest_neighbours(
    train: Float[np.ndarray, "n f"],
    labels: Int[np.ndarray, "n"],
    test: Float[np.ndarray, "m f"],
    *,
    k: int,
    num_classes: int,
    temperature: float = 0.07,
) -> Int[np.ndarray, "m"]:
    """Weighted k nearest neighbours by cosine (Wu et al., 2018; T = 0.07).

    `train` must hold other subjects than `test`.
    """
    similarity = unit_rows(test) @ unit_rows(train).T
    k = min(k, len(train))
    nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    weights = np.exp(np.take_along_axis(similarity, nearest, axis=1) / temperature)
    votes = np.zeros((len(test), num_classes))
    rows = np.repeat(np.arange(len(test)), k)
    np.add.at(votes, (rows, labels[nearest].ravel()), weights.ravel())
    return votes.argmax(axis=1).astype(np.int64)
