"""Writes metrics to the terminal, to `metrics.jsonl` and to TensorBoard."""

import json
import math
import pathlib
import sys
import time

from absl import logging

from smile_jax.core.extras import needed_for
from smile_jax.core.files import name_file_in_errors, replace_text

with needed_for("training"):
    from tensorboardX import SummaryWriter

# Warn below this share of ln K: prompts are collapsing (this project's choice).
_MIN_USAGE_ENTROPY = 0.8


class MetricWriter:
    """Writes one row per log step, and drops old rows after `first_step`."""

    def __init__(
        self, workdir: pathlib.Path, first_step: int, total_steps: int
    ) -> None:
        self._path = workdir / "metrics.jsonl"
        if self._path.is_file():
            rows = self._path.read_text().splitlines()
            kept = [row for row in rows if _step_of(row) <= first_step]
            replace_text(self._path, "".join(row + "\n" for row in kept))
        self._board = SummaryWriter(
            str(workdir / "tensorboard"), purge_step=first_step + 1
        )
        self._total, self._first = total_steps, first_step
        self._started = time.perf_counter()

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Appends a row and prints a line with the loss terms, speed and time left."""
        with name_file_in_errors(self._path), self._path.open("a") as rows:
            rows.write(json.dumps({"step": step, **metrics}) + "\n")
        for name, value in metrics.items():
            self._board.add_scalar(name, value, step)
        terms = "  ".join(
            f"{name.split('/')[0]} {value:.4f}"
            for name, value in metrics.items()
            if name.endswith("/loss")
        )
        idle = metrics["waited"]
        waited = f"{idle:.0%} of steps waited  " if idle > 0.1 else ""
        spent = time.perf_counter() - self._started
        left = spent / max(step - self._first, 1) * (self._total - step)
        print(
            f"step {step}/{self._total}  loss {metrics['loss']:.4f}  {terms}  "
            f"{metrics['images_per_second']:.0f} images/s  {waited}"
            f"{_duration(left)} left",
            flush=True,
        )
        found = [x for name, x in metrics.items() if name.endswith("/usage_entropy")]
        entropy = min(found, default=1.0)
        if entropy < _MIN_USAGE_ENTROPY and step > 0.2 * self._total:
            logging.warning(
                "step %d: prompts are used unevenly (entropy %.2f ln K)", step, entropy
            )

    def close(self) -> None:
        """Closes the files."""
        self._board.close()
        sys.stdout.flush()


def check_finite(step: int, since: int, metrics: dict[str, float], good: int | None):
    """Stops a run whose metrics are not finite.

    Raises:
      FloatingPointError: naming the window of steps, the terms and the last good
        checkpoint.
    """
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    if bad:
        where = "there is none yet" if good is None else f"step {good}"
        raise FloatingPointError(
            f"not finite between steps {since + 1} and {step}: {', '.join(bad)}. Last "
            f"good checkpoint: {where}. Lower config.optimizer.learning_rate or "
            "raise config.optimizer.warmup, then start again"
        )


def _step_of(row: str) -> float:
    try:
        return json.loads(row)["step"]
    except (json.JSONDecodeError, KeyError, TypeError):  # cut short by a crash
        return math.inf


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    )
