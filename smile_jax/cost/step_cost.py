"""Compiles a run's train step for devices that need not be here."""

import dataclasses
import math
import os
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax.experimental import topologies

from smile_jax.config import Config, with_values
from smile_jax.config.factories import needs
from smile_jax.config.validate import validate, validate_against
from smile_jax.core import parallel
from smile_jax.core.matmul_flops import matmul_flops
from smile_jax.cost.chips import CHIPS
from smile_jax.cost.collectives import collective_bytes
from smile_jax.data.batch_fields import example_fields, field_shapes
from smile_jax.data.channels import num_channels
from smile_jax.data.dataset import FaceDataset
from smile_jax.data.records import PIXELS
from smile_jax.data.rendering import RenderConfig
from smile_jax.mesh.displacement import REGIONS
from smile_jax.training.assembly import build, make_layout, scanned_towers
from smile_jax.training.run_plan import Plan, class_prompts


class CompilationError(ValueError):
    """A step cannot be compiled ahead of time; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class StepCost:
    """The cost of one train step to one device. Sizes in bytes, times in seconds.

    Attributes:
      topology: as asked for.
      devices: how many.
      device_kind: JAX' name of them.
      hbm_bytes_per_device: "arguments", "temporaries", "program", their "total" (the
        new state takes the place of the old one) and the "capacity" where it is known.
      flops_per_device_step: of matrix products and convolutions.
      collective_bytes_per_device_step: sent by a device, by kind, and the "total".
      estimated_step_seconds: {"compute", "memory", "network"}: at the chip's peaks, and
        "step", the largest of the first two plus the third, as if nothing overlapped
        it; None for a chip whose peaks are not known. "memory" is of the bytes that XLA
        counts, more than travel: what stays in fast memory is in it too. It counts
        a loop once, so with `scan` or `micro_batches` "memory" and "step" are None.
      estimated_utilisation: share of the peak, were the estimate true; None without it.
      compile_seconds: of XLA.
    """

    topology: str
    devices: int
    device_kind: str
    hbm_bytes_per_device: dict[str, int | None]
    flops_per_device_step: float
    collective_bytes_per_device_step: dict[str, float]
    estimated_step_seconds: dict[str, float | None] | None
    estimated_utilisation: float | None
    compile_seconds: float

    def table(self) -> str:
        """Returns the costs as a table to read."""
        memory = self.hbm_bytes_per_device
        rows = [
            ("devices", f"{self.devices} x {self.device_kind} ({self.topology})"),
            *((f"memory, {name}", _in_units(x, "B")) for name, x in memory.items()),
            ("operations a step", _in_units(self.flops_per_device_step, "FLOP")),
            *(
                (f"sent a step, {name}", _in_units(x, "B"))
                for name, x in self.collective_bytes_per_device_step.items()
            ),
            *(
                (f"estimated, {name}", _in_milliseconds(x))
                for name, x in (self.estimated_step_seconds or {}).items()
            ),
        ]
        if self.estimated_utilisation is not None:
            rows.append(("estimated utilisation", f"{self.estimated_utilisation:.0%}"))
        rows.append(("compiled in", f"{self.compile_seconds:.1f} s"))
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{width}}  {value}" for name, value in rows)


def _in_milliseconds(seconds: float | None) -> str:
    return "not known" if seconds is None else f"{seconds * 1e3:.3g} ms"


def _in_units(value: float | None, unit: str) -> str:
    if value is None:
        return "not known"
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def devices_of(topology: str) -> list[Any]:
    """The devices of a TPU slice ("v5e:4x4"), of "local" or of the first N ("local:2").

    Raises:
      CompilationError: libtpu is missing, or there is no such slice.
    """
    name, _, count = topology.partition(":")
    if name == "local":
        local = jax.devices()
        wanted = int(count or len(local))
        if wanted > len(local):
            raise CompilationError(
                f"topology {topology!r}: there are {len(local)} devices"
            )
        return local[:wanted]
    # What libtpu would ask a TPU host for.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # it holds no device
    try:
        return list(topologies.get_topology_desc(topology, "tpu").devices)
    except Exception as error:  # PJRT raises several kinds
        raise CompilationError(
            f"topology {topology!r}: {error}\nExamples: v4:2x2x4, v5e:4x4, v5p:2x2x4, "
            "v6e:16x16, local. TPU slices need the libtpu of this jax: "
            '`pip install "jax[tpu]"`'
        ) from error


def plan_without_data(config: Config, *, image_size: int, frames: int = 1) -> Plan:
    """The plan of a dataset that is not built yet, to compile or count a step.

    It has no records, the default cameras and channels of the builders, and its steps
    are `train.steps` or, for they depend on the data, 1.

    Args:
      config: as of a run; text source "captions" needs the dataset.
      image_size: pixels a side.
      frames: of a clip.

    Raises:
      ConfigError, PromptError: with what to do.
    """
    shape = RenderConfig()
    nothing = np.zeros(0, np.int32)
    dataset = FaceDataset(
        path=epath.Path("(no dataset)"),
        channels=tuple(shape.channels),
        yaws_deg=tuple(shape.yaws_deg),
        classes=tuple(config.data.classes),
        clips=(config.data.clip,),
        pose=shape.pose,
        framing=shape.framing,
        still=shape.still,
        magnify=shape.magnify,
        band_hz=tuple(shape.band_hz),
        extents_mm=None,
        people="",
        labels=nothing,
        subjects=nothing.astype(str),
        sequences=nothing.astype(str),
        intensities=nothing,
        captions=None,
        stored={"motion": ((frames, REGIONS), np.dtype(np.float32))},
        frames=frames,
        rates_known=True,
    )
    validate_against(config, dataset)
    prompts = class_prompts(config, dataset)
    channels = num_channels(config.data.inputs)
    return Plan(
        dataset,
        nothing,
        nothing,
        {},
        nothing,
        nothing,
        nothing,
        nothing,
        config.train.steps or 1,
        prompts,
        prompts,
        example_fields(needs(config), dataset, dataset.classes, nothing),
        (frames, config.data.views, image_size, image_size, channels),
    )


def compile_step(config: Config, plan: Plan, topology: str) -> StepCost:
    """Compiles the step that `smile-jax train` would run, and says what it costs.

    Raises:
      CompilationError, ConfigError: with what to do; a step that does not fit is one.
    """
    devices = devices_of(topology)
    validate(config, len(devices))
    if devices[0].platform != jax.default_backend():
        config = _without_choice_by_backend(config)
    _, state, step = build(config, plan)
    batch = batch_shapes(config, plan, len(devices))
    layout = make_layout(config, state)
    shapes = layout.shapes(state, len(devices))
    function: Any = parallel.pmap_step(step, devices, layout.pieces)
    flops = matmul_flops(jax.make_jaxpr(function)(shapes, batch))
    started = time.perf_counter()
    try:
        compiled = function.lower(shapes, batch).compile()
    except jax.errors.JaxRuntimeError as error:
        raise CompilationError(f"{topology}: XLA cannot compile it: {error}") from error
    seconds = time.perf_counter() - started
    kind = devices[0].device_kind
    sent = collective_bytes(compiled.as_text(), len(devices))
    hbm = _memory(compiled, kind)
    loops = config.train.micro_batches > 1 or scanned_towers(config)
    traffic = None if loops else _traffic(compiled)
    times = _estimate(kind, flops, traffic, sum(sent.values()))
    share = times["compute"] / times["step"] if times and times["step"] else None
    return StepCost(
        topology=topology,
        devices=len(devices),
        device_kind=kind,
        hbm_bytes_per_device=hbm,
        flops_per_device_step=flops,
        collective_bytes_per_device_step=sent | {"total": sum(sent.values())},
        estimated_step_seconds=times,
        estimated_utilisation=share,
        compile_seconds=seconds,
    )


def _without_choice_by_backend(config: Config) -> Config:
    """Replaces "auto" attention, which looks at the devices that are here."""
    towers: dict[str, Any] = {"vision": config.model.vision, "text": config.model.text}
    return with_values(
        config,
        {
            f"model.{name}.attention": tower.attention.replace("auto", "xla")
            for name, tower in towers.items()
        },
    )


def batch_shapes(config: Config, plan: Plan, devices: int) -> dict[str, Any]:
    """The arrays of a batch, as `parallel.put_batch` lays them out."""
    frames, _, height, width, _ = plan.clip_shape
    views, channels = len(plan.dataset.yaws_deg), num_channels(plan.dataset.channels)
    rows = (devices, config.train.batch_size // devices)
    crops = config.data.crops
    apex = (*rows, crops) if crops > 1 else rows
    pixels = (*rows, crops * frames, views, height, width, channels)
    shapes = field_shapes(plan.fields, plan.dataset)
    fields = {
        name: jax.ShapeDtypeStruct((*rows, *shape), dtype)
        for name, (shape, dtype) in shapes.items()
    }
    return fields | {
        "views": jax.ShapeDtypeStruct(pixels, PIXELS[config.data.clip]),
        "time_s": jax.ShapeDtypeStruct((*rows, crops * frames), jnp.float32),
        "apex": jax.ShapeDtypeStruct(apex, jnp.int32),
        "row": jax.ShapeDtypeStruct(rows, jnp.int32),
    }


def _memory(compiled: Any, kind: str) -> dict[str, int | None]:
    m = compiled.memory_analysis()
    parts = {
        "arguments": m.argument_size_in_bytes,
        "temporaries": m.temp_size_in_bytes,
        "program": m.generated_code_size_in_bytes,
    }
    fresh = m.output_size_in_bytes - m.alias_size_in_bytes  # metrics and padding
    total = sum(parts.values()) + max(fresh, 0)
    capacity = int(CHIPS[kind].memory) if kind in CHIPS else None
    return {**parts, "total": total, "capacity": capacity}


def _traffic(compiled: Any) -> float:
    """Bytes to and from memory, as XLA counts them."""
    return (compiled.cost_analysis() or {}).get("bytes accessed", math.nan)


def _estimate(
    kind: str, flops: float, traffic: float | None, sent: float
) -> dict[str, Any] | None:
    if kind not in CHIPS:
        return None
    chip = CHIPS[kind]
    compute, network = flops / chip.flops, sent / chip.network
    memory = step = None
    if traffic is not None:
        memory = traffic / chip.bandwidth
        step = max(compute, memory) + network
    return {"compute": compute, "memory": memory, "network": network, "step": step}
