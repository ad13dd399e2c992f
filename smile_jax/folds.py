"""Writes a dataset's subject-independent folds as JSON, for other code to use.

    smile-jax folds --config=experiments/bu3dfe.py --out=folds.json

Of the config's dataset, people, intensities and folds; nothing is trained. Holds each
fold's test people, and each labelled clip's class, person and fold.
"""

import collections
import json
import pathlib
from typing import Any

from absl import flags
from ml_collections import config_flags

from smile_jax.config.flag import complete_config, config_of
from smile_jax.core import command_line
from smile_jax.core.files import replace_text

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment: a Python file, or its name.", lock_config=True
)
_OUT = flags.DEFINE_string("out", "folds.json", "File to write.")


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    # After the command line is read.
    from smile_jax.config.validate import validate
    from smile_jax.training.run_plan import make_plan

    config = config_of(_CONFIG)
    validate(config, 1, dataset=True)
    plan = make_plan(config)
    dataset, members = plan.dataset, collections.defaultdict(list)
    for subject, fold in sorted(plan.folds.items()):
        members[fold].append(subject)
    clips: dict[str, Any] = {
        str(dataset.sequences[i]): {
            "class": dataset.classes[dataset.labels[i]],
            "subject": str(dataset.subjects[i]),
            "fold": plan.folds[str(dataset.subjects[i])],
        }
        for i in plan.labelled
    }
    told = {
        "dataset": dataset.location,
        "contents": dataset.contents,
        "people": dataset.people,
        "classes": list(config.data.classes),
        "intensities": list(config.data.intensities),
        "seed": config.data.fold_seed,
        "test": [members[fold] for fold in range(config.data.folds)],
        "clips": clips,
    }
    replace_text(pathlib.Path(_OUT.value), json.dumps(told, indent=1) + "\n")
    print(
        f"wrote {_OUT.value}: {len(clips)} clips of {len(plan.folds)} people in "
        f"{config.data.folds} folds"
    )


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    command_line.run(main, complete_config)
