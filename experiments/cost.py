"""Estimates what each row of the paper's kind of table takes: prints cost.md's.

    python -m experiments.cost

Time = images x FLOP an image / (devices x peak x utilisation); energy = time x watts x
devices; money = time x price x devices. What goes in stands below, with its source.
"""

import dataclasses

from smile_jax.cost.chips import CHIPS

# Of experiments/ict_vit_b16.py, forward, backward and all three terms, counted from its
# jaxpr (smile_jax.core.matmul_flops) at 64 clips.
FLOP_PER_IMAGE = 98.8e9
VIEWS, EPOCHS, FOLDS = 3, 100, 10  # this project's choice; nine folds of ten train


@dataclasses.dataclass(frozen=True)
class Machine:
    """Devices and what they take.

    Attributes:
      name: as one says it.
      chip: a key of `CHIPS`.
      devices: how many.
      utilisation: share of the peak.
      watts: of a device with its share of the host.
      price: dollars a device and hour.
    """

    name: str
    chip: str
    devices: int
    utilisation: float
    watts: float
    price: float


@dataclasses.dataclass(frozen=True)
class Row:
    """A dataset in a protocol: `clips` of `frames` images a view."""

    name: str
    clips: int
    frames: int


MACHINES = (
    Machine("v5e-16", "TPU v5 lite", 16, 0.27, 250, 1.20),
    Machine("v5e-256", "TPU v5 lite", 256, 0.27, 250, 1.20),
    Machine("one H200", "NVIDIA H200", 1, 0.40, 1000, 3.50),
)
ROWS = (
    Row("BU-3DFE, Subset I", 1200, 1),
    Row("BU-3DFE, Subset II", 2400, 1),
    Row("Bosphorus", 4666, 1),
    Row("BU-4DFE, dynamic image", 606, 1),
    Row("BU-4DFE, 8 frames", 606, 8),
    Row("BP4D, 8 of 100 frames", 3675, 8),
    Row("4DME, 8 frames", 390, 8),
)


def images_of(row: Row) -> float:
    """Images that the vision tower sees in all folds' training."""
    return row.clips * row.frames * VIEWS * EPOCHS * FOLDS * (1 - 1 / FOLDS)


def hours(row: Row, machine: Machine) -> float:
    """Returns the hours that a row takes on a machine."""
    rate = machine.devices * CHIPS[machine.chip].flops * machine.utilisation
    return images_of(row) * FLOP_PER_IMAGE / rate / 3600


def table() -> str:
    """Markdown: hours, kWh and dollars of each row on each machine."""
    names = " | ".join(machine.name for machine in MACHINES)
    rule = "|" + "---|" * (2 + len(MACHINES))
    lines = [f"| row | million images | {names} |", rule]
    for row in ROWS:
        cells = [row.name, f"{images_of(row) / 1e6:.1f}"]
        for m in MACHINES:
            h = hours(row, m)
            energy = h * m.devices * m.watts / 1000
            cells.append(
                f"{60 * h:.1f} min, {energy:.2g} kWh, ${h * m.devices * m.price:.2f}"
            )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
