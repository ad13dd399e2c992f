"""The classifier that a method trained by labels has of its own."""

from smile_jax.evaluation.base import Evaluation, Fold, Outcome


class Classifier(Evaluation):
    """What it answers, without a probe; no label is used here beside those of
    pretraining."""

    name = "classifier"
    labels = "none"

    def applies(self, fold: Fold) -> bool:
        return fold.logits is not None

    def run(self, fold: Fold) -> Outcome:
        assert fold.logits is not None
        answers = fold.logits[fold.split :].argmax(axis=-1)
        return Outcome(fold.test_of("label"), {"": answers})
