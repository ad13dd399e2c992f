"""The cost of a run, kept beside its checkpoints in `spent.json`."""

import json
import pathlib
import resource
import sys
from collections.abc import Callable
from typing import Any

import jax

from smile_jax.core.files import replace_text
from smile_jax.core.matmul_flops import matmul_flops

FILE = "spent.json"


def write_spent(workdir: pathlib.Path, step: Callable, state: Any, batch: Any) -> None:
    """Writes what a run trains on, and the operations of a step.

    "hardware", one after another where a run went on elsewhere; "flops_per_step" of
    matrix products and convolutions, over all devices; "peak_memory", in bytes, of the
    most that one device, or on CPUs one process, had in use so far.
    """
    before = _read(workdir)
    devices = jax.devices()
    hardware = f"{len(devices)} x {devices[0].device_kind}"
    known = before["hardware"].split(", ") if before else []
    found = {
        "hardware": ", ".join(dict.fromkeys([*known, hardware])),
        "flops_per_step": matmul_flops(jax.make_jaxpr(step)(state, batch))
        * len(devices),
        "peak_memory": max(peak_memory(), before.get("peak_memory", 0)),
    }
    _write(workdir, found)


def write_peak(workdir: pathlib.Path) -> None:
    """Brings the peak of memory up to date."""
    before = _read(workdir)
    peak = max(peak_memory(), before["peak_memory"])
    _write(workdir, before | {"peak_memory": peak})


def peak_memory() -> int:
    """Returns the peak of memory in bytes, see `write_spent`."""
    stats = [device.memory_stats() for device in jax.local_devices()]
    peaks = [s["peak_bytes_in_use"] for s in stats if s and "peak_bytes_in_use" in s]
    if peaks:
        return max(peaks)
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _read(workdir: pathlib.Path) -> dict[str, Any]:
    path = workdir / FILE
    return json.loads(path.read_text()) if path.exists() else {}


def _write(workdir: pathlib.Path, spent: dict[str, Any]) -> None:
    replace_text(workdir / FILE, json.dumps(spent, indent=2) + "\n")
