"""The demo's config, shrunk: what the end-to-end tests train."""

import contextlib
import io
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from smile_jax.config import Config, to_config
from smile_jax.experiments import demo
from smile_jax.training.loop import train
from tests.conftest import ROOT

SHRUNK = {
    "data.views": 2,
    "data.fold": 0,
    "model.vision.width": 16,
    "model.vision.depth": 1,
    "model.vision.heads": 2,
    "model.vision.mlp_width": 32,
    "model.text.width": 16,
    "model.text.mlp_width": 32,
    "tune.text": "full",
    "model.text.heads": 2,
    "model.projector_dim": 32,
    "model.embed_dim": 16,
    "train.batch_size": 16,
    "train.log_every": 2,
    "train.checkpoint_every": 2,
    "train.steps": 8,
    "evaluation.batch_size": 16,
    "evaluation.pca_components": 8,
}


def experiment_with(experiment: Any, **overrides: Any) -> Config:
    """An experiment's config with some keys changed, by their dotted names."""
    config = experiment.get_config()
    config.update_from_flattened_dict(overrides)
    return to_config(config)


def shrunk_config(dataset: pathlib.Path, **overrides: Any) -> Config:
    keys = SHRUNK | {"train.epochs": 0.0, "data.dir": str(dataset)} | overrides
    return experiment_with(demo, **keys)


def train_here(dataset: pathlib.Path, workdir: pathlib.Path, **overrides: Any) -> str:
    """Trains the shrunk demo in this process, on its 8 devices; returns what a terminal
    would have shown."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        train(shrunk_config(dataset, **overrides), workdir)
    return printed.getvalue()


def shrunk_flags(
    dataset: pathlib.Path, workdir: pathlib.Path, **overrides
) -> list[str]:
    """The same as command-line flags of `smile-jax train`."""
    values = SHRUNK | {"data.dir": str(dataset)} | overrides
    return [
        "--config=experiments/demo.py",
        f"--workdir={workdir}",
        "--config.train.epochs=0",
        *(f"--config.{key}={value}" for key, value in values.items()),
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def processes(count, flags, *more) -> Iterator[list[subprocess.Popen]]:
    """Training processes of two devices each; none survives the block."""
    port = free_port()
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "smile_jax.train", *flags, *more),
                f"--coordinator=localhost:{port}",
                f"--num_processes={count}",
                f"--process_id={i}",
            ],
            cwd=ROOT,
            env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(count)
    ]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def outputs_of(started, timeout):
    return [process.communicate(timeout=timeout)[0] for process in started]
