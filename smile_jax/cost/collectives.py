"""Reads from a compiled program what its devices send to each other."""

import collections
import math
import re

_KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute"
# %name = f32[8,128]{1,0} all-reduce(...), or = (f32[8], f32[4,2]) all-reduce-start(...)
_CALL = re.compile(rf" = (.*?)\s({_KINDS})(-start)?\(")
_COMMENT = re.compile(r"/\*.*?\*/")
_ARRAY = re.compile(r"\b([a-z]+\d*\w*)\[([\d,]*)\]")
# A collective that a TPU works on step by step inside other fusions appears in each.
_CHAIN = re.compile(r'chain_id="(\d+)"')


def collective_bytes(program: str, devices: int) -> dict[str, float]:
    """Bytes that one device sends in one run of the program, by kind of collective.

    Of a ring over n devices: an all-reduce of S bytes sends 2 S (n - 1) / n, a gather
    to or a scatter from S bytes S (n - 1) / n. Calls inside loops count once.

    Args:
      program: HLO text of a compiled function.
      devices: n.
    """
    share = (devices - 1) / devices
    found: dict[str, float] = collections.defaultdict(float)
    chains = set()
    for line in program.splitlines():
        call = _CALL.search(_COMMENT.sub("", line))
        if call is None:
            continue
        types, kind, started = call.groups()
        chain = _CHAIN.search(line)
        if chain and (kind, chain[1]) in chains:
            continue
        if chain:
            chains.add((kind, chain[1]))
        arrays = [_size(*array) for array in _ARRAY.findall(types)]
        if started and kind == "collective-permute":
            arrays = arrays[1:2]  # operand, result, two counters
        elif started and kind != "all-reduce":  # operands before results
            arrays = arrays[len(arrays) // 2 :]
        size: float = sum(arrays)
        if kind == "all-reduce":
            size *= 2
        if kind == "reduce-scatter":  # its result is one device's part
            size *= devices
        found[kind] += size * (1 if kind == "collective-permute" else share)
    return dict(found)


def _size(dtype: str, dims: str) -> float:
    bits = re.search(r"\d+", dtype)  # s4, bf16, f8e4m3; pred takes a byte
    bytes_each = int(bits[0]) / 8 if bits else 1
    return bytes_each * math.prod(int(d) for d in dims.split(",") if d)
