"""Evaluates trained runs by subject-independent protocols, beside two baselines."""

import dataclasses
import json
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from smile_jax.data.prompts import Prompts, make_prompts
from smile_jax.data.splits import split_records, subject_folds
from smile_jax.evaluation import metrics
from smile_jax.evaluation.embed import EmbeddedSet, baseline_pixels, embed, view_of
from smile_jax.evaluation.probes import linear_probe, nearest_neighbours, pca_features
from smile_jax.evaluation.zero_shot import ZeroShot, predictions
from smile_jax.objectives import SOURCES
from smile_jax.training.checkpoints import CheckpointError, Checkpoints
from smile_jax.training.plan import Plan, build, fresh_start, make_plan
from smile_jax.training.start import Start, stored_start
from smile_jax.training.state import TrainState
from smile_jax.training.versions import upgrade

PROTOCOLS = ("holdout", "kfold")
NEIGHBOURS = (10, 20)


class ProtocolError(ValueError):
    """An evaluation that would not be a fair one; the message says why."""


@dataclasses.dataclass
class Trained:
    """A finished run, restored."""

    workdir: pathlib.Path
    config: ConfigDict
    plan: Plan
    start: Start
    model: Any
    state: TrainState
    info: dict[str, Any]
    initial: TrainState  # random

    @property
    def params(self) -> Any:
        """What the config evaluates: trained parameters or their average."""
        averaged = self.config.evaluation.parameters == "ema"
        return self.state.averaged if averaged else self.state.params


@dataclasses.dataclass
class FoldResult:
    """Predictions of one method on one test fold, by probe."""

    labels: np.ndarray
    predictions: dict[str, np.ndarray]


def load_run(workdir: pathlib.Path) -> Trained:
    """Restores the newest checkpoint of a run.

    Raises:
      CheckpointError: there is none, or another version wrote it.
      ProtocolError: the dataset is not the one trained on.
    """
    checkpoints = Checkpoints.open(workdir)
    info = checkpoints.read_run()
    if info is None:
        raise CheckpointError(f"{workdir}: its checkpoints cannot be read")
    info = upgrade(info, workdir)
    config = ConfigDict(info["config"])
    config.data.dir = info["dataset"]  # absolute, wherever this is started
    start = stored_start(info, workdir)
    plan = make_plan(config, Prompts.from_json(info["prompts"]))
    if plan.folds != info["folds"]:
        raise ProtocolError(
            f"{plan.dataset.path}: its subjects are not those of the training run, so "
            "the stored folds do not apply; point data.dir at the dataset trained on"
        )
    model, initial, _ = build(config, plan, start)
    restored = checkpoints.restore(initial)
    assert restored is not None  # read_run found one
    checkpoints.close()
    return Trained(workdir, config, plan, start, model, restored[0], info, initial)


def load_runs(workdir: pathlib.Path, protocol: str) -> list[Trained]:
    """The run itself; with "kfold" those of its `fold_<i>` folders if it has any.

    Raises:
      ProtocolError: the runs of the folds do not belong together, or some are missing.
    """
    folders = sorted(workdir.glob("fold_*"))
    if protocol == "holdout" or not folders:
        return [load_run(workdir)]
    runs = [load_run(folder) for folder in folders]
    tested = sorted(run.info["fold"] for run in runs)
    if tested != list(range(runs[0].config.data.folds)):
        raise ProtocolError(
            f"{workdir}: its runs hold out the folds {tested}, expected each of 0 to "
            f"{runs[0].config.data.folds - 1} once; train the missing ones"
        )
    for key in ("folds", "text_source", "dataset", "prompts"):
        if any(run.info[key] != runs[0].info[key] for run in runs):
            raise ProtocolError(
                f"{workdir}: its runs differ in {key}; train them alike"
            )
    return runs


