"""Trains a model.

    smile-jax train --config=CONFIG --workdir=DIR [--config.key=value]

CONFIG is a Python file, or the name of one of this project's experiments.

Short on purpose: flags, validation, dispatch. The loop is in `smile_jax.training.loop`.
What takes seconds to import comes after validation: a typo is answered at once.
"""

import pathlib
from typing import Any

from absl import flags
from ml_collections import config_flags

from smile_jax.config.flag import complete_config, config_of
from smile_jax.core import command_line, extras

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment: a Python file, or its name.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "host:port of process 0, or 'auto' (TPU pods, SLURM, ...)."
)
_PROCESSES = flags.DEFINE_integer(
    "num_processes", None, "Number of processes, with --coordinator=host:port."
)
_PROCESS = flags.DEFINE_integer(
    "process_id", None, "Number of this process, with --coordinator=host:port."
)
_HEARTBEAT = flags.DEFINE_integer(
    "heartbeat_seconds",
    60,
    "With --coordinator: seconds after a process fell silent until all others end.",
)


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    extras.require("training", "train")
    if "://" in _WORKDIR.value:
        raise ValueError(
            f"--workdir={_WORKDIR.value}: runs need a folder; mount the bucket and "
            "name the mounted folder (docs/tpu_pods.md)"
        )
    config = config_of(_CONFIG)
    devices = _start_jax()
    from smile_jax.config.validate import validate

    validate(config, devices, dataset=True)

    from smile_jax.training.loop import train

    scorer: Any = None
    if config.train.evaluate_every:
        extras.require("train.evaluate_every", "evaluate")
        from smile_jax.evaluation.validation import make_scorer

        scorer = make_scorer
    train(config, pathlib.Path(_WORKDIR.value), scorer)


def _start_jax() -> int:
    """Joins the other processes, if there are some; returns the number of devices."""
    import jax

    if _COORDINATOR.value:
        auto = _COORDINATOR.value == "auto"
        jax.distributed.initialize(
            None if auto else _COORDINATOR.value,
            None if auto else _PROCESSES.value,
            None if auto else _PROCESS.value,
            heartbeat_timeout_seconds=_HEARTBEAT.value,
        )
    command_line.before_jax()
    return jax.device_count()


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    command_line.run(main, complete_config)
