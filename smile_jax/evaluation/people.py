"""Who, beside what: how much of a feature is the person and not what the face does."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from smile_jax.evaluation.base import Evaluation, Fold, Outcome
from smile_jax.evaluation.linear_probe import LinearProbe

_PROBE = "probe"


class Who(Evaluation):
    """Whether the nearest other test clip shows the same person, and whether a linear
    probe knows the people of every second clip after it saw the others.

    High where features tell people apart, which an expression's need not.
    """

    name = "who"
    title = "who"
    shown = ("accuracy",)
    fields = ("subject",)
    labels = "names of test people"

    def run(self, fold: Fold) -> Outcome:
        features, people = fold.features[fold.split :], fold.test_of("subject")
        unit = features / np.maximum(
            np.linalg.norm(features, axis=1, keepdims=True), 1e-12
        )
        similarity = unit @ unit.T
        np.fill_diagonal(similarity, -np.inf)  # not the clip itself
        nearest = people[similarity.argmax(axis=1)]
        return Outcome(people, {"": nearest, _PROBE: _by_halves(features, people)})

    def in_words(self, answer: Any, fold: Fold) -> str:
        return f"person {answer}"

    def score(self, parts: list[tuple[np.ndarray, np.ndarray]], fold: Fold) -> Any:
        hits = np.concatenate([truth == answers for truth, answers in parts])
        return {"accuracy": float(hits.mean())}

    def extras(self, scores: Mapping[str, Any]) -> dict[str, Any]:
        return {"who_probe": scores.get(_PROBE)}


def _by_halves(
    features: Float[np.ndarray, "m f"], people: Int[np.ndarray, "m"]
) -> Int[np.ndarray, "m"]:
    """The person of every clip, by a probe that saw the other half of each's clips."""
    turn = np.zeros(len(people), np.int64)
    for person in np.unique(people):
        mine = np.flatnonzero(people == person)
        turn[mine] = np.arange(len(mine)) % 2
    answers = np.full(len(people), -1, people.dtype)
    for half in (0, 1):
        seen = turn != half
        if len(np.unique(people[seen])) < 2 or seen.all():
            continue  # one person, or single clips: there is nobody to be told from
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        answers[~seen] = probe.fit(features[seen], people[seen]).predict(
            features[~seen]
        )
    return answers


class CentredProbe(LinearProbe):
    """The linear probe after each person's mean feature is taken off, test people's
    too: that needs several clips of a person, but no label of what they show."""

    name = "linear_probe_centred"
    title = ""

    def seen_of(self, fold: Fold) -> Float[np.ndarray, "n f"]:
        return without_person(fold.features, fold.fields["subject"])


def without_person(
    features: Float[np.ndarray, "n f"], people: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "n f"]:
    """Features less the mean of those of the same person."""
    _, person, count = np.unique(people, return_inverse=True, return_counts=True)
    sums = np.zeros((len(count), features.shape[1]), features.dtype)
    np.add.at(sums, person, features)
    return features - (sums / count[:, None])[person]