def test_folds(
    run: Trained, protocol: str, *, one_of_many: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, test) records of each fold that a run may be judged on.

    A run that was trained with labels (text source "weak"), or started from one that
    was, is not judged on subjects whose labels it saw. k folds over all subjects are
    open to a run without labels, whose pretraining saw the test subjects unlabelled
    (transductive).

    Raises:
      ProtocolError: the labels of test subjects were seen in training, or there are
        none to test with.
    """
    plan, config = run.plan, run.config
    if not len(plan.train_records) or not len(plan.test_records):
        raise ProtocolError(
            f"{run.workdir}: {plan.dataset.path} has no clips labelled as "
            f"{list(config.data.classes)} on both sides of fold {run.info['fold']}, so "
            "there is nothing to score; set --config.data.classes to classes of "
            f"{plan.dataset.classes}"
        )
    labelled = set(run.info["labels_seen"].get(plan.dataset.people, ()))
    if protocol == "holdout" or one_of_many:
        seen = labelled & set(plan.dataset.subjects[plan.test_records].tolist())
        if seen:
            raise ProtocolError(
                f"{run.workdir}: it started from a run that saw the labels of "
                f"{len(seen)} of its test subjects ({', '.join(sorted(seen)[:5])} "
                "...); start from a run with the same data.folds, data.fold and "
                "data.fold_seed, or on another dataset"
            )
        return [(plan.train_records, plan.test_records)]
    if labelled:
        raise ProtocolError(
            f"{run.workdir}: it, or a run that it started from, saw the labels of "
            f"{len(labelled)} subjects. k-fold evaluation would test on them. Evaluate "
            "with --protocol=holdout, or train one run a fold, --config.data.fold=<i> "
            "--workdir=DIR/fold_<i>, and evaluate --workdir=DIR --protocol=kfold"
        )
    records = plan.dataset.records_of(config.data.classes)
    subjects = plan.dataset.subjects
    folds = subject_folds(subjects[records], config.data.folds, config.data.fold_seed)
    return [
        split_records(subjects, records, folds, i) for i in range(config.data.folds)
    ]


def evaluate(
    workdir: pathlib.Path, protocol: str, prompt_files: Sequence[str] = ()
) -> dict[str, Any]:
    """Runs a protocol; returns what `results.json` holds (docs/evaluation.md).

    Args:
      workdir: of a run, or of the runs of all folds.
      protocol: one of `PROTOCOLS`.
      prompt_files: other words to be zero-shot with, beside those of the run.
    """
    started = time.perf_counter()
    collected: dict[str, list[FoldResult]] = {}
    runs = load_runs(workdir, protocol)
    first = runs[0]
    classes = list(first.config.data.classes)
    words = {file: make_prompts(classes, file=file) for file in prompt_files}
    transductive = protocol == "kfold" and len(runs) == 1
    embeddings: dict[str, np.ndarray] = {}
    tested: set[str] = set()
    for run in runs:
        for train, test in test_folds(run, protocol, one_of_many=len(runs) > 1):
            fold, sample = evaluate_fold(run, train, test, words)
            embeddings = embeddings or sample
            tested |= set(run.plan.dataset.subjects[test].tolist())
            for method, result in fold.items():
                collected.setdefault(method, []).append(result)
    rows = []
    for method, results in collected.items():
        is_smile = method == "smile"
        rows.append(
            {
                "method": method,
                "text_source": first.info["text_source"] if is_smile else None,
                "transductive": is_smile and transductive,
                **summarize(results, len(classes)),
            }
        )
    return {
        "dataset": str(first.plan.dataset.path),
        "protocol": protocol,
        "folds": first.config.data.folds,
        "tested_folds": len(collected["smile"]),
        "classes": classes,
        "test_subjects": sorted(tested),
        "step": int(first.state.step),
        "seconds": round(time.perf_counter() - started, 1),
        "rows": rows,
        "embedding": embeddings,
    }


def evaluate_fold(
    run: Trained, train: np.ndarray, test: np.ndarray, words: dict[str, Prompts]
) -> tuple[dict[str, FoldResult], dict[str, np.ndarray]]:
    """Predictions of every method on one fold, and the test embedding to plot."""
    config, plan = run.config, run.plan
    records = np.concatenate([train, test])
    labels = plan.dataset.labels_over(config.data.classes)[records]
    subjects = plan.dataset.subjects[records]
    split, classes = len(train), len(config.data.classes)

    view = view_of(config, plan.dataset, run.start)
    models = {"smile": run.params, **_before_training(run)}
    models["random_init"] = run.initial.params
    embedded = {
        method: embed(run.model, params, view, plan.dataset, records, config)
        for method, params in models.items()
    }
    features = {method: e.fused for method, e in embedded.items()}
    pixels = baseline_pixels(view, plan.dataset, records, config)
    features["pixels_pca"] = pca_features(
        pixels, np.arange(split), config.evaluation.pca_components
    )
    results = {}
    for method, x in features.items():
        probe, _ = linear_probe(x[:split], labels[:split], subjects[:split], x[split:])
        found = {"linear_probe": probe}
        for k in NEIGHBOURS:
            found[f"knn_{k}"] = nearest_neighbours(
                x[:split], labels[:split], x[split:], k=k, num_classes=classes
            )
        knows_text = method == "before_training" or (
            method == "smile" and SOURCES[run.info["text_source"]].has_text
        )
        if knows_text:
            held_out = embedded[method].rows(split)
            found |= _zero_shot(run, models[method], held_out, words)
        results[method] = FoldResult(labels[split:], found)
    sample = {
        "features": features["smile"][split:],
        "labels": labels[split:],
        "subjects": subjects[split:],
        "records": test,
    }
    return results, sample


def _before_training(run: Trained) -> dict[str, Any]:
    """Parameters that the run started from, where its vision tower was not random."""
    if not (run.config.model.start_from or run.config.model.pretrained):
        return {}
    try:
        start = fresh_start(run.config, run.plan)
    except (ValueError, CheckpointError) as error:
        print(f"no row `before_training`: what the run started from is gone ({error})")
        return {}
    return {"before_training": build(run.config, run.plan, start)[1].params}


def _zero_shot(
    run: Trained, params: Any, embedded: EmbeddedSet, words: dict[str, Prompts]
) -> dict[str, np.ndarray]:
    """Predictions by the run's prompts, by parts of them, and by those of files."""
    config, tokenizer = run.config, run.start.tokenizer
    zero_shot = ZeroShot(run.model, params, tokenizer, run.plan.prompts)
    cameras = run.plan.dataset.spread_views(config.data.views)
    found = predictions(zero_shot, embedded, cameras)
    for file, prompts in words.items():
        other = ZeroShot(run.model, params, tokenizer, prompts)
        found[f"prompts: {file}"] = other.predict(embedded.joint)
    return found


