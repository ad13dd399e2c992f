"""Trains: `python -m smile_jax.train --config=experiments/<x>.py --workdir=DIR`.

Short on purpose: flags, validation, dispatch. The loop is in `smile_jax.training.loop`.
"""

import pathlib
import sys

import jax
from absl import app, flags, logging
from ml_collections import config_flags

from smile_jax.config import validate
from smile_jax.hostmemory import cpu_only, keep_freed_memory
from smile_jax.training.checkpoints import CheckpointError
from smile_jax.training.loop import train

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment.", lock_config=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "host:port of process 0, or 'auto' (TPU pods, SLURM, ...)."
)
_PROCESSES = flags.DEFINE_integer(
    "num_processes", None, "With --coordinator=host:port."
)
_PROCESS = flags.DEFINE_integer("process_id", None, "With --coordinator=host:port.")
_HEARTBEAT = flags.DEFINE_integer(
    "heartbeat_seconds",
    60,
    "With --coordinator: all processes end so long after one of them was heard last.",
)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; flags start with --")
    if "://" in _WORKDIR.value:
        sys.exit(
            f"error: --workdir={_WORKDIR.value}: runs need a folder; mount the bucket "
            "and name the mounted folder (docs/tpu_pods.md)"
        )
    if _COORDINATOR.value:
        auto = _COORDINATOR.value == "auto"
        jax.distributed.initialize(
            None if auto else _COORDINATOR.value,
            None if auto else _PROCESSES.value,
            None if auto else _PROCESS.value,
            heartbeat_timeout_seconds=_HEARTBEAT.value,
        )
    if cpu_only():
        keep_freed_memory()
    try:
        validate(_CONFIG.value, jax.device_count())
        train(_CONFIG.value, pathlib.Path(_WORKDIR.value))
    except (ValueError, OSError, CheckpointError, FloatingPointError) as error:
        logging.debug("traceback", exc_info=True)  # shown with --verbosity=1
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    logging.set_verbosity(logging.WARNING)  # Orbax tells every file at INFO
    flags.mark_flag_as_required("config")
    app.run(main)
