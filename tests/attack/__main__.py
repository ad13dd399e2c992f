"""Attacks the project and says what held:

    python -m tests.attack --reader=all --mutations=100000 --minutes=600
    python -m tests.attack --reader= --kills=50
    python -m tests.attack --reader= --kills_of_four=20
    python -m tests.attack --reader= --flips=120

What must not be is written into --out, one file for each kind, to go into
`tests/attack/corpus/` with the mend. Exits with 1 if there is anything.
"""

import os
import pathlib
import random
import sys
import tempfile
import time

from absl import app, flags

import tests.conftest  # noqa: F401 - sets what jax must know before it is imported
from tests.attack import readers, runs
from tests.attack.samples import READERS

_READER = flags.DEFINE_string(
    "reader", "all", "Formats, with commas; all; '' for none."
)
_MUTATIONS = flags.DEFINE_integer("mutations", 100_000, "Damaged files for each.")
_MINUTES = flags.DEFINE_float("minutes", 10.0, "At most, for all readers together.")
_KILLS = flags.DEFINE_integer("kills", 0, "SIGKILLs of one run.")
_KILLS_OF_FOUR = flags.DEFINE_integer(
    "kills_of_four", 0, "SIGKILLs of one of four processes that train together."
)
_FLIPS = flags.DEFINE_integer(
    "flips", 0, "Flipped bits of a checkpoint; a third as many of shards and exports."
)
_SEED = flags.DEFINE_integer("seed", 0, "Of all damage.")
_OUT = flags.DEFINE_string("out", "runs/attack", "Folder for what was found.")


def main(_: list[str]) -> None:
    bad = 0
    names = list(READERS) if _READER.value == "all" else _READER.value.split(",")
    for i, name in enumerate(names if _READER.value else []):
        started = time.monotonic()
        share = _MINUTES.value / len(names)
        found = readers.attack(name, _MUTATIONS.value, share, _SEED.value + i)
        spent = time.monotonic() - started
        print(
            f"{name}: {found.tried} damaged files in {spent:.0f} s, "
            f"{found.refused} refused, {len(found.findings)} findings",
            flush=True,
        )
        for line in readers.keep(name, found, pathlib.Path(_OUT.value)):
            print(line, flush=True)
        bad += len(found.findings)
    if _KILLS.value or _KILLS_OF_FOUR.value or _FLIPS.value:
        bad += _attack_runs()
    sys.exit(1 if bad else 0)


def _attack_runs() -> int:
    from smile_jax.inference.model_folder import export
    from smile_jax.inference.recognizer import Recognizer
    from tests.conftest import tfds_build
    from tests.training.common import train_here

    silent, rng = 0, random.Random(_SEED.value)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tfds_build("synthetic_faces", "--config=tiny", data_dir=folder)
        dataset = folder / "synthetic_faces" / "tiny"
        for what, kill, kills in (
            ("kills", runs.kill_again_and_again, _KILLS.value),
            ("kills of four", runs.kill_one_of_four, _KILLS_OF_FOUR.value),
        ):
            if kills:
                done = kill(dataset, folder, kills, rng)
                said = "and the run ended bit for bit as without"
                print(f"{what}: {done}, {said}", flush=True)
        if _FLIPS.value:
            train_here(dataset, folder / "run", **{"train.steps": 4})
            recognizer = Recognizer.of_run(folder / "run")
            export(recognizer, folder / "run", folder / "out")
            few = max(_FLIPS.value // 3, 1)
            for what, (files, read), flips in (
                ("checkpoint", runs.newest_checkpoint(folder / "run"), _FLIPS.value),
                ("shards", runs.shards(dataset), few),
                ("export", runs.exported(folder / "out"), few),
            ):
                counts = runs.flip_bits(files, read, flips, rng)
                print(f"{what}: {flips} bits flipped, {counts}", flush=True)
                silent += counts["silent"]
    return silent


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    app.run(main)
