"""Miniature trees of every dataset, as `smile_jax.rehearse` writes them."""

import pathlib

from smile_jax.faces.rehearsal import Options, finish, record, recordings


def write_tree(layout: str, out: pathlib.Path, **fields) -> Options:
    small = {"subjects": 2, "frames": 3, "points": 900, "texture": 16}
    if layout == "four_dme":
        small["frames"] = 10  # a micro-expression, and before and after it
    options = Options(out=out, **small | fields)
    plan = recordings(layout, options)
    for recording in plan:
        record(recording, options)
    finish(layout, options, plan)
    return options
