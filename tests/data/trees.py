"""Miniature trees of every dataset, as `smile_jax.rehearse` writes them."""

import pathlib

from smile_jax.faces.rehearsal import RehearsalOptions, finish, record, recordings


def write_tree(layout: str, out: pathlib.Path, **fields) -> RehearsalOptions:
    small = {"subjects": 2, "frames": 3, "points": 900, "texture": 16}
    if layout == "four_dme":
        small["frames"] = 10  # a micro-expression, and before and after it
    options = RehearsalOptions(out=out, **small | fields)
    plan = recordings(layout, options)
    for recording in plan:
        record(recording, options)
    finish(layout, options, plan)
    return options
