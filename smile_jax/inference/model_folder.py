"""A trained model as a folder to publish: written, read, downloaded."""

import dataclasses
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from smile_jax.config import with_values
from smile_jax.config.factories import knows_words, views_seen
from smile_jax.core.errors import in_a_line
from smile_jax.core.extras import needed_for
from smile_jax.core.pytree import flatten, unflatten
from smile_jax.data.mixture import at_location, dataset_names, without_folders
from smile_jax.models.encoder import PARTS
from smile_jax.models.pretrained.hub import PretrainedError
from smile_jax.models.pretrained.load import params_of
from smile_jax.models.pretrained.weights import read_weights, write_tensors
from smile_jax.models.pretrained.write import describe_towers, write_towers
from smile_jax.models.pretrained_towers import TowersConfig
from smile_jax.models.vit import VisionConfig
from smile_jax.training.checkpoints import CheckpointError
from smile_jax.training.checksums import of_bytes, of_json
from smile_jax.training.model_spec import ModelSpec, merge_lora, stored_spec
from smile_jax.training.run_info import RunInfo

JSON, WEIGHTS = "smile.json", "smile.safetensors"


def export(recognizer: Any, workdir: pathlib.Path, out: pathlib.Path) -> list[str]:
    """Writes a recogniser; returns the names of its files.

    LoRA's products are added to the matrices that they belong to. Heads are of training
    only and left out.

    Raises:
      ValueError: the folder is not empty: old files would mix with new ones.
    """
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out}: not empty; name a new folder, or remove this one")
    out.mkdir(parents=True, exist_ok=True)
    spec, params = merge_lora(recognizer.spec, flatten(recognizer.params))
    info = _without_paths(dataclasses.replace(recognizer.info, model=spec.model))
    params = {k: x for k, x in params.items() if k.split("/")[0] in PARTS}
    towers = _towers_of(spec, info)
    written = write_towers(out, towers, params) if towers else set()
    rest = {k: x for k, x in params.items() if k not in written}
    write_tensors(out / WEIGHTS, rest)
    (out / "tokenizer").mkdir(exist_ok=True)
    spec.tokenizer.save(out / "tokenizer")
    if recognizer.known is not None:
        recognizer.known.save(out)
    stored = info.to_json() | {"towers": towers is not None, "files": _files(out)}
    stored["checksum"] = of_json(stored)
    (out / JSON).write_text(json.dumps(stored, indent=1) + "\n")
    if towers and towers.text:  # where transformers looks for it
        spec.tokenizer.save(out)
    (out / "README.md").write_text(_card(params, info, towers, workdir))
    return sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())


def _files(folder: pathlib.Path) -> dict[str, str]:
    """CRC-32 of each file by its name."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {p.relative_to(folder).as_posix(): of_bytes(p.read_bytes()) for p in files}


def _without_paths(info: RunInfo) -> RunInfo:
    """Returns the run's description without folders of the machine it trained on."""
    keys = ("model.start_from", "model.pretrained", "model.pretrained_text")
    flat = flatten(dataclasses.asdict(info.config), sep=".")
    named = {k: flat[k] for k in (*keys, "prompts.file")}
    local = {k: x for k, x in named.items() if pathlib.PurePath(x).is_absolute()}
    # <name>/<config>/<version>, by which a dataset is known anywhere.
    dataset = without_folders(info.dataset)
    names: dict[str, Any] = {k: pathlib.PurePath(x).name for k, x in local.items()}
    mixture = info.config.data.mixture
    if mixture:
        names["data.mixture"] = at_location(mixture, dataset)
    else:
        names["data.dir"] = dataset
    config = with_values(info.config, names)
    return dataclasses.replace(info, config=config, dataset=dataset)


