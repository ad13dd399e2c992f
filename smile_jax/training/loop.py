"""The training loop: restore, step, log, checkpoint, stop cleanly."""

import dataclasses
import pathlib
import signal
import threading
import time
from typing import Any

import jax
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from smile_jax import parallel
from smile_jax.data.pipeline import train_batches
from smile_jax.training.checkpoints import Checkpoints
from smile_jax.training.log import Log
from smile_jax.training.plan import (
    Plan,
    build,
    fresh_start,
    make_layout,
    make_plan,
)
from smile_jax.training.run_info import (
    check_same_run,
    labels_seen,
    print_plan,
    run_info,
    write_run_files,
)
from smile_jax.training.start import Start, as_computed, stored_start
from smile_jax.training.state import TrainState
from smile_jax.training.versions import upgrade


def train(config: ConfigDict, workdir: pathlib.Path) -> TrainState:
    """Trains to the end, or to a stop signal, or to `train.stop_after_steps`.

    A run that was stopped or killed continues from its newest checkpoint and ends bit
    for bit as if it had not been.
    """
    stop = _StopSignal()
    plan = make_plan(config)
    workdir.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(workdir, keep=config.train.keep_checkpoints)
    try:
        stored = checkpoints.read_run()
        if stored is None:
            start = fresh_start(config, plan)
        else:
            stored = upgrade(stored, workdir)
            start = stored_start(stored, workdir)
            start = dataclasses.replace(start, model=as_computed(start.model, config))
            check_same_run(stored, run_info(config, plan), workdir)
        _, state, step_function = build(config, plan, start)
        restored = checkpoints.restore(state, set_aside=True)
        if restored is not None:
            state = restored[0]
        if jax.process_index() == 0:
            print_plan(config, plan, start, state)
            write_run_files(config, start, workdir)
        return _loop(
            config, plan, start, state, step_function, checkpoints, workdir, stop
        )
    finally:
        checkpoints.close()
        stop.release()


def _loop(
    config: ConfigDict,
    plan: Plan,
    start: Start,
    state: TrainState,
    step_function: Any,
    checkpoints: Checkpoints,
    workdir: pathlib.Path,
    stop: "_StopSignal",
) -> TrainState:
    first, lead = int(state.step), jax.process_index() == 0
    stop.begin(first)
    layout = make_layout(config, state)
    compiled = parallel.pmap_step(step_function, state_axes=layout.axes)
    on_host, state = state, layout.put(state)
    batches = parallel.prefetch(
        train_batches(
            plan.dataset,
            plan.pretrain_records,
            plan.fields,
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
    info = run_info(config, plan) | start.to_json()
    info["labels_seen"] = labels_seen(config, plan, start)
    last = min(plan.steps, config.train.stop_after_steps or plan.steps)
    log = Log(config, plan, workdir if lead else None, first, checkpoints)
    for step in range(first + 1, last + 1):
        batch = next(batches)
        log.got_batch()
        if step == first + 1:
            state, metrics = _first_step(compiled, state, batch, lead)
            log.restart_clock(step)
        else:
            with jax.transfer_guard("disallow"):
                state, metrics = compiled(state, batch)
        stopping = stop.agreed(step)
        saving = step % config.train.checkpoint_every == 0 or step == last or stopping
        log.after(step, metrics, now=saving)  # before saving: never a state of NaNs
        if saving:
            position = step * config.train.batch_size  # examples drawn so far
            on_host = layout.fetch(state)
            checkpoints.save(on_host, info | {"data_position": position})
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
        """Tells where a continued run starts. What several processes agree on is the
        step after the newest that JAX was told of: without this, step 1, long past."""
        if step and jax.process_count() > 1:
            multihost_utils.reached_preemption_sync_point(step)

    def agreed(self, step: int) -> bool:
        """Whether to stop now. Several processes agree on a step, in the background:
        one that stopped alone would leave the others waiting in a collective."""
        if jax.process_count() == 1:
            return self._requested
        return multihost_utils.reached_preemption_sync_point(step)

    def release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, *_: Any) -> None:
        self._requested = True
