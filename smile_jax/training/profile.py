"""A trace of some steps, for TensorBoard and Perfetto."""

import pathlib
from typing import Any

import jax

from smile_jax.config.validate import profiled_steps


class StepProfiler:
    """Traces the steps that `train.profile` names into `<workdir>/profile`.

    `tensorboard --logdir=<workdir>` shows it; so does ui.perfetto.dev, which opens the
    `perfetto_trace.json.gz` in it.
    """

    def __init__(self, steps: str, workdir: pathlib.Path) -> None:
        """Prepares a trace of process 0.

        Others do the same, and traces in one folder would mix.
        """
        lead = jax.process_index() == 0
        self._first, self._last = (lead and profiled_steps(steps)) or (0, 0)
        self._folder = workdir / "profile"
        self._running = False

    def before(self, step: int) -> None:
        """Starts the trace where its first step comes next."""
        if step == self._first:
            jax.profiler.start_trace(self._folder, create_perfetto_trace=True)
            self._running = True

    def after(self, step: int, metrics: Any, *, ending: bool) -> None:
        """Writes the trace after its last step, once the devices are done with it.

        If the run ends before that, it writes what there is.
        """
        if self._running and (ending or step >= self._last):
            jax.block_until_ready(metrics)
            jax.profiler.stop_trace()
            self._running = False
            print(f"wrote the trace of steps {self._first} to {step}: {self._folder}")
