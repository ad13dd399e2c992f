"""The classifier that a method trained by labels has of its own."""

from typing_extensions import override

from smile_jax.evaluation.base import Evaluation, Fold, Outcome


class Classifier(Evaluation):
    """Answers of the method's own classifier, without a probe.

    No labels are used here besides those of pretraining.
    """

    name = "classifier"
    labels = "none"

    @override
    def applies(self, fold: Fold) -> bool:
        return fold.logits is not None

    @override
    def run(self, fold: Fold) -> Outcome:
        assert fold.logits is not None
        answers = fold.logits[fold.split :].argmax(axis=-1)
        return Outcome(fold.test_of("label"), {"": answers})
