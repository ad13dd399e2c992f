"""Compile time of the train step by depth, with blocks in a row and as a loop.

    python -m experiments.benchmarks.compilation [--topology=v5e:2x2] [--depths=6,12,24]

ViT-S's width at several depths, with `model.vision.scan` off and on; nothing runs, and
sizes of images and batches do not matter. Prints one JSON line: seconds to draw the
parameters and trace, and to compile.
"""

import json
import time

import jax
from absl import app, flags

from smile_jax.config import with_values
from smile_jax.cost.step_cost import compile_step, plan_without_data
from smile_jax.experiments.benchmarks.common import sized_experiment

_TOPOLOGY = flags.DEFINE_string("topology", "local:1", "See smile-jax aot.")
_DEPTHS = flags.DEFINE_list("depths", ["6", "12", "24"], "Blocks.")


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    del argv
    rows = []
    for depth in map(int, _DEPTHS.value):
        for scan in (False, True):
            keys = {"model.vision.depth": depth, "model.vision.scan": scan}
            config = with_values(sized_experiment("vit_s16", batch=8), keys)
            plan = plan_without_data(config, image_size=64)
            jax.clear_caches()
            started = time.perf_counter()
            cost = compile_step(config, plan, _TOPOLOGY.value)
            seconds = time.perf_counter() - started
            rows.append(
                {
                    "depth": depth,
                    "scan": scan,
                    "draw_and_trace_seconds": seconds - cost.compile_seconds,
                    "compile_seconds": cost.compile_seconds,
                }
            )
    kind = cost.device_kind
    print(json.dumps({"kind": kind, "jax": jax.__version__, "rows": rows}))


if __name__ == "__main__":
    app.run(main)
