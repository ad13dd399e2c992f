r"""How many labelled people it takes: from scratch, after SMILE, and by a probe alone.

    python -m smile_jax.benchmark --suite=experiments/suites/ict_few_people.py

`supervised, n` learns from all clips of n people with their labels and from nothing
else; `fine-tuned, n` the same, but starts from a run that saw all training people
without any label. The probe's own curve are the evaluations `few_people_n` of that run.
Which n people differs from seed to seed. All are tested on the same held-out people.
"""

from smile_jax.evaluation.suite import Suite

_COUNTS = (1, 2, 5, 10, 20, 40, 80)


def get_suite():
    trained = {"config": "experiments/ict_supervised.py", "train.epochs": 0.0}
    scratch = {**trained, "train.steps": 600}
    tuned = {**trained, "train.steps": 150, "optimizer.learning_rate": 3e-4}
    counts = {n: {"data.train_people": n} for n in _COUNTS}
    blocks = {"tune.vision": "last", "tune.last_blocks": 2}
    first = {"train.epochs": 20.0}
    suite = Suite(
        config="experiments/ict_captions.py",
        methods={
            "smile, captions": first,
            **{f"supervised, {n}": {**scratch, **c} for n, c in counts.items()},
            **{f"fine-tuned, {n}": {**tuned, **c} for n, c in counts.items()},
            "last two blocks, 80": {**tuned, **blocks},
        },
        starts={
            **{f"fine-tuned, {n}": "smile, captions" for n in _COUNTS},
            "last two blocks, 80": "smile, captions",
        },
        shown=(
            ("linear_probe", "accuracy"),
            *((f"few_people_{n}", "accuracy") for n in (1, 2, 5, 10, 20)),
        ),
        references=["smile, captions"],
    )
    return suite.over({"data.dir": "data/ict_faces/static_captions"})