def summarize(results: list[FoldResult], num_classes: int) -> dict[str, Any]:
    """Scores of one method: counts pooled over folds, deviation between folds."""

    def score(probe: str) -> dict[str, Any] | None:
        if probe not in results[0].predictions:
            return None
        matrices = [
            metrics.confusion(r.labels, r.predictions[probe], num_classes)
            for r in results
        ]
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

    names = ["linear_probe", *(f"knn_{k}" for k in NEIGHBOURS), "zero_shot"]
    views = [
        name for name in results[0].predictions if name.startswith("zero_shot_view")
    ]
    scores = {name: score(name) for name in names}
    parts = {
        kind: {
            name.removeprefix(f"{kind}: "): score(name)
            for name in results[0].predictions
            if name.startswith(f"{kind}: ")
        }
        for kind in ("template", "style", "prompts")
    }
    return {
        **scores,
        "sensitivity": {
            "templates": _spread(parts["template"]),
            "styles": _spread(parts["style"]),
        },
        "other_prompts": parts["prompts"],
        "knn": scores[f"knn_{NEIGHBOURS[0]}"],
        "zero_shot_views": [score(name) for name in views],
        "per_fold": [
            {
                name: metrics.accuracy(metrics.confusion(r.labels, p, num_classes))
                for name, p in r.predictions.items()
            }
            for r in results
        ],
    }


def _spread(scores: dict[str, Any]) -> dict[str, Any] | None:
    """Accuracy by wording, their mean and deviation; None without several."""
    if len(scores) < 2:
        return None
    accuracies = {name: s["accuracy"] for name, s in scores.items()}
    values = list(accuracies.values())
    deviation = float(np.std(values, ddof=1))
    return {"accuracy": accuracies, "mean": float(np.mean(values)), "std": deviation}


def write_results(results: dict[str, Any], folder: pathlib.Path) -> None:
    """Writes `results.json`; the embedding goes into the report only."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {k: v for k, v in results.items() if k != "embedding"}
    (folder / "results.json").write_text(json.dumps(kept, indent=1) + "\n")


def table(results: dict[str, Any]) -> str:
    """The rows as text."""
    columns = ["linear_probe", "knn", "zero_shot"]
    lines = [f"{'method':14}" + "".join(f"{name:>26}" for name in columns)]
    lines.append(f"{'':14}" + f"{'acc    UAR    UF1':>26}" * len(columns))
    for row in results["rows"]:
        cells = ""
        for name in columns:
            s = row[name]
            text = f"{s['accuracy']:.3f}  {s['uar']:.3f}  {s['uf1']:.3f}" if s else "-"
            cells += f"{text:>26}"
        lines.append(f"{row['method']:14}{cells}")
        spread = row["sensitivity"]["templates"]
        if spread:
            lines.append(
                f"{'':14}zero-shot by one template of {len(spread['accuracy'])}: mean "
                f"{spread['mean']:.3f}, deviation {spread['std']:.3f}"
            )
        lines += [
            f"{'':14}zero-shot by {file}: {score['accuracy']:.3f}"
            for file, score in row["other_prompts"].items()
        ]
    return "\n".join(lines)
