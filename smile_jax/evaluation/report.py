"""`report.html`: one self-contained page about a trained and evaluated run."""

import html
import io
import json
import pathlib
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from smile_jax.config.default import DataKeys
from smile_jax.data.augment import amplified
from smile_jax.data.channels import CHANNELS, channel_slices
from smile_jax.data.dataset import FaceDataset
from smile_jax.data.frames import FrameSampling, cut
from smile_jax.data.lit_views import lit_views
from smile_jax.data.mixture import open_location
from smile_jax.data.records import PIXELS, as_shares
from smile_jax.evaluation.html import image_of, page, png_html
from smile_jax.evaluation.metrics import calibration, people_interval
from smile_jax.objectives import SOURCES

_MOST_FAILURES = 12
_FEWEST = 3  # clips that t-SNE can lay out
_MOST_POINTS = 2000  # that it lays out in seconds, drawn from all clips
_MOST_PEOPLE = 100  # whose bars can be told apart
_PALETTE = "tab20"

_METRICS = {"accuracy": "accuracy", "uar": "UAR", "uf1": "UF1", "macro_f1": "macro F1"}


def write(results: dict[str, Any], workdir: pathlib.Path, path: pathlib.Path) -> None:
    """Writes the page; images are embedded, nothing is loaded from elsewhere."""
    with mpl.rc_context(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        parts = [
            f"<h1>SMILE-JAX: {html.escape(workdir.name)}</h1>",
            f"<p class=note>{html.escape(results['dataset'])}<br>protocol "
            f"{results['protocol']}, {results['tested_folds']} of {results['folds']} "
            f"subject-independent folds tested ({len(results['test_subjects'])} "
            f"subjects), step {results['step']}, {results['seconds']} s</p>",
            "<h2>Scores</h2>",
            _score_table(results),
            _text_note(results),
            "<h2>What went wrong</h2>",
            _failures(results),
            "<h2>Person by person</h2>",
            image_of(_people(results)),
            *_confidence(results),
            _wording_table(results),
            "<h2>Rendered views</h2>",
            image_of(_samples(results)),
            "<h2>Confusion matrices</h2>",
            "<p class=note>Rows: true class. Share of the row, in percent.</p>",
            image_of(_confusions(results)),
        ]
        if len(results["embedding"]["features"]) >= _FEWEST:
            parts += [
                "<h2>Fused embedding of the test subjects of one fold</h2>",
                "<p class=note>t-SNE. Left by expression, right by subject: a good "
                "embedding groups by expression and not by person.</p>",
                image_of(_embedding(results)),
            ]
        curves = _curves(workdir)
        if curves is not None:
            parts += [
                "<h2>Training</h2>",
                "<p class=note>Off-diagonal ratio: 1 for independent noise.</p>",
                image_of(curves),
            ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page("SMILE-JAX report", parts))


def _score_table(results: dict[str, Any]) -> str:
    columns = results["columns"]
    head = "".join(
        f"<th colspan={len(c['shown'])}>{c['title']}</th>" for c in columns.values()
    )
    units = "".join(
        f"<th>{_METRICS.get(metric, metric)}</th>"
        for c in columns.values()
        for metric in c["shown"]
    )
    rows = []
    for row in results["rows"]:
        cells = [
            f"<td>{row['method']}{' (transductive)' * row['transductive']}</td>",
            f"<td>{html.escape(row['labels_used'])}</td>",
        ]
        for name, column in columns.items():
            score = row[name]
            for metric in column["shown"]:
                if score is None:
                    cells.append("<td>-</td>")
                    continue
                spread = _interval(results, row["method"], name, metric)
                cells.append(f"<td>{score[metric]:.3f}{spread}</td>")
        rows.append(f"<tr class=row>{''.join(cells)}</tr>")
    chance = 1 / len(results["classes"])
    return (
        "<div class=wide><table class=sortable><tr><th>method</th>"
        f"<th>labels used in pretraining</th>{head}</tr>"
        f"<tr class=heads><th></th><th></th>{units}</tr>{''.join(rows)}"
        f"</table></div><p class=note>Chance: {chance:.3f}. In brackets the 95 % "
        "interval over people (bootstrap). A click on a column's metric sorts.</p>"
    )


def _right(results: dict[str, Any], column: str) -> dict[str, np.ndarray]:
    """Returns whether each test clip was answered correctly, and whose it is.

    By method and evaluation ("method/evaluation"), for the clips that were answered.
    """
    columns = results["predictions"]
    labels, answers = columns["label"], columns.get(column, columns["label"][:0])
    if not len(answers):
        return {"right": np.zeros(0, bool), "subjects": np.zeros(0, str)}
    known = (labels != "") & np.isin(answers, results["classes"])
    return {
        "right": (answers == labels)[known].astype(bool),
        "subjects": columns["subject"][known],
    }


def _interval(results: dict[str, Any], method: str, name: str, metric: str) -> str:
    if metric != "accuracy":
        return ""
    found = _right(results, f"{method}/{name}")
    if len(np.unique(found["subjects"])) < 2:
        return ""
    low, high = people_interval(found["right"], found["subjects"])
    return f" [{low:.2f}, {high:.2f}]"


def _main_column(results: dict[str, Any]) -> str:
    """SMILE's zero-shot answers; its linear probe's where it knows no words."""
    known = [f"smile/{name}" for name in ("zero_shot", "linear_probe")]
    return next((name for name in known if name in results["predictions"]), known[-1])


def _failures(results: dict[str, Any]) -> str:
    """Test clips that were taken for something else, the surest first."""
    sample, column = results["embedding"], _main_column(results)
    classes, p = results["classes"], sample["probabilities"]
    dataset = open_location(results["dataset"])
    source = dataset.open_records()
    columns = results["predictions"]
    row_of = {name: row for row, name in enumerate(columns["sequence"])}
    wrong = []
    for i, record in enumerate(sample["records"]):
        at = row_of[dataset.sequences[record]]
        answer = columns[column][at] if column in columns else ""
        if answer not in ("", columns["label"][at]):
            sure = float(p[i].max()) if p is not None else 0.0
            wrong.append((sure, i, at))
    wrong.sort(key=lambda found: -found[0])
    figures = []
    for _, i, at in wrong[:_MOST_FAILURES]:
        row = {name: str(values[at]) for name, values in columns.items()}
        pixels = _apex_views(dataset, source, sample["records"][i])
        views = lit_views(pixels, dataset.channels, gain=DataKeys().dynamic_gain)
        bars = "" if p is None else _bars(dict(zip(classes, p[i], strict=True)))
        figures.append(
            f"<figure>{_picture(np.concatenate(list(views), axis=1))}<figcaption>"
            f"<b>{html.escape(row['label'])}</b> taken for "
            f"<b>{html.escape(row[column])}</b><br><span class=note>"
            f"{html.escape(row['sequence'])}</span>{bars}</figcaption></figure>"
        )
    total = len(sample["records"])
    said = f"{len(wrong)} of {total} test clips ({column.split('/')[1]})"
    shown = f"; the {len(figures)} surest of them" if len(wrong) > len(figures) else ""
    return (
        f"<p class=note>{said} were taken for something else{shown}.</p>"
        f"<div class=failures>{''.join(figures)}</div>"
    )


def _bars(shares: dict[str, float]) -> str:
    best = sorted(shares.items(), key=lambda item: -item[1])[:4]
    return "".join(
        f"<div class=bar><span>{html.escape(name)}</span>"
        f"<span><i style='width:{100 * p:.0f}%'></i></span><span>{p:.2f}</span></div>"
        for name, p in best
    )


def _people(results: dict[str, Any]) -> Figure:
    """Plots the accuracy of test people, sorted; of more than 100, drawn ones."""
    column = _main_column(results)
    found = _right(results, column)
    names = np.unique(found["subjects"])
    names = np.random.default_rng(0).permutation(names)[:_MOST_PEOPLE]
    scores = [found["right"][found["subjects"] == name].mean() for name in names]
    order = np.argsort(scores)
    figure = Figure(figsize=(11, 2.6))
    axis = figure.subplots()
    axis.bar(range(len(names)), np.array(scores)[order], color="#4278e2", width=0.7)
    axis.axhline(1 / len(results["classes"]), color="0.6", linestyle=":")
    labels = [_plain(names[i]) for i in order]
    axis.set_xticks(range(len(names)), labels, rotation=60, fontsize=7)
    axis.set_ylim(0, 1)
    axis.set_ylabel("accuracy")
    axis.set_title(f"{column.split('/')[1]}; dotted: chance", loc="left")
    figure.tight_layout()
    return figure


def _confidence(results: dict[str, Any]) -> list[str]:
    """Draws how often an answer of a given confidence is right, and view weights."""
    sample = results["embedding"]
    p, frames = sample["probabilities"], sample["frame_weights"]
    timed = frames is not None and frames.shape[1] > 1
    panels = 1 + (p is not None) + timed
    figure = Figure(figsize=(3.6 * panels, 3.0))
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    parts, notes = [], []
    if p is not None:
        error, table = calibration(p, sample["labels"])
        axis = axes.pop(0)
        axis.plot([0, 1], [0, 1], color="0.8")
        axis.plot(table[:, 0], table[:, 1], color="#4278e2", marker="o")
        axis.set_xlabel("confidence")
        axis.set_ylabel("share that is right")
        axis.set_title("zero-shot", loc="left")
        notes.append(f"expected calibration error {error:.3f}")
    axis = axes.pop(0)
    yaws = [f"{yaw:g}°" for yaw in sample["yaws_deg"]]
    axis.boxplot(sample["view_weights"], tick_labels=yaws, showfliers=False)
    axis.set_ylim(0, 1)
    axis.set_title("share of each view", loc="left")
    if timed:
        axis = axes.pop(0)
        axis.boxplot(frames, showfliers=False)
        axis.set_ylim(0, 1)
        axis.set_title("share of each frame", loc="left")
    figure.tight_layout()
    notes.append("what views, and frames where there are several, count in test clips")
    parts += ["<h2>Confidence and views</h2>", f"<p class=note>{'; '.join(notes)}.</p>"]
    return [*parts, image_of(figure)]


def _text_note(results: dict[str, Any]) -> str:
    """Whose labels were seen, and where the text was from."""
    seen = results["labels_seen"]
    labels = "No expression label was used in pretraining"
    if seen:
        listed = "; ".join(f"{n} subjects of {people}" for people, n in seen.items())
        labels = f"Expression labels seen, here or in runs before: of {listed}"
    note = SOURCES[results["rows"][0]["text_source"]].says
    method = html.escape(results["objective"])
    return f"<p>Method <i>{method}</i>. {html.escape(labels)}. {note}</p>"


def _wording_table(results: dict[str, Any]) -> str:
    """Zero-shot accuracy by template, style and other prompt files."""
    rows = []
    for row in results["rows"]:
        for what in ("templates", "styles"):
            spread = row.get("sensitivity", {}).get(what)
            if spread is None:
                continue
            cells = ", ".join(
                f"{html.escape(name.replace('{}', '…'))}: {value:.3f}"
                for name, value in spread["accuracy"].items()
            )
            rows.append(
                f"<tr><td>{row['method']}, {what}</td><td>{spread['mean']:.3f} ± "
                f"{spread['std']:.3f}</td><td>{cells}</td></tr>"
            )
        others = dict(row.get("other_prompts", {}))
        for name, score in row.get("zero_shot_grounded", {}).items():
            others[f"{name}, by way of captions"] = score
        for name, score in others.items():
            rows.append(
                f"<tr><td>{row['method']}, {html.escape(name)}</td>"
                f"<td>{score['accuracy']:.3f}</td><td></td></tr>"
            )
    if not rows:
        return ""
    return (
        "<h2>Zero-shot accuracy by wording</h2><table><tr><th>prompts</th>"
        f"<th>mean ± deviation</th><th>each alone</th></tr>{''.join(rows)}</table>"
    )


def _samples(results: dict[str, Any]) -> Figure:
    """Three views of one test clip of each class, where its face has moved farthest."""
    dataset = open_location(results["dataset"])
    source = dataset.open_records()
    records, labels = results["embedding"]["records"], results["embedding"]["labels"]
    names = sorted(dataset.channels, key=list(CHANNELS).index)
    classes = results["classes"]
    figure = Figure(figsize=(16, 1.0 * len(names) + 0.3))
    axes = figure.subplots(len(names), len(classes), squeeze=False)
    for column, name in enumerate(classes):
        found = np.flatnonzero(labels == column)
        if not len(found):  # a fold may lack a class
            continue
        stored = _apex_views(dataset, source, records[found[0]])
        chosen = as_shares(stored)
        if stored.dtype == PIXELS["dynamic"]:
            chosen = amplified(chosen, DataKeys().dynamic_gain)
        for row, group in enumerate(names):
            part = chosen[..., channel_slices(dataset.channels)[group]]
            strip = np.concatenate(list(part), axis=1)
            axes[row, column].imshow(strip.squeeze(), cmap="gray")
            axes[row, column].axis("off")
        axes[0, column].set_title(_plain(name))
    figure.tight_layout(pad=0.2)
    return figure


def _apex_views(dataset: FaceDataset, source: Any, record: int) -> np.ndarray:
    """Three views (3, H, W, C) of a clip, as stored, where the face has moved most."""
    clip = source[record]
    feature = "views" if "views" in clip else "dynamic"
    how = FrameSampling(clip=feature, frames=1, sampling="apex")
    return cut(clip, how)["views"][0][list(dataset.spread_views(3))]


def _plain(name: str) -> str:
    """A name as matplotlib must not read it: as a formula."""
    return name.replace("$", r"\$")


def _confusions(results: dict[str, Any]) -> Figure:
    classes = results["classes"]
    names = [_plain(name) for name in classes]
    cells = [
        (f"{row['method']}, {column['title']}", row[name])
        for row in results["rows"]
        for name, column in results["columns"].items()
        if row[name] is not None and "confusion" in row[name] and name != "knn"
    ]
    figure = Figure(figsize=(2.9 * len(cells), 3.0))
    for i, (title, score) in enumerate(cells):
        axis = figure.add_subplot(1, len(cells), i + 1)
        counts = np.array(score["confusion"])
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for r, c in np.ndindex(*share.shape):
            color = "white" if share[r, c] > 0.5 else "black"
            text = f"{100 * share[r, c]:.0f}"
            axis.text(c, r, text, ha="center", va="center", color=color, fontsize=7)
        axis.set_xticks(range(len(classes)), names, rotation=60, fontsize=7)
        axis.set_yticks(range(len(classes)), names if i == 0 else [], fontsize=7)
        axis.set_title(f"{title} ({score['accuracy']:.3f})", fontsize=9)
    figure.tight_layout()
    return figure


def _embedding(results: dict[str, Any]) -> Figure:
    sample = results["embedding"]
    order = np.random.default_rng(0).permutation(len(sample["labels"]))
    shown = np.sort(order[:_MOST_POINTS])
    features, labels = sample["features"][shown], sample["labels"][shown]
    features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    features = PCA(min(30, *features.shape)).fit_transform(features)
    perplexity = min(30.0, (len(features) - 1) / 3)
    flat = TSNE(perplexity=perplexity, random_state=0, init="pca").fit_transform(
        features
    )
    figure = Figure(figsize=(11, 4.6))
    left, right = figure.subplots(1, 2)
    for i, name in enumerate(results["classes"]):
        chosen = labels == i
        left.scatter(
            *flat[chosen].T, s=9, color=mpl.colormaps["tab10"](i), label=_plain(name)
        )
    left.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    left.set_title("expression")
    _, person = np.unique(sample["subjects"][shown], return_inverse=True)
    # Neighbouring colours of a wheel cannot be told apart: so many colours, then marks.
    marks, colors = "osD^v<>P", mpl.colormaps[_PALETTE]
    for i in range(person.max() + 1):
        mine = flat[person == i]
        mark = marks[i // colors.N % len(marks)]
        right.scatter(*mine.T, s=9, color=colors(i % colors.N), marker=mark)
    right.set_title(f"subject ({person.max() + 1} people)")
    for axis in (left, right):
        axis.set_xticks([])
        axis.set_yticks([])
    figure.tight_layout()
    return figure


def _curves(workdir: pathlib.Path) -> Figure | None:
    path = workdir / "metrics.jsonl"
    if not path.is_file() or not path.read_text():  # a folder of folds
        return None
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    # By the metrics' names, whatever terms the method has.
    kinds = {
        "loss terms": ("/loss",),
        "accuracy, confidence": ("/accuracy", "/confidence"),
        "off-diagonal ratio": ("/offdiag_ratio",),
        "effective rank": ("/effective_rank",),
        "images/s": ("images_per_second",),
    }
    panels = {
        title: [name for name in rows[-1] if name.endswith(ends)]
        for title, ends in kinds.items()
    }
    panels["people held out"] = [n for n in rows[-1] if n.startswith("validation/")]
    panels = {title: names for title, names in panels.items() if names}
    figure = Figure(figsize=(11, 2.5))
    for i, (title, names) in enumerate(panels.items()):
        axis = figure.add_subplot(1, len(panels), i + 1)
        for name in names:
            label = name.split("/")[0 if name.endswith("/loss") else -1]
            found = [(row["step"], row[name]) for row in rows if name in row]
            dot = "o" if len(found) == 1 else ""  # a line of one point is not seen
            axis.plot(*zip(*found, strict=True), label=label, marker=dot)
        if len(names) > 1:
            axis.legend(frameon=False, fontsize=7)
        axis.set_title(title)
        axis.set_xlabel("step")
    figure.tight_layout()
    return figure


def _picture(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return png_html(buffer)
