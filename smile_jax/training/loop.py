"""The training loop: restore, step, log, checkpoint, stop cleanly."""

import contextlib
import dataclasses
import pathlib
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import jax
from jax.experimental import multihost_utils

from smile_jax.config import Config
from smile_jax.config.factories import sampling
from smile_jax.core import parallel
from smile_jax.data.pipeline import train_batches
from smile_jax.training import workdir_lock
from smile_jax.training.assembly import build, make_layout, spec_of_fresh_run
from smile_jax.training.checkpoints import Checkpoints
from smile_jax.training.global_gradient import check_replicas
from smile_jax.training.metric_log import MetricLog
from smile_jax.training.model_spec import ModelSpec, stored_spec
from smile_jax.training.profile import StepProfiler
from smile_jax.training.run_cost import write_peak, write_spent
from smile_jax.training.run_description import print_plan, run_info, write_run_files
from smile_jax.training.run_info import RunInfo, check_same_run
from smile_jax.training.run_plan import Plan, make_plan
from smile_jax.training.starting_model import with_config_settings
from smile_jax.training.state import TrainState

# `(averaged parameters on the host) -> metrics` of people held out.
Scorer = Callable[[Any], dict[str, float]]


def train(
    config: Config,
    workdir: pathlib.Path,
    make_scorer: Callable[[Config, Plan, ModelSpec], Scorer] | None = None,
) -> TrainState:
    """Trains to the end, or to a stop signal, or to `train.stop_after_steps`.

    A run that was stopped or killed continues from its newest checkpoint and ends bit
    for bit as if it had not been.

    Args:
      config: validated.
      workdir: of the run.
      make_scorer: of what `train.evaluate_every` asks for.
    """
    with contextlib.ExitStack() as stack:
        stop = _StopSignal()
        stack.callback(stop.release)
        plan = make_plan(config)
        workdir.mkdir(parents=True, exist_ok=True)
        if jax.process_index() == 0:
            stack.enter_context(workdir_lock.lock_workdir(workdir))
        checkpoints = Checkpoints(workdir, keep=config.train.keep_checkpoints)
        stack.callback(checkpoints.close)
        stored = checkpoints.read_run()
        if stored is None:
            spec = spec_of_fresh_run(config, plan)
        else:
            before = RunInfo.from_json(stored, workdir)
            spec = stored_spec(before, workdir)
            spec = dataclasses.replace(
                spec, model=with_config_settings(spec.model, config)
            )
            check_same_run(before, run_info(config, plan, spec), workdir)
        _, state, step_function = build(config, plan, spec)
        restored = checkpoints.restore(state, set_aside=True)
        if restored is not None:
            state = restored[0]
        info = run_info(config, plan, spec)
        if jax.process_index() == 0:
            print_plan(config, plan, spec, state)
            write_run_files(info, spec, workdir)
        scorer = None
        if config.train.evaluate_every and make_scorer:
            scorer = make_scorer(config, plan, spec)
        return _loop(
            config, plan, info, state, step_function, checkpoints, workdir, stop, scorer
        )


def _loop(
    config: Config,
    plan: Plan,
    info: RunInfo,
    state: TrainState,
    step_function: Any,
    checkpoints: Checkpoints,
    workdir: pathlib.Path,
    stop: "_StopSignal",
    scorer: Scorer | None,
) -> TrainState:
    first, lead = int(state.step), jax.process_index() == 0
    stop.begin(first)
    layout = make_layout(config, state)
    compiled = parallel.pmap_step(step_function, pieces=layout.pieces)
    # The copy on the host is what a run without steps left returns.
    on_host, state = state, layout.put(state)
    batches = parallel.prefetch(
        train_batches(
            plan.dataset,
            plan.pretrain_records,
            plan.fields,
            sampling(config),
            batch_size=config.train.batch_size,
            seed=config.seed,
            first_step=first,
            process=jax.process_index(),
            num_processes=jax.process_count(),
            threads=config.data.threads,
            workers=config.data.workers,
            person_block=config.data.person_block,
        )
    )
    last = min(plan.steps, config.train.stop_after_steps or plan.steps)
    log = MetricLog(config, plan, workdir if lead else None, first, checkpoints)
    profile = StepProfiler(config.train.profile, workdir)
    for step in range(first + 1, last + 1):
        profile.before(step)
        # Everything up to here is asynchronous: this waits for input, not for devices.
        batch = next(batches)
        log.got_batch()
        # The first step may transfer constants; later ones must not, or something is
        # copied from the host in every step without anybody noticing.
        if step == first + 1:
            if lead:
                write_spent(workdir, compiled, state, batch)
            state, metrics = _first_step(compiled, state, batch, lead)
            log.restart_clock(step)
        else:
            with jax.transfer_guard("disallow"):
                state, metrics = compiled(state, batch)
        stopping = stop.agreed(step)
        saving = step % config.train.checkpoint_every == 0 or step == last or stopping
        profile.after(step, metrics, ending=stopping or step == last)
        if config.train.check_replicas and (
            saving or step % config.train.log_every == 0
        ):
            check_replicas(state, in_pieces=config.train.shard_moments)
        scores = {}
        if scorer and (step % config.train.evaluate_every == 0 or step == last):
            with log.clock_stopped(metrics):
                on_host = layout.fetch(state)
                scores = scorer(on_host.averaged)
        # Before saving: a state of NaNs never becomes a checkpoint.
        log.after(step, metrics, now=saving or bool(scores), scores=scores)
        if saving:
            position = step * config.train.batch_size
            if not scores:  # or it is on the host already
                on_host = layout.fetch(state)
            now = dataclasses.replace(info, data_position=position)
            checkpoints.save(on_host, now.to_json())
            if lead:
                write_peak(workdir)
        if stopping:
            if lead:
                print(f"stopped at step {step} on a signal; start again to continue")
            break
    log.close()
    return on_host  # the last step is always saved


def _first_step(compiled: Any, state: TrainState, batch: Any, lead: bool) -> Any:
    if lead:
        print("compiling the train step ...", flush=True)
    started = time.perf_counter()
    state, metrics = jax.block_until_ready(compiled(state, batch))
    if lead:
        print(f"compiled in {time.perf_counter() - started:.1f} s", flush=True)
    return state, metrics


class _StopSignal:
    """Turns SIGTERM, and of a single process SIGINT, into a stop after a step."""

    def __init__(self) -> None:
        self._requested = False
        self._before: dict[int, Any] = {}
        alone = jax.process_count() == 1  # JAX' own handler serves several
        if alone and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._request)

    def begin(self, step: int) -> None:
        """Tells where a continued run starts.

        Several processes agree on the step after the newest one that JAX was told of:
        without this that would be step 1, long past.
        """
        if step and jax.process_count() > 1:
            multihost_utils.reached_preemption_sync_point(step)

    def agreed(self, step: int) -> bool:
        """Returns True to stop now.

        Several processes agree on a step, in the background: one that stopped alone
        would leave the others waiting in a collective.
        """
        if jax.process_count() == 1:
            return self._requested
        return multihost_utils.reached_preemption_sync_point(step)

    def release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, *_: Any) -> None:
        self._requested = True
