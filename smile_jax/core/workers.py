"""Runs one function on many inputs, in threads or processes, on every core."""

import collections
import concurrent.futures
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from smile_jax.core.extras import needed_for

Input = TypeVar("Input")
Output = TypeVar("Output")
Shared = TypeVar("Shared")


def run_in_threads(
    function: Callable[[Input], Output], inputs: Sequence[Input]
) -> Iterator[Output]:
    """Yields `function(input)` in the order of the inputs, from one thread per core.

    For work that mostly releases Python's lock. At most three results per thread wait
    at any time.

    Raises:
      What `function` raises.
    """
    workers = max(min(os.cpu_count() or 1, len(inputs)), 1)
    waiting: collections.deque = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(workers) as executor:
        try:
            for one in inputs:
                waiting.append(executor.submit(function, one))
                if len(waiting) >= 3 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def run_everywhere(
    function: Callable[[Input, Shared], Output],
    inputs: Sequence[Input],
    shared: Shared,
) -> Iterator[Output]:
    """Yields `function(input, shared)` in the order of the inputs.

    In processes of their own (loky: no fork, so the threads of TensorFlow or jax do not
    matter), where jax computes on the CPU and in one thread; the environment variable
    LOKY_MAX_CPU_COUNT limits how many. At most three
    results a process wait at any time, so memory does not grow with the inputs.

    Args:
      function: of an importable module, or of one registered with
        `cloudpickle.register_pickle_by_value`.
      inputs: the work; everything in it must pickle.
      shared: the second argument of every call.

    Raises:
      What `function` raises.
    """
    with needed_for("work in several processes"):
        import loky

    workers = min(loky.cpu_count(), len(inputs))
    if workers <= 1:
        for one in inputs:
            yield function(one, shared)
        return
    flags = os.environ.get("XLA_FLAGS", "")
    executor = loky.ProcessPoolExecutor(
        workers,
        env={
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"{flags} --xla_cpu_multi_thread_eigen=false",
        },
    )
    waiting: collections.deque = collections.deque()
    try:
        for one in inputs:
            waiting.append(executor.submit(function, one, shared))
            if len(waiting) >= 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(wait=True, kill_workers=bool(waiting))
