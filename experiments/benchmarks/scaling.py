"""Work and traffic of a device as devices are added: counted, not timed.

    python -m experiments.benchmarks.scaling [--size=vit_s16] [--batch=256]

Compiles the train step for 1, 2, 4 and 8 virtual CPU devices at one global batch, with
whole moments and with moments in pieces (`train.shard_moments`). Virtual devices share
the same cores, so time would say nothing; `smile-jax aot` does the same for TPU slices.
Prints one JSON line: for each, GFLOP, MB sent and MB held (state and batch) a device.
"""

import json
import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

from absl import app, flags

from smile_jax.config import with_values
from smile_jax.cost.step_cost import compile_step, plan_without_data
from smile_jax.experiments.benchmarks.common import SIZES, sized_experiment

_SIZE = flags.DEFINE_enum("size", "vit_s16", list(SIZES), "Vision tower.")
_BATCH = flags.DEFINE_integer("batch", 256, "Clips a step, over all devices.")


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    del argv
    rows = []
    for devices in (1, 2, 4, 8):
        for shard in (False, True):
            keys = {"train.shard_moments": shard, "model.vision.scan": True}
            plain = sized_experiment(_SIZE.value, batch=_BATCH.value)
            config = with_values(plain, keys)
            plan = plan_without_data(config, image_size=224)
            cost = compile_step(config, plan, f"local:{devices}")
            sent = cost.collective_bytes_per_device_step
            rows.append(
                {
                    "devices": devices,
                    "shard_moments": shard,
                    "gflop": cost.flops_per_device_step / 1e9,
                    "sent_mb": {k: x / 1e6 for k, x in sent.items()},
                    "held_mb": (cost.hbm_bytes_per_device["arguments"] or 0) / 1e6,
                }
            )
    print(json.dumps({"size": _SIZE.value, "batch": _BATCH.value, "rows": rows}))


if __name__ == "__main__":
    app.run(main)
