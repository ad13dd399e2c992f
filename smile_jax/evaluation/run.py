"""Evaluates trained runs by subject-independent protocols, beside two baselines."""

import dataclasses
import json
import pathlib
import time
from typing import Any

import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from smile_jax.evaluation import metrics
from smile_jax.evaluation.embed import baseline_pixels, embed
from smile_jax.evaluation.probes import linear_probe, nearest_neighbours, pca_features
from smile_jax.evaluation.protocols import split_records, subject_folds
from smile_jax.training.checkpoints import Checkpoints
from smile_jax.training.plan import Plan, build, make_plan
from smile_jax.training.state import TrainState

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
    model: Any
    state: TrainState
    info: dict[str, Any]
    initial: TrainState


@dataclasses.dataclass
class FoldResult:
    """Predictions of one method on one test fold, by probe."""

    labels: np.ndarray
    predictions: dict[str, np.ndarray]


def load_run(workdir: pathlib.Path) -> Trained:
    """Restores the newest checkpoint of a run.

    Raises:
      ProtocolError: there is none.
    """
    missing = ProtocolError(
        f"{workdir}: no checkpoint there; train first, with "
        f"`python -m smile_jax.train --config=... --workdir={workdir}`"
    )
    if not (workdir / "checkpoints").is_dir():
        raise missing
    checkpoints = Checkpoints(workdir)
    info = checkpoints.read_run()
    if info is None:
        raise missing
    config = ConfigDict(info["config"])
    config.data.dir = info["dataset"]  # absolute, wherever this is started
    plan = make_plan(config)
    if plan.folds != info["folds"]:
        raise ProtocolError(
            f"{plan.dataset.path}: its subjects are not those of the training run, so "
            "the stored folds do not apply; point data.dir at the dataset trained on"
        )
    model, initial, _ = build(config, plan)
    restored = checkpoints.restore(initial)
    assert restored is not None  # read_run found one
    checkpoints.close()
    return Trained(workdir, config, plan, model, *restored, initial)


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
    for key in ("folds", "text_source", "dataset"):
        if any(run.info[key] != runs[0].info[key] for run in runs):
            raise ProtocolError(
                f"{workdir}: its runs differ in {key}; train them alike"
            )
    return runs


def test_folds(
    run: Trained, protocol: str, *, one_of_many: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, test) records of each fold that a run may be judged on.

    A run that was trained with labels (text source "weak") is judged on its held-out
    fold alone. k folds over all subjects are open to a run without labels, whose
    pretraining saw the test subjects unlabelled (transductive).

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
    if protocol == "holdout" or one_of_many:
        return [(plan.train_records, plan.test_records)]
    if run.info["text_source"] != "none":
        raise ProtocolError(
            f"{run.workdir}: trained with text_source={run.info['text_source']!r}, "
            f"which saw the labels of all subjects outside fold {run.info['fold']}. "
            "k-fold evaluation would test on them. Evaluate with --protocol=holdout, "
            "or train one run a fold, --config.data.fold=<i> --workdir=DIR/fold_<i>, "
            "and evaluate --workdir=DIR --protocol=kfold"
        )
    records = plan.dataset.records_of(config.data.classes)
    subjects = plan.dataset.subjects
    folds = subject_folds(subjects[records], config.data.folds, config.data.fold_seed)
    return [
        split_records(subjects, records, folds, i) for i in range(config.data.folds)
    ]


def evaluate(workdir: pathlib.Path, protocol: str) -> dict[str, Any]:
    """Runs a protocol; returns what `results.json` holds (docs/evaluation.md)."""
    started = time.perf_counter()
    collected: dict[str, list[FoldResult]] = {}
    runs = load_runs(workdir, protocol)
    first = runs[0]
    transductive = protocol == "kfold" and len(runs) == 1
    embeddings: dict[str, np.ndarray] = {}
    tested: set[str] = set()
    for run in runs:
        for train, test in test_folds(run, protocol, one_of_many=len(runs) > 1):
            fold, sample = evaluate_fold(run, train, test)
            embeddings = embeddings or sample
            tested |= set(run.plan.dataset.subjects[test].tolist())
            for method, result in fold.items():
                collected.setdefault(method, []).append(result)
    classes = list(first.config.data.classes)
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
    run: Trained, train: np.ndarray, test: np.ndarray
) -> tuple[dict[str, FoldResult], dict[str, np.ndarray]]:
    """Predictions of every method on one fold, and the test embedding to plot."""
    config, plan = run.config, run.plan
    records = np.concatenate([train, test])
    position = {name: i for i, name in enumerate(config.data.classes)}
    labels = np.array(
        [position[plan.dataset.classes[c]] for c in plan.dataset.labels[records]]
    )
    subjects = plan.dataset.subjects[records]
    split = len(train)

    chosen = getattr(run.state, config.evaluation.parameters)
    smile = embed(run.model, chosen, plan.dataset, records, config)
    random = embed(run.model, run.initial.params, plan.dataset, records, config)
    pixels = baseline_pixels(plan.dataset, records, config)
    features = {
        "smile": smile.fused,
        "random_init": random.fused,
        "pixels_pca": pca_features(
            pixels, np.arange(split), config.evaluation.pca_components
        ),
    }
    results = {}
    for method, x in features.items():
        probe, _ = linear_probe(x[:split], labels[:split], subjects[:split], x[split:])
        predictions = {"linear_probe": probe}
        for k in NEIGHBOURS:
            predictions[f"knn_{k}"] = nearest_neighbours(
                x[:split], labels[:split], x[split:], k=k, num_classes=len(position)
            )
        results[method] = FoldResult(labels[split:], predictions)
    if run.info["text_source"] != "none":
        bank = prompt_bank(run, chosen)
        zero_shot = results["smile"].predictions
        zero_shot["zero_shot"] = (smile.joint[split:] @ bank.T).argmax(-1)
        for v in range(smile.views.shape[1]):
            scores = smile.views[split:, v] @ bank.T
            zero_shot[f"zero_shot_view_{v}"] = scores.argmax(-1)
    sample = {
        "features": smile.fused[split:],
        "labels": labels[split:],
        "subjects": subjects[split:],
        "records": test,
    }
    return results, sample


def prompt_bank(run: Trained, params: dict) -> np.ndarray:
    """Prompt prototypes (K, E): the stored bank, or a trained text tower's."""
    if not run.config.model.train_text:
        return np.asarray(run.state.bank)
    bank = run.model.apply(
        {"params": params}, jnp.asarray(run.plan.tokens), method="encode_text"
    )
    return np.asarray(bank)


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
    return {
        **scores,
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
    return "\n".join(lines)
