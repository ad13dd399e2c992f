"""Checksums of a checkpoint's contents: a flipped bit must not become a model.

Compressed chunks often decode with a bit flipped, and nothing below looks at values.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import orbax.checkpoint as ocp

_RUN = "run"


def checksums(state: Any, run: Mapping[str, Any]) -> dict[str, str]:
    """Returns the checksums of a state on the host and of the run beside it.

    For each array its type, shape and CRC-32, by path; of the run the CRC-32.
    """
    found = {
        f"state/{'/'.join(map(str, path))}": _of_array(np.asarray(leaf))
        for path, leaf in ocp.tree.to_flat_dict(state).items()
    }
    return found | {_RUN: of_json(run)}


def of_bytes(content: bytes) -> str:
    """CRC-32 as eight hexadecimal digits."""
    return f"{zlib.crc32(content):08x}"


def of_json(value: Mapping[str, Any]) -> str:
    """CRC-32 of what JSON gives back, whatever the order of its keys."""
    return of_bytes(json.dumps(value, sort_keys=True).encode())


def compare(found: Mapping[str, str], stored: Mapping[str, str]) -> None:
    """Raises ValueError, naming what is not as it was written."""
    wrong = [
        name
        for name in sorted({*found, *stored})
        if found.get(name) != stored.get(name)
    ]
    if wrong:
        raise ValueError(
            f"{wrong[0]} is not what was written (and {len(wrong) - 1} more): its "
            "checksum differs, so the file is damaged"
        )


def check_run(run: Mapping[str, Any], stored: Mapping[str, str]) -> None:
    """Checks the run alone."""
    compare({_RUN: of_json(run)}, {_RUN: stored.get(_RUN, "")})


def _of_array(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)} {of_bytes(array.tobytes())}"
