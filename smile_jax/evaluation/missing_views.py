"""Missing views: a face seen from some of its views, or from others than before."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from typing_extensions import override

from smile_jax.evaluation.base import Evaluation, Fold, Outcome, SubsetFeatures
from smile_jax.evaluation.linear_probe import linear_probe, probe_of

_PROBE, _WORDS = "probe ", "words "


def name_of(views: tuple[int, ...]) -> str:
    """Names a subset of views by their places from left to right."""
    return "+".join(map(str, views))


class _ViewSubsetEvaluation(Evaluation):
    """Base of evaluations that score subsets of the views."""

    def run(self, fold: Fold) -> Outcome:
        found = {} if fold.some_views is None else self.answers(fold, fold.some_views)
        return Outcome(fold.test_of("label"), found)

    def answers(self, fold: Fold, views: SubsetFeatures) -> dict[str, np.ndarray]:
        """Returns answers by the name of the subset of views."""
        raise NotImplementedError

    def score(
        self, parts: list[tuple[np.ndarray, np.ndarray]], classes: Sequence[str]
    ) -> Any:
        scores = super().score(parts, classes)
        return {metric: scores[metric] for metric in self.shown}


class MissingViews(_ViewSubsetEvaluation):
    """Answers from some views alone, fused as all of them are.

    By the probe on the fused feature of all views, and by zero-shot.
    """

    name = "missing_views"
    fields = ("label", "subject")

    @override
    def answers(self, fold: Fold, views: SubsetFeatures) -> dict[str, np.ndarray]:
        probe, found = probe_of(fold), {}
        for i, places in enumerate(views.subsets):
            name = name_of(places)
            found[_PROBE + name] = probe(views.test(i))
            if fold.words:
                found[_WORDS + name] = fold.words[""].predict(views.test_joint(i))
        return found

    @override
    def extras(self, scores: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: {
                name.removeprefix(way): score
                for name, score in scores.items()
                if name.startswith(way)
            }
            for key, way in (
                (self.name, _PROBE),
                (f"{self.name}_zero_shot", _WORDS),
            )
        }


class CrossViewProbe(_ViewSubsetEvaluation):
    """A probe fitted on one view of the training people, asked about another view."""

    name = "cross_view"
    fields = ("label", "subject")

    @override
    def answers(self, fold: Fold, views: SubsetFeatures) -> dict[str, np.ndarray]:
        single = {v[0]: i for i, v in enumerate(views.subsets) if len(v) == 1}
        labels, subjects = fold.train_of("label"), fold.train_of("subject")
        found = {}
        for seen, i in single.items():
            probe = linear_probe(views.train(i), labels, subjects)
            for asked, j in single.items():
                answers = probe(views.test(j))
                found[f"{seen} to {asked}"] = answers
        return found

    @override
    def extras(self, scores: Mapping[str, Any]) -> dict[str, Any]:
        return {self.name: dict(scores)}
