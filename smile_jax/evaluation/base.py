"""An evaluation: what it needs of a fold, and what it makes of that."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.model_selection import GroupKFold

from smile_jax.evaluation import metrics
from smile_jax.evaluation.embed import EmbeddedSet
from smile_jax.inference.prompting import PromptClassifier

# Raise it when a score comes to mean something else: then results that were computed
# before no longer count (2: strengths of probes are chosen on people not fitted to, and
# `who_probe` asks for at most 100 people).
VERSION = 2


@dataclasses.dataclass(frozen=True)
class SubsetFeatures:
    """Features of some of the views alone, fused as all of them are.

    Those of a subset are read when they are asked for.

    Attributes:
      subsets: of the views, by their places.
      fused, joint: (N, F) and (N, E) of each subset.
      rows: of these, the clips of a fold, training clips first.
      split: number of training clips.
    """

    subsets: tuple[tuple[int, ...], ...]
    fused: Sequence[np.ndarray]
    joint: Sequence[np.ndarray]
    rows: Int[np.ndarray, "n"]
    split: int

    def train(self, subset: int) -> Float[np.ndarray, "n f"]:
        """Returns fused features of the training clips."""
        return self.fused[subset][self.rows[: self.split]]

    def test(self, subset: int) -> Float[np.ndarray, "m f"]:
        """Returns fused features of the test clips."""
        return self.fused[subset][self.rows[self.split :]]

    def test_joint(self, subset: int) -> Float[np.ndarray, "m e"]:
        """Returns joint embeddings of the test clips."""
        return self.joint[subset][self.rows[self.split :]]


@dataclasses.dataclass(frozen=True)
class Fold:
    """One method's features of a test fold, and of clips that probes may learn from.

    Attributes:
      features: (n + m, F), the n training clips first.
      split: n.
      fields: name -> (n + m, ...) of what evaluations ask for: "label" (index into the
        classes), "subject", "sequence", and numbers of the records by their names.
      classes: names of the labels.
      test: embeddings of the m test clips; None for a method that has none.
      words: "" -> the run's prompts, file -> those of a file; empty without text.
      cameras: which of the dataset's views `test.views` are.
      leading: numbers of leading features that evaluations choose among by the training
        people, rising; () where all features belong together.
      scale: exp(logit_scale), by which joint embeddings and words are compared.
      some_views: features of subsets of the views; None for a method without views.
      logits: (n + m, k) of the classes, by the method's own classifier; None for a
        method that has none.
      shared: what an evaluation has fitted and another one asks for.
      joined: of emotions that show together: which ones each prompt names, (g, k) of 0
        or 1, and the prompts' prototypes (g, E); None without text.
    """

    features: Float[np.ndarray, "n f"]
    split: int
    fields: Mapping[str, Shaped[np.ndarray, "n ..."]]
    classes: tuple[str, ...]
    test: EmbeddedSet | None = None
    words: Mapping[str, PromptClassifier] = dataclasses.field(default_factory=dict)
    cameras: tuple[int, ...] = ()
    leading: tuple[int, ...] = ()
    scale: float = 1.0
    some_views: SubsetFeatures | None = None
    logits: Float[np.ndarray, "n k"] | None = None
    shared: dict[str, Any] = dataclasses.field(default_factory=dict)
    joined: tuple[np.ndarray, np.ndarray] | None = None

    def train_of(self, name: str) -> np.ndarray:
        """A field of the training clips."""
        return self.fields[name][: self.split]

    def test_of(self, name: str) -> np.ndarray:
        """A field of the test clips."""
        return self.fields[name][self.split :]


class Outcome(NamedTuple):
    """An evaluation's answers for one test fold.

    Attributes:
      truth: (m, ...).
      answers: by variant; "" is the main one.
      chosen: settings that the training people chose.
      warnings: on choices that may not be the best ones.
      confidence: (m,) probability that the main answer is given; None for answers that
        have none.
    """

    truth: np.ndarray
    answers: dict[str, np.ndarray]
    chosen: Mapping[str, float] = {}
    warnings: tuple[str, ...] = ()
    confidence: Float[np.ndarray, "m"] | None = None


def people_folds(subjects: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns up to three folds over the people of training clips, to choose settings.

    Each is a pair of indices: clips to fit, and clips held out.
    """
    count = min(3, len(np.unique(subjects)))
    return list(GroupKFold(count).split(subjects, groups=subjects))


