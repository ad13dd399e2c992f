"""Uploaded files are parsed in a process of their own first, with limits."""

import multiprocessing
import pathlib
import queue
import resource
from collections.abc import Sequence

from smile_jax.mesh import MeshError, read_mesh

LARGEST_BYTES = 64 << 20  # of a file
MOST_FILES = 400
_SECONDS = 60.0  # for all of them
_MEMORY = 4 << 30  # bytes
_MOST_POINTS = 500_000


def check_files(
    paths: Sequence[pathlib.Path],
    *,
    seconds: float = _SECONDS,
    memory: int = _MEMORY,
) -> None:
    """Refuses files that cannot be read within so much time and memory.

    Raises:
      MeshError: naming the first that cannot.
    """
    if not 0 < len(paths) <= MOST_FILES:
        raise MeshError(f"{len(paths)} files: give 1 to {MOST_FILES}")
    for path in paths:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise MeshError(
                f"{path.name}: {size >> 20} MB; at most {LARGEST_BYTES >> 20} are read"
            )
    context = multiprocessing.get_context("spawn")
    said = context.Queue()
    worker = context.Process(target=_parse, args=(list(paths), memory, said))
    worker.start()
    try:
        error = said.get(timeout=seconds)
    except queue.Empty:
        ended = worker.exitcode is not None
        why = "not within the memory" if ended else f"not within {seconds:g} seconds"
        error = f"{paths[0].name}: it could not be read, {why} that a file may take"
    finally:
        worker.kill()
        worker.join()
    if error:
        raise MeshError(error)


def _parse(paths: list[pathlib.Path], memory: int, said: multiprocessing.Queue) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        for path in paths:
            mesh = read_mesh(path, path.parent)
            if len(mesh.vertices) > _MOST_POINTS:
                raise MeshError(
                    f"{path.name}: {len(mesh.vertices)} points; at most {_MOST_POINTS}"
                )
    except MeshError as error:
        said.put(str(error).replace(f"{path.parent}/", ""))
    except MemoryError:
        said.put(f"{path.name}: it takes more memory than a file may")
    else:
        said.put("")
