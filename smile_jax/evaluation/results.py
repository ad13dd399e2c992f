"""Results of an evaluation: rows of methods, answers for single clips, files."""

import csv
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smile_jax.config.factories import views_seen
from smile_jax.data.dataset import FaceDataset
from smile_jax.evaluation.base import Evaluation, Fold, Outcome, summarize
from smile_jax.evaluation.trained_run import (
    RUN,
    TrainedRun,
    images_seen,
    labels_used,
)
from smile_jax.inference.reference_set import ReferenceSet


class FoldResult:
    """Answers on one fold.

    Attributes:
      classes: of the run.
      records: of the test clips of the run's classes (False), and of all test clips
        (True) where an evaluation sees them.
      outcomes: (method, evaluation) -> answers.
      methods: that answered, in order.
      known: what `predict` asks of the training clips, if it is kept.
      embedding: of the run, to plot.
    """

    def __init__(
        self, classes: tuple[str, ...], records: Mapping[bool, np.ndarray]
    ) -> None:
        self.classes, self.records = classes, records
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        self.methods: list[str] = []
        self.known: ReferenceSet | None = None
        self.embedding: dict[str, Any] = {}

    def add(self, method: str, outcomes: Mapping[str, Outcome]) -> None:
        """Adds a method's answers."""
        if method not in self.methods:
            self.methods.append(method)
        self.outcomes |= {(method, name): x for name, x in outcomes.items()}

    def keep_embedding(self, fold: Fold) -> None:
        """Keeps features of the test clips and what was made of them, to plot."""
        test = fold.test
        assert test is not None
        p = None
        if fold.words:
            p = fold.words[""].probabilities(test.joint, fold.scale)
        self.embedding = {
            # A view would keep the training clips' features in memory, fold by fold.
            "features": fold.features[fold.split :].copy(),
            "labels": fold.test_of("label"),
            "subjects": fold.test_of("subject"),
            "records": self.records[False],
            "probabilities": p,
            "view_weights": test.weights,
            "frame_weights": test.frame_weights,
            "cameras": fold.cameras,
        }

    def headlines(
        self, method: str, evaluations: Sequence[Evaluation]
    ) -> dict[str, float]:
        """Returns the first metric of every variant of every evaluation."""
        found = {}
        for e in evaluations:
            outcome = self.outcomes.get((method, e.name))
            if outcome is None or "" not in outcome.answers:
                continue  # not taken, or a curve alone
            for variant, given in outcome.answers.items():
                score = e.score([(outcome.truth, given)], self.classes)
                name = f"{e.name}: {variant}" if variant else e.name
                found[name] = score[e.shown[0]]
        return found


def results_of(
    runs: Sequence[TrainedRun],
    protocol: str,
    tested: Sequence[FoldResult],
    evaluations: Sequence[Evaluation],
    tested_on: FaceDataset,
    seconds: float,
) -> dict[str, Any]:
    """Returns what `evaluate` does, of its folds."""
    first = runs[0]
    largest = max(tested, key=lambda t: len(t.records[False]))
    records = np.concatenate([t.records[False] for t in tested])
    warnings = [
        f"{method}, {name}: {said}"
        for t in tested
        for (method, name), outcome in t.outcomes.items()
        for said in outcome.warnings
    ]
    yaws_deg = [tested_on.yaws_deg[c] for c in largest.embedding["cameras"]]
    return {
        "dataset": tested_on.location,
        "trained_on": first.plan.dataset.location,
        "objective": first.config.objective.name,
        "labels_seen": {k: len(v) for k, v in first.stored.info.labels_seen.items()},
        "protocol": protocol,
        "folds": first.config.data.folds,
        "tested_folds": len(tested),
        "classes": list(first.config.data.classes),
        "test_subjects": np.unique(tested_on.subjects[records]).tolist(),
        "step": first.stored.step,
        "views": views_seen(first.config),
        "parameters": first.config.evaluation.parameters,
        "images_seen": images_seen(first),
        "seconds": seconds,
        "columns": {
            e.name: {"title": e.title, "shown": e.shown, "labels": e.labels}
            for e in evaluations
            if e.title
        },
        "rows": _rows(runs, protocol, tested, evaluations),
        "warnings": list(dict.fromkeys(warnings)),
        "embedding": largest.embedding | {"yaws_deg": yaws_deg},
        "known": tested[0].known,
        "predictions": _predictions(tested, evaluations, tested_on),
    }


