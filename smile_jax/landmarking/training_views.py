"""Draws the pictures that the landmarker and its first look learn from.

    python -m smile_jax.landmarking.training_views --source=makehuman --out=FOLDER

SOURCE is a face family: its name, or a folder or archive of its files. Writes
`FAMILY.npz`: see `Views`. Then `smile_jax.landmarking.train` learns from them.
"""

import dataclasses
import pathlib
import time

import numpy as np
from absl import flags

from smile_jax.core import command_line
from smile_jax.core.files import replace_files
from smile_jax.core.workers import run_everywhere
from smile_jax.faces.families.catalogue import FAMILIES, family_of
from smile_jax.landmarking.training_heads import NETWORKS, make_views, stacked

_SOURCE = flags.DEFINE_string("source", None, "Face family.", required=True)
_OUT = flags.DEFINE_string("out", None, "Folder to write to.", required=True)
_HEADS = flags.DEFINE_integer("heads", 3000, "How many.", 16)
_SEED = flags.DEFINE_integer("seed", 0, "Of all of them.")

_SEEDS = 10_000_000  # for each family and seed


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    family = family_of(_SOURCE.value)
    started = time.perf_counter()
    first = (_SEED.value * len(FAMILIES) + list(FAMILIES).index(family.name)) * _SEEDS
    seeds = range(first, first + _HEADS.value)
    made = list(run_everywhere(make_views, seeds, _SOURCE.value))
    arrays = {}
    for network, views in zip(NETWORKS, zip(*made, strict=True), strict=True):
        for name, values in dataclasses.asdict(stacked(views)).items():
            arrays[f"{network}/{name}"] = values
    out = pathlib.Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    with replace_files(out) as part:
        np.savez(part / f"{family.name}.npz", **arrays)
    seconds = time.perf_counter() - started
    print(f"wrote {out}/{family.name}.npz: {_HEADS.value} heads in {seconds:.0f} s")


if __name__ == "__main__":
    command_line.run(main)
