"""Identity in features: how much of them is the person and not the expression."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typing_extensions import override

from smile_jax.evaluation.base import Evaluation, Fold, Outcome
from smile_jax.evaluation.cosine_search import nearest
from smile_jax.evaluation.linear_probe import LinearProbe

_PROBE = "probe"
# People whom the probe is asked for, drawn from all: its cost grows with their square.
_MOST_PEOPLE = 100
_NOT_ASKED = -2


class IdentityProbe(Evaluation):
    """Recognises people by the features of test clips.

    By the nearest other clip, and by a linear probe that knows the people of every
    second clip after it saw the others (of at most 100 people).

    High where features tell people apart, which an expression's need not.
    """

    name = "who"
    title = "who"
    shown = ("accuracy",)
    fields = ("subject",)
    labels = "names of test people"

    @override
    def run(self, fold: Fold) -> Outcome:
        features, people = fold.features[fold.split :], fold.test_of("subject")
        clips = np.arange(len(features))
        _, others = nearest(features, features, 1, own=clips)  # not the clip itself
        answers = {"": people[others[:, 0]], _PROBE: _by_halves(features, people)}
        return Outcome(people, answers)

    @override
    def in_words(self, answer: Any, classes: Sequence[str]) -> str:
        return f"person {answer}"

    @override
    def score(
        self, parts: list[tuple[np.ndarray, np.ndarray]], classes: Sequence[str]
    ) -> Any:
        truth, answers = (np.concatenate(x) for x in zip(*parts, strict=True))
        asked = answers != _NOT_ASKED
        return {"accuracy": float((truth == answers)[asked].mean())}

    @override
    def extras(self, scores: Mapping[str, Any]) -> dict[str, Any]:
        return {"who_probe": scores.get(_PROBE)}


def _by_halves(
    features: Float[np.ndarray, "m f"], people: Int[np.ndarray, "m"]
) -> Int[np.ndarray, "m"]:
    """Returns the person of every clip, by a probe fitted on the other half.

    It saw the other half of each person's clips; of many people only some are asked
    for.
    """
    names = np.random.default_rng(0).permutation(np.unique(people))[:_MOST_PEOPLE]
    asked = np.isin(people, names)
    turn = np.zeros(len(people), np.int64)
    for person in names:
        mine = np.flatnonzero(people == person)
        turn[mine] = np.arange(len(mine)) % 2
    answers = np.full(len(people), _NOT_ASKED, np.int64)
    answers[asked] = -1
    for half in (0, 1):
        seen, other = asked & (turn != half), asked & (turn == half)
        if len(np.unique(people[seen])) < 2 or not other.any():
            continue  # one person, or single clips: there is nobody to be told from
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        probe.fit(features[seen], people[seen])
        answers[other] = probe.predict(features[other])
    return answers


class CentredProbe(LinearProbe):
    """The linear probe after each person's mean feature is subtracted.

    Test people's too: that needs several clips of a person, but no label of what they
    show.
    """

    name = "linear_probe_centred"
    title = ""

    @override
    def features_of(self, fold: Fold) -> Float[np.ndarray, "n f"]:
        return without_person(fold.features, fold.fields["subject"])


def without_person(
    features: Float[np.ndarray, "n f"], people: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "n f"]:
    """Features less the mean of those of the same person."""
    _, person = np.unique(people, return_inverse=True)
    order = np.argsort(person, kind="stable")
    ends = np.cumsum(np.bincount(person))
    centred = np.empty_like(features)
    for rows in np.split(order, ends[:-1]):
        centred[rows] = features[rows] - features[rows].mean(axis=0)
    return centred
