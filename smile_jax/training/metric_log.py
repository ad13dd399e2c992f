"""Fetches metrics from the device a step late, checks and writes them."""

import contextlib
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import jax

from smile_jax.config import Config
from smile_jax.data.mixture import shares_between
from smile_jax.training.assembly import optimizer_config
from smile_jax.training.checkpoints import Checkpoints
from smile_jax.training.metric_writer import MetricWriter, check_finite
from smile_jax.training.optimizer import make_schedule
from smile_jax.training.run_plan import Plan, images_a_step


class MetricLog:
    """Fetches metrics one step late, so that logging never waits for the device.

    Every process checks that they are finite; the one with a workdir writes them.
    """

    def __init__(
        self,
        config: Config,
        plan: Plan,
        workdir: pathlib.Path | None,
        first: int,
        checkpoints: Checkpoints,
    ) -> None:
        self._every, self._checkpoints = config.train.log_every, checkpoints
        self._writer = workdir and MetricWriter(workdir, first, plan.steps)
        self._schedule = make_schedule(optimizer_config(config), plan.steps)
        self._images = images_a_step(config, plan)
        self._batch, self._block = config.train.batch_size, config.data.person_block
        self._weights = plan.dataset.part_weights
        self._pending: tuple[int, Any, dict[str, float]] | None = None
        self._newest: Any = None
        self.restart_clock(first)

    def restart_clock(self, step: int) -> None:
        """Speeds count from here: compilation is over."""
        self._since, self._started, self._waited = step, time.perf_counter(), 0

    @contextlib.contextmanager
    def clock_stopped(self, metrics: Any) -> Iterator[None]:
        """Leaves the time spent in here, after a step, out of speeds."""
        jax.block_until_ready(metrics)
        started = time.perf_counter()
        yield
        self._started += time.perf_counter() - started

    def got_batch(self) -> None:
        """Notes if the devices were idle before a step.

        Then they waited for input, or for Python where steps take less time than Python
        does.
        """
        self._waited += self._newest is not None and self._newest.is_ready()

    def after(
        self, step: int, metrics: Any, *, now: bool, scores: dict[str, float]
    ) -> None:
        """Takes a step's metrics, and scores of people held out, if there are some."""
        self._newest = None if now else metrics["loss"]  # a checkpoint waits for all
        self.flush()
        if now or step % self._every == 0:
            self._pending = step, metrics, scores
        if now:
            self.flush()

    def flush(self) -> None:
        """Writes the metrics of the last log step, which the devices have by now."""
        if self._pending is None:
            return
        step, metrics, scores = self._pending
        self._pending = None
        values = {k: float(v) for k, v in sorted(jax.device_get(metrics).items())}
        check_finite(step, self._since, values, self._checkpoints.latest)
        seconds = max(time.perf_counter() - self._started, 1e-9)
        steps = step - self._since
        values["images_per_second"] = self._images * steps / seconds
        values["waited"] = self._waited / max(steps, 1)
        values["learning_rate"] = float(self._schedule(step - 1))
        if self._weights:  # of a mixture: what each dataset gave since the last time
            since, until = self._since * self._batch, step * self._batch
            weights = list(self._weights.values())
            shares = shares_between(weights, self._block, since, until)
            for name, share in zip(self._weights, shares, strict=True):
                values[f"share/{name}"] = float(share)
        values |= scores
        if self._writer:
            self._writer.write(step, values)
        self.restart_clock(step)

    def close(self) -> None:
        """Writes what is pending and closes the files."""
        self.flush()
        if self._writer:
            self._writer.close()
