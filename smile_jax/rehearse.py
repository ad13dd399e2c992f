"""Writes a rehearsal tree in a licensed dataset's format.

    smile-jax rehearse --format=bu4dfe --out=DIR [--subjects=2]

`smile-jax build <format> --manual_dir=DIR` then builds it like the real one.
"""

import pathlib
import time

from absl import flags

from smile_jax.core import command_line, extras
from smile_jax.faces.rehearsal import (
    LAYOUTS,
    RehearsalOptions,
    finish,
    record_all,
    recordings,
)

_FORMAT = flags.DEFINE_enum(
    "format", None, LAYOUTS, "Dataset whose format to write.", required=True
)
_OUT = flags.DEFINE_string("out", None, "Folder to write.", required=True)
_SUBJECTS = flags.DEFINE_integer("subjects", 2, "Number of people.")
_FRAMES = flags.DEFINE_integer("frames", 10, "Frames of a sequence in 4D formats.")
_POINTS = flags.DEFINE_integer(
    "points",
    35_000,
    "Points of a scan; cropped faces of bu3dfe have a quarter of them.",
)
_TEXTURE = flags.DEFINE_integer("texture", 512, "Side of a texture in pixels.")
_RAW = flags.DEFINE_boolean("raw", False, "Write the raw scans of bu3dfe, too.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of people and performances.")
_HEADS = flags.DEFINE_string(
    "heads",
    "procedural",
    "Whose heads perform: procedural, makehuman (see `smile-jax fetch`), "
    "or a folder or archive of ICT-FaceKit or Vitruvian.",
)
# Where it is not read off the folder; the small one of each.
_CONFIGS = {
    **dict.fromkeys(("bu4dfe", "four_dme"), " --config=frames_64"),
    "bp4d": " --config=bp4d_frames_64",
    "bosphorus": " --config=static_64",
    "bu3dfe": " --config=static_64",
    "coma": " --config=frames_64",
    "facescape": " --config=static_64",
}


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    extras.require("a rehearsal", "build")
    started = time.perf_counter()
    out = pathlib.Path(_OUT.value)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"--out={out}: not an empty folder; name a new one")
    options = RehearsalOptions(
        out=out,
        subjects=_SUBJECTS.value,
        frames=_FRAMES.value,
        points=_POINTS.value,
        texture=_TEXTURE.value,
        raw=_RAW.value,
        seed=_SEED.value,
        heads=_HEADS.value,
    )
    plan = recordings(_FORMAT.value, options)
    scans = record_all(plan, options)
    finish(_FORMAT.value, options, plan)
    print(
        f"wrote {scans} scans of {options.subjects} people to {out} in "
        f"{time.perf_counter() - started:.0f} s; build them with\n"
        f"  smile-jax build {_FORMAT.value} --manual_dir={out}"
        f"{_CONFIGS.get(_FORMAT.value, '')}"
    )


if __name__ == "__main__":
    command_line.run(main)
