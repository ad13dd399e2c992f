"""Lets one process at a time train in a folder."""

import contextlib
import datetime
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator

from smile_jax.core.files import name_file_in_errors
from smile_jax.training.checkpoints import CheckpointError

FILE = "lock"


@contextlib.contextmanager
def lock_workdir(workdir: pathlib.Path) -> Iterator[None]:
    """Holds a run's folder.

    The system lets go of it when the process ends, however that ends; the file stays.

    Raises:
      CheckpointError: another process holds it; saying which.
    """
    with (workdir / FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise CheckpointError(
                f"{workdir}: another process trains there ({file.read().strip()}); "
                "wait for it, stop it, or use another --workdir"
            ) from error
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        holder = f"pid {os.getpid()} on {socket.gethostname()} since {now}\n"
        with name_file_in_errors(workdir / FILE):
            file.truncate(0)
            os.write(file.fileno(), holder.encode())  # no buffer to be written later
        yield
