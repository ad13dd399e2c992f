"""Throughput of a whole build, on a rehearsal BU-4DFE tree.

    python -m experiments.benchmarks.build [--ict=ARCHIVE] [--subjects=1] [--frames=40]

Frames of 35,000 points with textures as large as the real ones (1.4 megapixels) are
written once; then
1. every stage is timed by itself on one core: read, clean, decode the texture, turn to
   the front (once a sequence), render three views at 224 pixels, pool, encode and write
   (once a sequence);
2. `tfds build` runs over the tree, every frame of it (rank-pooled), on one core and on
   all of them: read to shard.
Prints one JSON line, with the time and size of the whole set (60,600 frames) as these
figures give them.
"""

import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from absl import app, flags

from smile_jax.core.workers import run_everywhere
from smile_jax.data.records import PIXELS, as_stored
from smile_jax.data.rendering import render_example
from smile_jax.data.scan_builder import ScanConfig
from smile_jax.faces.rehearsal import RehearsalOptions, finish, record, recordings
from smile_jax.mesh import RankPooling
from smile_jax.mesh.cleaning import clean
from smile_jax.mesh.pose import frontalize, pose_from_surface
from smile_jax.mesh.render import read_image
from smile_jax.mesh.vrml import read_vrml

_ICT = flags.DEFINE_string("ict", "", "ICT-FaceKit tree or archive; else procedural.")
_SUBJECTS = flags.DEFINE_integer("subjects", 1, "People; six sequences each.")
_FRAMES = flags.DEFINE_integer("frames", 40, "Frames of a sequence.")
_POINTS = flags.DEFINE_integer("points", 35_000, "Points of a frame.")
_TEXTURE = flags.DEFINE_integer("texture", 1200, "Pixels of a texture.")
_ALL_FRAMES, _ALL_SEQUENCES = 60_600, 606
_ONCE = ("turn", "encode and write")  # a sequence, of 100 frames
_YAWS, _SIZE = (-20.0, 0.0, 20.0), 224
_ROOT = pathlib.Path(__file__).resolve().parents[2]


def stages(tree: pathlib.Path, frames: int) -> dict[str, float]:
    """Milliseconds of every stage, medians; those of `_ONCE` are once a sequence."""
    config = ScanConfig(name="x", yaws_deg=_YAWS, size=_SIZE)
    paths = sorted((tree / "BU_4DFE").rglob("*.wrl"))[:frames]
    pooling = RankPooling(len(paths))
    times: dict[str, list[float]] = {}

    def timed(name, function, *args):
        started = time.perf_counter()
        result = function(*args)
        times.setdefault(name, []).append(1e3 * (time.perf_counter() - started))
        return result

    pose = pose_from_surface(clean(read_vrml(paths[0], tree), "warm"))
    for index, path in enumerate(paths):
        mesh = timed("read", read_vrml, path, tree)
        mesh = timed("clean", clean, mesh, str(path))
        timed("decode texture", read_image, mesh.images[0])
        if index % 10 == 0:
            pose = timed("turn", pose_from_surface, mesh)
        mesh = timed("apply", frontalize, mesh, pose)
        image = timed("render", render_example, mesh, config, pose.framing)
        timed("pool", lambda i, x: pooling.add(i, x / 255), index,
              image)  # fmt: skip
    pixels = as_stored(pooling.image()[None], "dynamic")
    write = _writer(pixels.shape, tree / "example.array_record")
    for _ in range(10):
        timed("encode and write", write, pixels)
    medians = {name: float(np.median(values)) for name, values in times.items()}
    medians["render"] -= medians["decode texture"]  # which it includes
    return medians


def _writer(shape: tuple[int, ...], path: pathlib.Path) -> Callable[[np.ndarray], None]:
    """Serialises and writes one example's pixels as a build does."""
    import tensorflow_datasets as tfds
    from array_record.python.array_record_module import ArrayRecordWriter

    tensor = tfds.features.Tensor(
        shape=shape, dtype=PIXELS["dynamic"], encoding="bytes"
    )
    features = tfds.features.FeaturesDict({"dynamic": tensor})
    serializer = tfds.core.example_serializer.ExampleSerializer(
        features.get_serialized_info()
    )

    def write(pixels: np.ndarray) -> None:
        encoded = features.encode_example({"dynamic": pixels})
        writer = ArrayRecordWriter(str(path), "group_size:1")
        writer.write(serializer.serialize_example(encoded))
        writer.close()

    return write


def build(tree: pathlib.Path, cores: int) -> tuple[float, int]:
    """(frames a second, bytes of the dataset) of one `tfds build`."""
    config = {"name": "b", "yaws_deg": _YAWS, "size": _SIZE, "frames": 0,
              "dynamic": True}  # fmt: skip
    with tempfile.TemporaryDirectory() as data_dir:
        command = [
            str(pathlib.Path(sys.executable).parent / "tfds"), "build",
            str(_ROOT / "tfds_builders" / "bu4dfe"), f"--config={json.dumps(config)}",
            f"--manual_dir={tree}", f"--data_dir={data_dir}",
            "--file_format=array_record",
        ]  # fmt: skip
        environment = os.environ | {
            "LOKY_MAX_CPU_COUNT": str(cores),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        )
        shards = pathlib.Path(data_dir).rglob("*array_record*")
        size = sum(path.stat().st_size for path in shards)
    match = re.search(r"\(([\d.]+) frames/s\)", done.stdout)
    assert match, done.stdout
    return float(match[1]), size


def main(_: list[str]) -> None:
    """Runs the experiment."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        options = RehearsalOptions(
            out=pathlib.Path(folder), subjects=_SUBJECTS.value, frames=_FRAMES.value,
            points=_POINTS.value, texture=_TEXTURE.value,
            heads=_ICT.value or "procedural",
        )  # fmt: skip
        plan = recordings("bu4dfe", options)
        frames = sum(run_everywhere(record, plan, options))
        finish("bu4dfe", options, plan)
        alone = stages(options.out, min(frames, 60))
        one, size = build(options.out, 1)
        every, _size = build(options.out, cores)
    sequences = len(plan)
    for name in _ONCE:
        alone[name] *= _ALL_SEQUENCES / _ALL_FRAMES
    total = sum(alone.values())
    print(
        json.dumps(
            {
                "benchmark": "build",
                "frames": frames,
                "points": options.points,
                "stage_milliseconds_a_frame": {
                    k: round(v, 2) for k, v in alone.items()
                },
                "stage_share": {k: round(v / total, 3) for k, v in alone.items()},
                "frames_per_second_one_core": one,
                "frames_per_second": every,
                "cores": cores,
                "frames_per_second_per_core": round(every / cores, 1),
                "bytes_per_sequence": size // sequences,
                "whole_set": {
                    "hours_here": round(_ALL_FRAMES / every / 3600, 2),
                    "dynamic_gigabytes": round(
                        size / sequences * _ALL_SEQUENCES / 1e9, 2
                    ),
                },
                "machine": platform.machine(),
            }
        )
    )


if __name__ == "__main__":
    app.run(main)
