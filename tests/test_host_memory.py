import subprocess
import sys


def test_freed_memory_is_kept_and_faults_fall():
    """The same work with and without; without, every large array is mapped afresh."""
    code = """
import resource, sys
import numpy as np
from smile_jax.core.host_memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory() or sys.platform != "linux"
np.ones(1 << 22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones((1 << 22)).sum()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        mode: int(
            subprocess.run(
                [sys.executable, "-c", code, mode],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for mode in ("kept", "default")
    }
    if sys.platform == "linux":
        assert faults["kept"] < 0.2 * faults["default"]


def test_cpu_only_is_told_without_starting_jax():
    code = (
        "import sys; from smile_jax.core.host_memory import cpu_only;"
        "assert cpu_only() in (True, False); assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
