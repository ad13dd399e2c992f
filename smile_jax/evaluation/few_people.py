"""The label-efficiency curve: probes with labels of few people."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from typing_extensions import override

from smile_jax.evaluation.base import Evaluation, Fold, Outcome
from smile_jax.evaluation.linear_probe import linear_probe

PEOPLE = (1, 2, 5, 10, 20)
_DRAWS = 3  # of people, whose scores are averaged


class FewPeople(Evaluation):
    """Linear probes on the labels of 1, 2, 5, 10 and 20 training people.

    Each score is the mean over three draws of people; `LinearProbe`, on all people,
    stands beside it.
    """

    name = "few_people"
    fields = ("label", "subject")

    @override
    def run(self, fold: Fold) -> Outcome:
        labels, subjects = fold.train_of("label"), fold.train_of("subject")
        names = np.unique(subjects)
        rng = np.random.default_rng(0)
        answers = {}
        for draw in range(_DRAWS):
            # Each draw's few are among its more: curves rise by people alone.
            order = rng.permutation(names)
            for count in PEOPLE:
                own = np.isin(subjects, order[:count])
                if count >= len(names) or not _each_varied(labels[own], subjects[own]):
                    continue
                # More features than twice the clips would take long and win nothing.
                few = [n for n in fold.leading if n <= 2 * own.sum()]
                found = linear_probe(
                    fold.features[: fold.split][own],
                    labels[own],
                    subjects[own],
                    few or fold.leading[:1],
                )
                answers[f"{count}/{draw}"] = found(fold.features[fold.split :])
        return Outcome(fold.test_of("label"), answers)

    @override
    def extras(self, scores: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for count in PEOPLE:
            of_draws = [x for k, x in scores.items() if k.split("/")[0] == str(count)]
            if of_draws:
                found[f"{self.name}_{count}"] = {
                    metric: float(np.mean([x[metric] for x in of_draws]))
                    for metric in self.shown
                }
        return found


def _each_varied(labels: np.ndarray, subjects: np.ndarray) -> bool:
    """Returns True if every person shows two classes, so that a probe can be fitted."""
    return all(
        len(np.unique(labels[subjects == name])) > 1 for name in np.unique(subjects)
    )
