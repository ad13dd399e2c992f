"""The training loop: restore, step, log, checkpoint, stop cleanly."""

import dataclasses
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from smile_jax import config as config_lib
from smile_jax import parallel
from smile_jax.data.channels import num_channels
from smile_jax.data.pipeline import (
    FaceDataset,
    RecordSource,
    open_dataset,
    train_batches,
)
from smile_jax.data.prompts import class_prompts
from smile_jax.evaluation.protocols import split_records, subject_folds
from smile_jax.models import HashTokenizer, Smile
from smile_jax.training.checkpoints import Checkpoints
from smile_jax.training.metrics import MetricWriter, check_finite
from smile_jax.training.optimizer import make_optimizer, make_schedule
from smile_jax.training.state import TrainState
from smile_jax.training.step import init_state, make_train_step


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a config and a dataset come to."""

    dataset: FaceDataset
    folds: dict[str, int]  # subject -> test fold
    train_records: np.ndarray
    test_records: np.ndarray
    steps: int
    tokens: np.ndarray  # (K, M, L)


def make_plan(config: ConfigDict) -> Plan:
    """Opens the dataset, splits the subjects and counts the steps.

    Raises:
      DataError, ConfigError: with what to do.
    """
    dataset = open_dataset(config.data.dir)
    config_lib.validate_against(config, dataset)
    records = dataset.records_of(config.data.classes)
    folds = subject_folds(
        dataset.subjects[records], config.data.folds, config.data.fold_seed
    )
    train, test = split_records(dataset.subjects, records, folds, config.data.fold)
    steps = config.train.steps
    if not steps:
        steps = max(
            1, round(config.train.epochs * len(train) / config.train.batch_size)
        )
    text = config.model.text
    tokenizer = HashTokenizer(text.context_length, text.vocab_size)
    tokens = np.stack([tokenizer(p) for p in class_prompts(config.data.classes)])
    return Plan(dataset, folds, train, test, steps, tokens)


def build(config: ConfigDict, plan: Plan) -> tuple[Smile, TrainState, Any]:
    """The model, its fresh state on the host, and the step, not yet compiled."""
    step_config = config_lib.step_config(config, plan.dataset)
    model = Smile(config_lib.model_config(config, plan.dataset), parallel.AXIS)
    optimizer = make_optimizer(
        config_lib.optimizer_config(config),
        plan.steps,
        train_text=step_config.train_text,
    )
    state = init_state(
        model, optimizer, plan.tokens, clip_shape(config, plan), config.seed
    )
    step = make_train_step(model, optimizer, plan.tokens, step_config)
    return model, state, step


def clip_shape(config: ConfigDict, plan: Plan) -> tuple[int, ...]:
    """(T, V, H, W, D) of one clip as the model sees it."""
    record = RecordSource(plan.dataset.path)[0]
    frames, _, height, width, _ = record[config.data.clip].shape
    channels = num_channels(config.data.inputs)
    return frames, config.data.views, height, width, channels


def train(config: ConfigDict, workdir: pathlib.Path) -> TrainState:
    """Trains to the end, or to a stop signal, or to `train.stop_after_steps`.

    A run that was stopped or killed continues from its newest checkpoint and ends bit
    for bit as if it had not been.
    """
    plan = make_plan(config)
    workdir.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(workdir, keep=config.train.keep_checkpoints)
    _, state, step_function = build(config, plan)
    restored = checkpoints.restore(state)
    if restored is not None:
        state = restored[0]
    first = int(state.step)
    lead = jax.process_index() == 0
    if lead:
        _print_plan(config, plan, state)
        _write_run_files(config, workdir)

    compiled = parallel.pmap_step(step_function)
    state = parallel.put_state(state)
    batches = parallel.prefetch(
        train_batches(
            plan.dataset,
            plan.train_records,
            classes=config.data.classes,
            clip=config.data.clip,
            batch_size=config.train.batch_size,
            seed=config.seed,
            first_step=first,
            process=jax.process_index(),
            num_processes=jax.process_count(),
            threads=config.data.threads,
            workers=config.data.workers,
        )
    )
    last = min(plan.steps, config.train.stop_after_steps or plan.steps)
    stop = _StopSignal()
    log = _Log(config, plan, workdir, first, checkpoints) if lead else None
    for step in range(first + 1, last + 1):
        batch = next(batches)
        if step == first + 1:
            state, metrics = _first_step(compiled, state, batch, lead)
        else:
            with jax.transfer_guard("disallow"):
                state, metrics = compiled(state, batch)
        stopping = stop.requested
        saving = step % config.train.checkpoint_every == 0 or step == last or stopping
        if log:
            log.after(step, metrics, now=saving)  # before saving: never a state of NaNs
        if saving:
            checkpoints.save(state, _run_info(config, plan, step))
        if stopping:
            print(f"stopped at step {step} on a signal; start again to continue")
            break
    checkpoints.close()
    if log:
        log.close()
    return state


def _first_step(compiled: Any, state: TrainState, batch: Any, lead: bool) -> Any:
    if lead:
        print("compiling the train step ...", flush=True)
    started = time.perf_counter()
    state, metrics = jax.block_until_ready(compiled(state, batch))
    if lead:
        print(f"compiled in {time.perf_counter() - started:.1f} s", flush=True)
    return state, metrics


class _StopSignal:
    """Turns SIGTERM and SIGINT into a request to stop after the current step."""

    def __init__(self) -> None:
        self.requested = False
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._request)
        except ValueError:  # not the main thread: whoever runs us handles signals
            pass

    def _request(self, *_: Any) -> None:
        self.requested = True


class _Log:
    """Fetches metrics one step late, so that logging never waits for the device."""

    def __init__(
        self,
        config: ConfigDict,
        plan: Plan,
        workdir: pathlib.Path,
        first: int,
        checkpoints: Checkpoints,
    ) -> None:
        self._every, self._checkpoints = config.train.log_every, checkpoints
        self._writer = MetricWriter(workdir, first, plan.steps)
        self._schedule = make_schedule(config_lib.optimizer_config(config), plan.steps)
        self._images = config.train.batch_size * config.data.views
        self._since, self._started = first, time.perf_counter()
        self._pending: tuple[int, Any] | None = None

    def after(self, step: int, metrics: Any, *, now: bool) -> None:
        self.flush()
        if now or step % self._every == 0:
            self._pending = step, metrics
        if now:
            self.flush()

    def flush(self) -> None:
        if self._pending is None:
            return
        step, metrics = self._pending
        self._pending = None
        values = {k: float(v) for k, v in sorted(jax.device_get(metrics).items())}
        check_finite(step, self._since, values, self._checkpoints.latest)
        now = time.perf_counter()
        speed = self._images * (step - self._since) / (now - self._started)
        values["images_per_second"] = speed
        values["learning_rate"] = float(self._schedule(step))
        self._writer.write(step, values)
        self._since, self._started = step, now

    def close(self) -> None:
        self.flush()
        self._writer.close()


def _print_plan(config: ConfigDict, plan: Plan, state: TrainState) -> None:
    parameters = sum(np.size(p) for p in jax.tree.leaves(state.params))
    batch, devices = config.train.batch_size, jax.device_count()
    subjects = len(np.unique(plan.dataset.subjects[plan.train_records]))
    epochs = plan.steps * batch / len(plan.train_records)
    print(
        f"data       {plan.dataset.path}: {len(plan.train_records)} clips of "
        f"{subjects} subjects, fold {config.data.fold} of {config.data.folds} "
        f"held out\n"
        f"devices    {devices} x {jax.devices()[0].device_kind}, "
        f"{jax.process_count()} process(es)\n"
        f"batch      {batch}, {batch // devices} a device, {config.data.views} views\n"
        f"model      {parameters / 1e6:.2f} M parameters\n"
        f"steps      {int(state.step)} of {plan.steps} done, {epochs:.1f} epochs\n"
        f"text       {config.text_source}",
        flush=True,
    )
    if config.model.projector_dim > 8 * batch:
        print(
            f"warning: projector_dim {config.model.projector_dim} is more than 8 "
            f"batches of {batch}: the correlation matrix has rank {batch - 1} at most"
        )


def _run_info(config: ConfigDict, plan: Plan, step: int) -> dict[str, Any]:
    """What evaluation must know, kept in every checkpoint."""
    return {
        "config": json.loads(config.to_json_best_effort()),
        "folds": plan.folds,
        "fold": config.data.fold,
        "text_source": config.text_source,
        "dataset": str(plan.dataset.path.absolute()),
        "steps": plan.steps,
        "data_position": step * config.train.batch_size,  # examples drawn so far
    }


def _write_run_files(config: ConfigDict, workdir: pathlib.Path) -> None:
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
