"""Damage: cuts where a format has its joints, flipped bits, absurd numbers."""

import random
import re
from collections.abc import Iterator

_NUMBERS = (
    b"-1", b"0", b"999999999", b"99999999999999999999", b"1e999", b"nan", b"3e38",
    b"-1e9", b"4294967295", b"0,5",
)  # fmt: skip


def damaged(content: bytes, tokens: bytes, rng: random.Random) -> bytes:
    """One way to damage a file, at random; a tenth of them twice."""
    broken = rng.choice(_WAYS)(content, tokens, rng)
    return damaged(broken, tokens, rng) if broken and rng.random() < 0.1 else broken


def every_cut(content: bytes, tokens: bytes, most: int = 150) -> Iterator[bytes]:
    """The file, cut at its joints."""
    joints = _joints(content, tokens)
    for cut in joints[:: max(len(joints) // most, 1)]:
        yield content[:cut]


def _joints(content: bytes, tokens: bytes) -> list[int]:
    if tokens:
        return sorted({m.start() for m in re.finditer(tokens, content)}) or [0]
    return list(range(min(len(content), 400)))


def _cut(content: bytes, tokens: bytes, rng: random.Random) -> bytes:
    return content[: rng.choice(_joints(content, tokens) or [0])]


def _flip(content: bytes, tokens: bytes, rng: random.Random) -> bytes:
    broken = bytearray(content)
    for _ in range(rng.choice([1, 1, 4, 32]) if content else 0):
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
    return bytes(broken)


def _insert(content: bytes, tokens: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + rng.randbytes(rng.randrange(1, 40)) + content[start:]


def _drop(content: bytes, tokens: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.randrange(1, 40) :]


def _number(content: bytes, tokens: bytes, rng: random.Random) -> bytes:
    digits = [m.span() for m in re.finditer(rb"-?\d+(?:\.\d+)?", content)]
    if not digits:
        return _flip(content, tokens, rng)
    start, stop = rng.choice(digits)
    return content[:start] + rng.choice(_NUMBERS) + content[stop:]


def _ones(content: bytes, tokens: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + b"\xff" * 8 + content[start + 8 :]


def _shuffle(content: bytes, tokens: bytes, rng: random.Random) -> bytes:
    """A part of the file is moved, or comes twice, between joints."""
    joints = _joints(content, tokens)
    a, b, to = sorted(rng.choice(joints) for _ in range(3))
    part = content[a:b]
    kept = content if rng.random() < 0.5 else content[:a] + content[b:]
    return kept[:to] + part * rng.choice([1, 1, 1, 50]) + kept[to:]


def _noise(content: bytes, tokens: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(200))


_WAYS = (_cut, _flip, _flip, _insert, _drop, _number, _number, _ones, _shuffle, _noise)
