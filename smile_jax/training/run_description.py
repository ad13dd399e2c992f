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
        f"{_shares(plan)}"
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


def _shares(plan: Plan) -> str:
    """A line for each dataset of a mixture."""
    weights, lines = plan.dataset.part_weights, []
    counts = np.bincount(plan.dataset.part_numbers[plan.pretrain_records])
    total = sum(weights.values())
    for (name, weight), count in zip(weights.items(), counts, strict=False):
        lines.append(f"mixture    {weight / total:.1%} {name}, {count} clips\n")
    return "".join(lines)


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
        dataset=plan.dataset.location,
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
        dataset = plan.dataset
        for people, own in dataset.groups.items():
            records = np.intersect1d(own, plan.pretrain_records)
            names = map(dataset.own_subject, dataset.subjects[records].tolist())
            seen[people] = sorted({*names, *seen.get(people, ())})
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
