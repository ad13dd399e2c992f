"""Host memory: keeps what is freed, for runs on the CPU."""

import ctypes
import glob
import importlib.util
import sys
from importlib import metadata

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = (
    -1,
    -2,
    -4,
    -8,
)  # mallopt's parameters


def cpu_only() -> bool:
    """Returns True if JAX has no accelerator's plugin to load, without starting it.

    libtpu alone is none: it also compiles for TPUs that are elsewhere.
    """
    plugins = metadata.entry_points(group="jax_plugins")
    nodes = [*glob.glob("/dev/accel*"), *glob.glob("/dev/vfio/[0-9]*")]
    return not plugins and not (nodes and importlib.util.find_spec("libtpu"))


def libtpu_without_tpu() -> bool:
    """Returns True if libtpu is installed on a machine without any accelerator.

    It then serves to compile for TPUs elsewhere.
    """
    others = importlib.util.find_spec("jax_plugins")
    return bool(importlib.util.find_spec("libtpu")) and cpu_only() and not others


def keep_freed_memory() -> bool:
    """Tells glibc to keep freed memory rather than return it to the system.

    XLA's CPU backend allocates and frees its buffers in every step. By default glibc
    maps each large one afresh, and the kernel clears its pages again: a third of the
    demo's time (docs/performance.md). Call it before
    JAX starts its threads, each of which has a share of the heap from then on.

    Returns:
      Whether it was done; False where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = (
        (_ARENA_MAX, 1),
        (_MMAP_MAX, 0),
        (_TRIM_THRESHOLD, -1),  # never
        (_TOP_PAD, 1 << 28),
    )
    return all(mallopt(name, value) == 1 for name, value in settings)