def _rows(
    runs: Sequence[TrainedRun],
    protocol: str,
    tested: Sequence[FoldResult],
    evaluations: Sequence[Evaluation],
) -> list[dict[str, Any]]:
    """A row for each method: whose labels it used, and its scores over all folds."""
    first, rows = runs[0], []
    transductive = first.config.data.transductive
    transductive |= protocol == "kfold" and len(runs) == 1
    for method in dict.fromkeys(name for t in tested for name in t.methods):
        row: dict[str, Any] = {
            "method": method,
            "text_source": first.text_source if method == RUN else None,
            "labels_used": labels_used(first, method),
            "transductive": method == RUN and transductive,
        }
        for e in evaluations:
            found = [t.outcomes.get((method, e.name)) for t in tested]
            outcomes = [outcome for outcome in found if outcome is not None]
            row |= summarize(e, outcomes, first.config.data.classes)
        row["per_fold"] = [t.headlines(method, evaluations) for t in tested]
        rows.append(row)
    return rows


def _predictions(
    tested: Sequence[FoldResult],
    evaluations: Sequence[Evaluation],
    dataset: FaceDataset,
) -> dict[str, np.ndarray]:
    """Returns the columns of `predictions.csv`.

    They hold each test clip's identity, what it shows, and each answer as text, ""
    where there is none.
    """
    every = [records for t in tested for records in t.records.values()]
    clips = np.unique(np.concatenate(every))
    classes = tested[0].classes
    labels = np.array([*classes, ""], object)[dataset.labels_over(classes)[clips]]
    columns = {
        "sequence": dataset.sequences[clips],
        "subject": dataset.subjects[clips],
        "label": labels,
    }
    by_name = {e.name: e for e in evaluations}

    def fill(name: str, records: np.ndarray, texts: Sequence[str]) -> None:
        column = columns.setdefault(name, np.full(len(clips), "", object))
        column[np.searchsorted(clips, records[: len(texts)])] = texts

    for t in tested:
        for (method, name), outcome in t.outcomes.items():
            e = by_name[name]
            records = t.records[e.every_clip]
            if "" in outcome.answers:  # some are a curve alone
                main = outcome.answers[""]
                texts = [e.in_words(answer, classes) for answer in main]
                fill(f"{method}/{name}", records, texts)
            if outcome.confidence is not None:
                texts = [f"{share:.4f}" for share in outcome.confidence]
                fill(f"{method}/{name}/confidence", records, texts)
    return columns


def write_results(results: dict[str, Any], folder: pathlib.Path) -> None:
    """Writes `results.json` and `predictions.csv`; the embedding is the report's."""
    folder.mkdir(parents=True, exist_ok=True)
    single = ("embedding", "predictions", "known")
    kept = {k: v for k, v in results.items() if k not in single}
    (folder / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
    write_predictions(results["predictions"], folder / "predictions.csv")


def write_predictions(columns: Mapping[str, np.ndarray], path: pathlib.Path) -> None:
    """Writes columns of texts, a line for each clip."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def table(results: dict[str, Any]) -> str:
    """The rows as text."""
    columns = results["columns"]
    short = {"accuracy": "acc", "uar": "UAR", "uf1": "UF1"}
    heads = ["    ".join(short.get(m, m) for m in c["shown"]) for c in columns.values()]
    lines = [f"{'method':14}" + "".join(f"{name:>26}" for name in columns)]
    lines.append(f"{'':14}" + "".join(f"{head:>26}" for head in heads))
    probing = "".join(f"{c['labels']:>26}" for c in columns.values())
    lines.append(f"{'labels used':14}{probing}")
    for row in results["rows"]:
        cells = ""
        for name, column in columns.items():
            s = row[name]
            text = "  ".join(f"{s[m]:.3f}" for m in column["shown"]) if s else "-"
            cells += f"{text:>26}"
        lines.append(f"{row['method']:14}{cells}")
        lines.append(f"{'':14}labels used in pretraining: {row['labels_used']}")
        if own := row.get("classifier"):
            lines.append(f"{'':14}its own classifier: {own['accuracy']:.3f}")
        spread = row.get("sensitivity", {}).get("templates")
        if spread:
            lines.append(
                f"{'':14}zero-shot by one template of {len(spread['accuracy'])}: mean "
                f"{spread['mean']:.3f}, deviation {spread['std']:.3f}"
            )
        lines += [
            f"{'':14}zero-shot by {file}: {score['accuracy']:.3f}"
            for file, score in row.get("other_prompts", {}).items()
        ]
        lines += [
            f"{'':14}zero-shot by {name} prompts, by way of captions: "
            f"{score['accuracy']:.3f}"
            for name, score in row.get("zero_shot_grounded", {}).items()
        ]
    lines += [f"warning: {text}" for text in results["warnings"]]
    return "\n".join(lines)
