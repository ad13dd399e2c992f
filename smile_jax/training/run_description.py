"""Describes a run: on the terminal, in its folder, in its checkpoints."""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
from importlib import metadata

import jax
import numpy as np

from smile_jax.config import Config
from smile_jax.config.factories import (
    make_objective,
    source_class,
    uses_labels,
    views_compared,
)
from smile_jax.core.files import replace_files
from smile_jax.training.model_spec import ModelSpec
from smile_jax.training.run_info import RenderSettings, RunInfo
from smile_jax.training.run_plan import Plan
from smile_jax.training.state import TrainState, memory_of

_VERSIONS = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def print_plan(config: Config, plan: Plan, spec: ModelSpec, state: TrainState) -> None:
    """Prints what the run is about to do."""
    parameters, trained = (
        sum(np.size(p) for p in jax.tree.leaves(tree))
        for tree in (state.params, state.ema)
    )
    source = source_class(config)
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
        f"start      {'; '.join(spec.sources) or 'random'}\n"
        f"method     {_method(config, len(plan.train_prompts.classes))}\n"
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


def _method(config: Config, num_prompts: int) -> str:
    """The method, and what it says of itself."""
    objective = make_objective(config, num_prompts=num_prompts)
    said = objective.summary(config.train.batch_size, views_compared(config))
    return ", ".join(filter(None, (config.objective.name, said)))


def run_info(config: Config, plan: Plan, spec: ModelSpec) -> RunInfo:
    """Gathers what checkpoints keep of a run beside its state."""
    return RunInfo(
        config=config,
        folds=plan.folds,
        dataset=str(plan.dataset.path.absolute()),
        people=plan.dataset.people,
        contents=plan.dataset.contents,
        steps=plan.steps,
        prompts=plan.prompts,
        rendering=RenderSettings(
            yaws_deg=plan.dataset.yaws_deg,
            channels=plan.dataset.channels,
            clip=config.data.clip,
            frames=plan.dataset.frames,
            motion="motion" in plan.dataset.stored,
            size=plan.clip_shape[2],
            pose=plan.dataset.pose,
            framing=plan.dataset.framing,
            still=plan.dataset.still,
            magnify=plan.dataset.magnify,
            band_hz=plan.dataset.band_hz,
            extents_mm=plan.dataset.extents_mm,
        ),
        model=spec.model,
        mean=spec.mean,
        std=spec.std,
        labels_seen=_labels_seen(config, plan, spec),
        versions={"python": sys.version.split()[0]}
        | {name: metadata.version(name) for name in _VERSIONS},
    )


def _labels_seen(config: Config, plan: Plan, spec: ModelSpec) -> dict[str, list[str]]:
    """People -> subjects whose labels went into this run or into those before it."""
    seen = dict(spec.labels_seen)
    if uses_labels(config):
        people = plan.dataset.people
        subjects = set(plan.dataset.subjects[plan.pretrain_records].tolist())
        seen[people] = sorted(subjects | set(seen.get(people, ())))
    return seen


def write_run_files(info: RunInfo, spec: ModelSpec, workdir: pathlib.Path) -> None:
    """The resolved config, the tokenizer, versions and command of a run."""
    config = json.dumps(dataclasses.asdict(info.config), indent=2)
    run = {"argv": sys.argv, "commit": _commit(), "versions": info.versions}
    with replace_files(workdir) as folder:
        (folder / "tokenizer").mkdir()
        spec.tokenizer.save(folder / "tokenizer")
        (folder / "config.json").write_text(config + "\n")
        (folder / "run.json").write_text(json.dumps(run, indent=2) + "\n")


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