class Evaluation:
    """An evaluation of frozen features.

    Attributes:
      name: in `results.json`.
      title: heads its columns in tables; "" for one that is in `results.json` alone.
      shown: its metrics in tables.
      fields: of `Fold.fields` that it needs.
      labels: whose labels it uses itself, beside those of pretraining; for tables.
      needs_text: it asks in words.
      cheap: may run during training.
      every_clip: it sees all clips of the people, not only those that show one of the
        run's classes.
    """

    name: ClassVar[str]
    title: ClassVar[str] = ""
    shown: ClassVar[tuple[str, ...]] = ("accuracy", "uar", "uf1")
    fields: ClassVar[tuple[str, ...]] = ("label",)
    labels: ClassVar[str] = "of training people"
    needs_text: ClassVar[bool] = False
    cheap: ClassVar[bool] = False
    every_clip: ClassVar[bool] = False

    def applies(self, fold: Fold) -> bool:
        """Returns True if a method has what this evaluation needs.

        Others are left out.
        """
        return bool(fold.words) or not self.needs_text

    def run(self, fold: Fold) -> Outcome:
        """Answers for the test clips of a fold."""
        raise NotImplementedError

    def score(
        self, parts: list[tuple[np.ndarray, np.ndarray]], classes: Sequence[str]
    ) -> Any:
        """Metrics of one variant, by their names.

        Args:
          parts: (truth, answers) of each fold; here both are class indices.
          classes: names of the labels.

        Returns:
          At least what `shown` names; the first of them stands for the evaluation in
          `per_fold` and during training. Here "accuracy", "uar", "uf1" and more
          (docs/evaluation.md), counts pooled over folds, "mean" and "std" between them.
        """
        matrices = [metrics.confusion(t, a, len(classes)) for t, a in parts]
        pooled = np.sum(matrices, axis=0)
        by_fold = [metrics.accuracy(m) for m in matrices]
        return {
            "accuracy": metrics.accuracy(pooled),
            "uar": metrics.uar(pooled),
            "uf1": metrics.uf1(pooled),
            "mean": float(np.mean(by_fold)),
            "std": float(np.std(by_fold, ddof=1)) if len(by_fold) > 1 else None,
            "per_class_f1": metrics.per_class_f1(pooled).tolist(),
            "confusion": pooled.tolist(),
        }

    def in_words(self, answer: Any, classes: Sequence[str]) -> str:
        """Returns one answer as text, for the table of predictions."""
        return classes[answer]

    def extras(self, scores: Mapping[str, Any]) -> dict[str, Any]:
        """Returns further entries of a method's row, by the scores of its variants.

        A method that the evaluation leaves out has no scores.
        """
        return {}


def summarize(
    evaluation: Evaluation, outcomes: list[Outcome], classes: Sequence[str]
) -> dict[str, Any]:
    """Combines an evaluation's outcomes over folds into a method's entries."""
    # A fold may lack some, such as a curve's point of more people than it has.
    variants = dict.fromkeys(name for o in outcomes for name in o.answers)
    scores = {
        variant: evaluation.score(
            [(o.truth, o.answers[variant]) for o in outcomes if variant in o.answers],
            classes,
        )
        for variant in variants
    }
    found = {evaluation.name: scores.get("")} | evaluation.extras(scores)
    chosen = [dict(o.chosen) for o in outcomes]
    return found | ({f"{evaluation.name}_chosen": chosen} if any(chosen) else {})
