"""The plan of a build, printed before anything is rendered."""

import collections
import dataclasses
import os
import time
from collections.abc import Sequence

import numpy as np

from smile_jax.data.channels import MOVING, num_channels
from smile_jax.data.examples import Sequence4D, make_example
from smile_jax.data.rendering import RenderConfig, rendering_of
from smile_jax.mesh import Mesh, MeshError
from smile_jax.mesh.cameras import used_points

_LOOKED_AT = 3  # sequences, whose first meshes say what the others are like
_LISTED = 12  # classes that are named


def plan_of(sequences: Sequence[Sequence4D], config: RenderConfig) -> list[str]:
    """Returns lines that say what a build will do.

    Who and what is there, what the meshes are like, and how long and how large the
    build becomes, by the first frames of a few sequences.
    """
    if not sequences:
        return ["found no sequence"]
    people = {s.labels["subject"] for s in sequences}
    stored = sum(len(s.frames) for s in sequences)
    lines = [
        f"found {len(people)} people, {len(sequences)} sequences, {stored} meshes",
        f"  classes: {_classes(sequences)}",
    ]
    rates = sorted({s.rate_hz for s in sequences if s.rate_hz})
    if rates:
        lines.append(f"  frames a second: {', '.join(f'{rate:g}' for rate in rates)}")
    places = np.linspace(0, len(sequences) - 1, _LOOKED_AT).round().astype(int)
    looked = [
        # The first of a process waits for code to be loaded.
        _FirstFrame.at(sequences[place], config, rounds=1 if number else 2)
        for number, place in enumerate(np.unique(places))
    ]
    lines += [f"  {line}" for one in looked for line in one.lines]
    seconds = [one.seconds for one in looked if one.seconds]
    if seconds:
        frames = sum(_rendered(s, config) for s in sequences)
        cores = os.cpu_count() or 1
        total = frames * float(np.mean(seconds)) / cores
        size = len(sequences) * _bytes_of(config)
        lines.append(
            f"  to render: {frames} frames x {len(config.yaws_deg)} views at "
            f"{config.size} pixels of {', '.join(config.channels)}; about "
            f"{_duration(total)} on {cores} cores, {size / 1e9:.2g} GB"
        )
    return lines


def _classes(sequences: Sequence[Sequence4D]) -> str:
    counts = collections.Counter(s.labels.get("expression") for s in sequences)
    without = counts.pop(None, 0)
    said = [f"{name} {count}" for name, count in counts.most_common(_LISTED)]
    if len(counts) > _LISTED:
        said.append(f"{len(counts) - _LISTED} more")
    if without:
        said.append(f"without a label {without}")
    return ", ".join(said)


@dataclasses.dataclass(frozen=True)
class _FirstFrame:
    """A sequence's first frame: lines about it, and the seconds it took to render."""

    lines: list[str]
    seconds: float = 0.0

    @classmethod
    def at(
        cls, sequence: Sequence4D, config: RenderConfig, *, rounds: int
    ) -> "_FirstFrame":
        """Renders the frame several times; the last time counts."""
        try:
            mesh = sequence.frames[0]
        except MeshError as error:
            return cls([f"{sequence.key}: cannot be read: {error}"])
        points = mesh.vertices[used_points(mesh)]
        size = float(np.ptp(points, axis=0).max())
        marks = "with" if sequence.anchors or mesh.landmarks is not None else "without"
        line = (
            f"{sequence.key}: {len(points)} points, {size:.4g} mm across, {marks} "
            f"landmarks, {_surface_of(mesh)}"
        )
        still = tuple(name for name in config.channels if name not in MOVING)
        single = dataclasses.replace(
            rendering_of(config),
            channels=still or ("depth",),
            frames=1,
            dynamic=False,
            captions=False,
            motion=False,
            still=False,
            tempo=False,
            magnify=0.0,
        )
        first = dataclasses.replace(sequence, frames=[mesh], numbers=None, facts=None)
        for _ in range(rounds):
            started = time.perf_counter()
            made = make_example(first, single)
            seconds = time.perf_counter() - started
        lines = [line, *(f"note: {text}" for text in made.notes)]
        return cls([*lines, *(f"skipped: {text}" for text in made.skipped)], seconds)


def _surface_of(mesh: Mesh) -> str:
    if mesh.colors is not None:
        return "coloured points"
    return "textured" if mesh.has_texture else "no texture"


def _rendered(sequence: Sequence4D, config: RenderConfig) -> int:
    count = len(sequence.frames)
    return count if config.dynamic else min(config.frames, count)


def _bytes_of(config: RenderConfig) -> int:
    """Returns the bytes of an example's pixels."""
    picture = len(config.yaws_deg) * config.size**2 * num_channels(config.channels)
    return picture * (config.frames + 2 * config.dynamic)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
