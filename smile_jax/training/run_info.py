"""What a run says of itself: on the terminal, in its folder, in its checkpoints."""

import json
import pathlib
import shutil
import subprocess
import sys
from importlib import metadata
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from smile_jax import config as config_lib
from smile_jax.losses.decorrelation import cheaper_form
from smile_jax.objectives.smile import Smile
from smile_jax.pytree import flatten
from smile_jax.training.checkpoints import CheckpointError
from smile_jax.training.plan import Plan, memory_of
from smile_jax.training.start import COMPUTED, Start
from smile_jax.training.state import TrainState
from smile_jax.training.versions import FORMAT


def print_plan(config: ConfigDict, plan: Plan, start: Start, state: TrainState) -> None:
    parameters, trained = (
        sum(np.size(p) for p in jax.tree.leaves(tree))
        for tree in (state.params, state.ema)
    )
    source = config_lib.source_class(config)
    batch, devices = config.train.batch_size, jax.device_count()
    pieces = devices if config.train.shard_moments else 1
    memory = {name: size / 2**20 for name, size in memory_of(state, pieces).items()}
    subjects = len(np.unique(plan.dataset.subjects[plan.pretrain_records]))
    epochs = plan.steps * batch / len(plan.pretrain_records)
    print(
        f"data       {plan.dataset.path}: {len(plan.pretrain_records)} clips of "
        f"{subjects} subjects, fold {config.data.fold} of {config.data.folds} "
        f"held out\n"
        f"devices    {devices} x {jax.devices()[0].device_kind}, "
        f"{jax.process_count()} process(es)\n"
        f"batch      {batch}, {batch // devices} a device, {config.data.views} views\n"
        f"model      {parameters / 1e6:.2f} M parameters, {trained / 1e6:.2f} M of "
        f"them trained (vision {config.tune.vision}, text {config.tune.text})\n"
        f"start      {'; '.join(start.sources) or 'random'}\n"
        f"method     {_method(config)}\n"
        f"memory     {sum(memory.values()):.0f} MiB a device before activations: "
        + ", ".join(f"{name} {size:.0f}" for name, size in memory.items())
        + "\n"
        f"steps      {int(state.step)} of {plan.steps} done, {epochs:.1f} epochs\n"
        f"text       {config.text_source}, {len(plan.train_prompts.texts)} prompts of "
        f"{len(plan.train_prompts.classes)} "
        f"{'captions' if source.own_texts else 'classes'}",
        flush=True,
    )
    if config.model.projector_dim > 8 * batch:
        print(
            f"warning: projector_dim {config.model.projector_dim} is more than 8 "
            f"batches of {batch}: the correlation matrix has rank {batch - 1} at most"
        )


def _method(config: ConfigDict) -> str:
    """The method, and what SMILE's first term makes its sums of, in words."""
    objective = config_lib.make_objective(config, num_prompts=2)
    name = config.objective.name
    if not isinstance(objective, Smile) or not objective.decorrelation:
        return name
    batch, views = config.train.batch_size, config.data.views
    dims = objective.projector_dim
    words = {
        "gram": f"{views} Gram matrices of {batch} x {batch}",
        "full": f"{views * (views - 1) // 2} correlation matrices of {dims} x {dims}",
    }
    cheaper = cheaper_form(batch, views, dims)
    if objective.form == "auto":
        (other,) = words.keys() - {cheaper}
        return f"{name}, term 1 by {words[cheaper]}: cheaper than {words[other]}"
    return f"{name}, term 1 by {words[objective.form]}, as loss.form says"


def labels_seen(config: ConfigDict, plan: Plan, start: Start) -> dict[str, list[str]]:
    """People -> subjects whose labels went into this run or into those before it."""
    seen = dict(start.labels_seen)
    if config_lib.uses_labels(config):
        people = plan.dataset.people
        subjects = set(plan.dataset.subjects[plan.pretrain_records].tolist())
        seen[people] = sorted(subjects | set(seen.get(people, ())))
    return seen


def run_info(config: ConfigDict, plan: Plan) -> dict[str, Any]:
    """What evaluation must know, kept in every checkpoint."""
    return {
        "format": FORMAT,
        "config": json.loads(config.to_json_best_effort()),
        "folds": plan.folds,
        "fold": config.data.fold,
        "text_source": config.text_source,
        "dataset": str(plan.dataset.path.absolute()),
        "steps": plan.steps,
        "prompts": plan.prompts.to_json(),
        "rendering": {
            "yaws_deg": list(plan.dataset.yaws_deg),
            "channels": list(plan.dataset.channels),
            "clip": config.data.clip,
            "frames": plan.clip_shape[0],
            "size": plan.clip_shape[2],
            "pose": plan.dataset.pose,
        },
    }


def write_run_files(config: ConfigDict, start: Start, workdir: pathlib.Path) -> None:
    """The resolved config, the tokenizer, versions and command of a run."""
    (workdir / "tokenizer").mkdir(exist_ok=True)
    start.tokenizer.save(workdir / "tokenizer")
    (workdir / "config.json").write_text(config.to_json_best_effort(indent=2) + "\n")
    names = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
    run = {
        "argv": sys.argv,
        "commit": _commit(),
        "versions": {"python": sys.version.split()[0]}
        | {name: metadata.version(name) for name in names},
    }
    (workdir / "run.json").write_text(json.dumps(run, indent=2) + "\n")


def _commit() -> str:
    """The source's git commit, "unknown" outside a checkout."""
    if shutil.which("git") is None:
        return "unknown"
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=pathlib.Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def check_same_run(
    stored: dict[str, Any], current: dict[str, Any], workdir: pathlib.Path
) -> None:
    """Refuses to continue a run as another one: it would see what it must not, or
    nobody could say what the result is of.

    Raises:
      CheckpointError: naming what differs.
    """
    free = {"data.dir", "data.threads", "data.workers"}  # these change nothing
    free |= {f"model.{tower}.{k}" for tower in ("vision", "text") for k in COMPUTED}
    free |= {f"train.{key}" for key in stored["config"]["train"]} - {"train.batch_size"}
    ours, theirs = (flatten(run["config"], sep=".") for run in (current, stored))
    differing = [
        f"config.{key}: {theirs.get(key)!r} became {ours.get(key)!r}"
        for key in sorted(ours.keys() | theirs.keys())
        if key not in free
        and not key.startswith("evaluation.")
        and ours.get(key) != theirs.get(key)
    ]
    differing += [
        f"{what} changed"
        for key, what in (
            ("folds", "the subjects' folds"),
            ("steps", "the schedule"),
            (
                "prompts",
                f"the words of {stored['config']['prompts']['file'] or 'prompts'}",
            ),
        )
        if stored[key] != current[key]
    ]
    if differing:
        listed = "\n  ".join(differing)
        raise CheckpointError(
            f"{workdir} holds another run, which cannot be continued as this one:\n  "
            f"{listed}\nUse another --workdir, or the config of that run"
        )
