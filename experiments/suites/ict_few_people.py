r"""Labelled people needed: from scratch, after SMILE, and by a probe alone.

    smile-jax benchmark --suite=experiments/suites/ict_few_people.py

`supervised, n` learns from all clips of n people with their labels and from nothing
else, for as many steps as experiments/suites/ict_methods.py has with all of them;
`fine-tuned, n` the same for 150 steps, but starts from a run that saw all training
people without any label. The probe's own curve are the evaluations `few_people_n` of
that run. Settings are those that were chosen in that suite, but for the learning rate
of 3e-4 that all go on with from a trained run. Which n people differs from
seed to seed. All are tested on the same held-out people.
"""

import pathlib

from smile_jax.evaluation.suite_definition import Suite, read_suite

_COUNTS = (1, 2, 5, 10, 20, 40, 80)
_FIRST = "smile, captions"


def get_suite():
    """Returns the suite."""
    tuned = read_suite(pathlib.Path(__file__).with_name("ict_methods.py"))
    first, scratch = (tuned.settings(name, 0) for name in (_FIRST, "supervised"))
    # As many as 20 epochs of 80 people's 1,920 scans, 32 at a time.
    scratch = {**scratch, "train.epochs": 0.0, "train.steps": 1200}
    on = {**scratch, "train.steps": 150, "optimizer.learning_rate": 3e-4}
    counts = {n: {"data.train_people": n} for n in _COUNTS}
    blocks = {"tune.vision": "last", "tune.last_blocks": 2}
    return Suite(
        config="experiments/ict_captions.py",
        methods={
            _FIRST: first,
            **{f"supervised, {n}": {**scratch, **c} for n, c in counts.items()},
            **{f"fine-tuned, {n}": {**on, **c} for n, c in counts.items()},
            "last two blocks, 80": {**on, **blocks},
        },
        starts={
            **{f"fine-tuned, {n}": _FIRST for n in _COUNTS},
            "last two blocks, 80": _FIRST,
        },
        shown=(
            ("linear_probe", "accuracy"),
            *((f"few_people_{n}", "accuracy") for n in (1, 2, 5, 10, 20)),
        ),
        references=[_FIRST],
    )
