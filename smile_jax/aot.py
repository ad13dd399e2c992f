"""Compiles a train step ahead of time and reports its cost.

    smile-jax aot --config=CONFIG --topology=v5e:16x16

Compiles the real train step for a TPU slice on a machine without one (it needs libtpu:
`pip install "jax[tpu]"`), or for the devices at hand with --topology=local, and prints
what a step takes of one device, as a table or with --json as a JSON line; see
`smile_jax.cost.step_cost.StepCost`. Nothing runs.
"""

import dataclasses
import json

from absl import flags
from ml_collections import config_flags

from smile_jax.config.flag import complete_config, config_of
from smile_jax.config.validate import validate
from smile_jax.core import command_line
from smile_jax.cost.step_cost import compile_step, devices_of, plan_without_data
from smile_jax.training.run_plan import make_plan

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Experiment: a Python file, or its name.", lock_config=True
)
_TOPOLOGY = flags.DEFINE_string(
    "topology",
    "local",
    "TPU slice, such as v4:2x2x4, v5e:16x16, v5p:4x4x4, v6e:4x4; or local.",
)
_SIZE = flags.DEFINE_integer(
    "image_size",
    None,
    "Side of the images in pixels; the dataset is then not read.",
    lower_bound=1,
)
_FRAMES = flags.DEFINE_integer(
    "frames", 1, "Frames of a clip, with --image_size.", lower_bound=1
)
_JSON = flags.DEFINE_boolean("json", False, "Print one JSON line, for programs.")


def main(argv: list[str]) -> None:
    """Runs the command."""
    command_line.no_words(argv)
    config = config_of(_CONFIG)
    validate(config, len(devices_of(_TOPOLOGY.value)))
    if _SIZE.value:
        plan = plan_without_data(config, image_size=_SIZE.value, frames=_FRAMES.value)
    else:
        plan = make_plan(config)
    cost = compile_step(config, plan, _TOPOLOGY.value)
    print(json.dumps(dataclasses.asdict(cost)) if _JSON.value else cost.table())


if __name__ == "__main__":
    flags.mark_flag_as_required("config")
    command_line.run(main, complete_config)