def download(name: str) -> pathlib.Path:
    """An export of the hub, by its name "owner/name".

    Raises:
      CheckpointError: there is no such folder, and no such name, or no network.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise CheckpointError(f"{name}: there is no such folder")
    with needed_for("a model of the hub"):
        from huggingface_hub import snapshot_download

    try:
        return pathlib.Path(snapshot_download(name))
    except Exception as error:  # of many kinds: network, name, rights
        raise CheckpointError(
            f"{name}: there is no such folder, and the hub does not give it: "
            f"{in_a_line(error)[:200]}"
        ) from error


def load_exported(folder: pathlib.Path) -> tuple[ModelSpec, dict[str, Any], RunInfo]:
    """Reads what `export` wrote: the spec, nested parameters and info.

    Raises:
      CheckpointError: a file is missing, damaged or not of this export.
    """
    try:
        stored = json.loads((folder / JSON).read_text())
        # Exports of earlier versions have no checksums.
        if "checksum" in stored:
            _check_files(folder, stored)
        info = RunInfo.from_json(stored, folder)
        spec = stored_spec(info, folder)
        params: dict[str, np.ndarray] = dict(load_file(folder / WEIGHTS))
        towers = _towers_of(spec, info) if stored["towers"] else None
        if towers:
            params |= params_of(read_weights(folder), towers, folder)
        return spec, unflatten(params), info
    except (CheckpointError, PretrainedError):
        raise
    except Exception as error:  # a file of another kind fails in many ways
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise CheckpointError(
            f"{folder}: no export that can be read ({said[:200]}); copy or export it "
            "again"
        ) from error


def _check_files(folder: pathlib.Path, stored: dict[str, Any]) -> None:
    written = {k: x for k, x in stored.items() if k != "checksum"}
    if of_json(written) != stored["checksum"]:
        raise CheckpointError(
            f"{folder / JSON}: not what was exported: its checksum differs; copy or "
            "export it again"
        )
    for name, checksum in stored["files"].items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path}: missing; copy or export it again")
        if of_bytes(path.read_bytes()) != checksum:
            raise CheckpointError(
                f"{path}: not what was exported: its checksum differs, so it is "
                "damaged; copy or export it again"
            )


def _towers_of(spec: ModelSpec, info: RunInfo) -> TowersConfig | None:
    m = spec.model
    if not isinstance(m.vision, VisionConfig):
        return None
    return describe_towers(
        m.vision,
        m.text,
        embed_dim=m.embed_dim,
        joint_projection=m.joint_projection,
        image_size=info.rendering.size,
        mean=spec.mean,
        std=spec.std,
        max_tokens=getattr(spec.tokenizer, "max_tokens", 0),
    )


def _card(
    params: dict[str, np.ndarray],
    info: RunInfo,
    towers: TowersConfig | None,
    workdir: pathlib.Path,
) -> str:
    c, r = info.config, info.rendering
    size = sum(x.size for x in params.values()) / 1e6
    start_from = [c.model.start_from, c.model.pretrained, c.model.pretrained_text]
    layout = "none: the towers have no equivalent there; everything is in " + WEIGHTS
    if towers:
        what = "both towers" if towers.text else "the vision tower"
        layout = f"`config.json`, `model.safetensors`: {what}, {towers.family} layout"
    labels = "no expression labels, here or in runs that it started from"
    if info.labels_seen:
        labels = "expression labels seen, here or in runs that it started from: of " + (
            "; ".join(f"{len(v)} subjects of {k}" for k, v in info.labels_seen.items())
        )
    local_mean = ""
    if spread := c.data.local_mean:
        local_mean = (
            "; after mean and standard deviation, a Gaussian mean over "
            f"{spread} of the side is subtracted"
        )
    asked = "--head probe"
    if knows_words(c):
        asked = '--prompts "a happy face" "a sad face"'
    return f"""---
library_name: smile-jax
tags: [facial-expression-recognition, 3d-faces, jax]
---
# SMILE-JAX model

Facial expressions from rendered 3D scans or 4D sequences, \
{"zero-shot or " if knows_words(c) else ""}by its features.

| | |
|---|---|
| Parameters | {size:.2f} M (heads left out) |
| Trained on | {dataset_names(info.dataset)}, fold {c.data.fold} \
of {c.data.folds} held out, {info.steps} steps of {c.train.batch_size} |
| Text | source `{c.text_source}`: {labels} |
| Started from | {", ".join(filter(None, start_from)) or "random parameters"} |
| Classes | {", ".join(c.data.classes)} |
| Input | {r.size} pixels, {", ".join(c.data.inputs)}, \
{views_seen(c)} views of yaws {list(r.yaws_deg)} degrees{local_mean} |
| transformers | {layout} |

## Scores
{_scores(workdir)}
## Use

    smile-jax predict --workdir FOLDER scan.obj \\
        {asked}

## Limits

It says how a face looks, not what a person feels. It was tested on the subjects that
the scores name and on no other population, sensor or lighting: measure it on yours.
Do not use it for decisions about people.

## Licence

Yours to state; that of the data and of the weights it started from binds it.
"""


def _main_of(column: Mapping[str, Any]) -> list[str]:
    """Metrics of a column that the card shows: accuracy alone where there is one."""
    return ["accuracy"] if "accuracy" in column["shown"] else column["shown"]


def _scores(workdir: pathlib.Path) -> str:
    path = workdir / "eval" / "results.json"
    if not path.is_file():
        return "\nNot evaluated: run `smile-jax evaluate` before exporting.\n"
    results = json.loads(path.read_text())
    columns = results["columns"]
    # Older evaluations do not say it; they saw as many as the run.
    views = f", {results['views']} views" if "views" in results else ""
    lines = [
        "",
        f"{len(results['test_subjects'])} held-out subjects, protocol "
        f"`{results['protocol']}`{views}, chance {1 / len(results['classes']):.3f}:",
        "",
        f"| method | {' | '.join(c['title'] for c in columns.values())} |",
        "|---" * (1 + len(columns)) + "|",
    ]
    for row in results["rows"]:
        cells = [
            ", ".join(f"{row[name][metric]:.3f}" for metric in _main_of(column))
            if row[name]
            else ""
            for name, column in columns.items()
        ]
        lines.append(f"| {row['method']} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])
