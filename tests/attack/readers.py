"""Damaged files for every reader, in a worker under limits."""

import contextlib
import dataclasses
import multiprocessing
import pathlib
import queue
import random
import resource
import signal
import tempfile
import time
import warnings
from typing import Any

from tests.attack.mutate import damaged
from tests.attack.samples import READERS, Reader

HANG = 5  # seconds alone
MOST_BESIDE, MOST_TIMES = 256 << 20, 64  # bytes, and bytes a byte of the file


class Hang(BaseException):
    """It takes too long."""


@dataclasses.dataclass
class Found:
    """What came of many damaged files: how many, how many were refused, and what must
    not be: (kind of finding, what was said, content)."""

    tried: int = 0
    refused: int = 0
    findings: list[tuple[str, str, bytes]] = dataclasses.field(default_factory=list)


def judge(reader: Reader, path: pathlib.Path) -> tuple[bool, str, str]:
    """(refused, kind of finding or "", what was said) of a file as it lies there."""
    size = path.stat().st_size
    used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * 4096
    limits = resource.getrlimit(resource.RLIMIT_AS)
    most = used + MOST_BESIDE + MOST_TIMES * size
    # Time of the processor: a busy machine is no hang. What waits for ever uses none.
    timers = {signal.ITIMER_PROF: HANG, signal.ITIMER_REAL: 12 * HANG}
    previous = {s: signal.signal(s, _hang) for s in (signal.SIGPROF, signal.SIGALRM)}
    resource.setrlimit(resource.RLIMIT_AS, (most, limits[1]))
    for timer, seconds in timers.items():
        signal.setitimer(timer, seconds)
    try:
        reader.read(path)
    except reader.errors as error:
        named = path.stem.split(".")[0] in str(error) or path.name in str(error)
        if not named:
            return True, "the error does not name the file", str(error)[:300]
        if len(str(error)) > 2000:
            return True, "the error is long", f"{len(str(error))} characters"
        return True, "", ""
    except Hang:
        return False, "hang", f"more than {HANG} s"
    except MemoryError as error:
        return False, "memory", str(error)
    except Exception as error:
        return False, f"leaked {type(error).__name__}", repr(error)[:300]
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        for number, handler in previous.items():
            signal.signal(number, handler)
    return False, "", ""


def _hang(*_: Any) -> None:
    raise Hang


def attack(name: str, mutations: int, minutes: float, seed: int) -> Found:
    """Damages one format's sample again and again in a process of its own, which is
    started anew where it dies."""
    found, started = Found(), time.monotonic()
    context = multiprocessing.get_context("spawn")
    while found.tried < mutations and time.monotonic() - started < 60 * minutes:
        with tempfile.TemporaryDirectory() as folder:
            told: Any = context.Queue()
            left = mutations - found.tried
            until = started + 60 * minutes
            work = (name, left, until, seed + found.tried, folder, told)
            process = context.Process(target=_work, args=work)
            process.start()
            while process.is_alive() or not told.empty():
                with contextlib.suppress(queue.Empty):
                    _count(found, told.get(timeout=1))
            process.join()
            if process.exitcode:
                content = (pathlib.Path(folder) / READERS[name].name).read_bytes()
                found.tried += 1
                said = f"exit status {process.exitcode}"
                found.findings.append(("crash", said, content))
    return found


def _count(found: Found, told: tuple[int, int, list]) -> None:
    tried, refused, findings = told
    found.tried += tried
    found.refused += refused
    found.findings += findings


def _work(name: str, left: int, until: float, seed: int, folder: str, told) -> None:
    warnings.simplefilter("ignore")
    reader, rng = READERS[name], random.Random(seed)
    where = pathlib.Path(folder)
    reader.write(where)
    path = where / reader.name
    content = path.read_bytes()
    reader.read(path)  # it is good, and what is imported and compiled does not count
    tried = refused = 0
    findings = []
    for i in range(left):
        path.write_bytes(damaged(content, reader.tokens, rng))
        was_refused, kind, said = judge(reader, path)
        tried, refused = tried + 1, refused + was_refused
        if kind:
            findings.append((kind, said, path.read_bytes()))
        if i % 200 == 199 or i == left - 1 or time.monotonic() > until:
            told.put((tried, refused, findings))
            tried, refused, findings = 0, 0, []
        if time.monotonic() > until:
            return


def keep(name: str, found: Found, out: pathlib.Path) -> list[str]:
    """Writes one file for each kind of finding; returns a line for each."""
    lines = {}
    for kind, said, content in found.findings:
        if kind in lines:
            continue
        place = out / name / kind.replace(" ", "_")
        place.mkdir(parents=True, exist_ok=True)
        (place / READERS[name].name).write_bytes(content)
        lines[kind] = f"  {kind}: {said} ({place})"
    return list(lines.values())
