r"""Rate of batches from the shards, and the cost of other encodings of pixels.

    python -m experiments.benchmarks.input --dir=data/ict_faces/static_224 \
        [--batch=64] [--threads=1,2] [--workers=0,2] [--seconds=10] [--needed=CLIPS_S]

Prints one JSON line. `pipeline`: clips and images a second of `train_batches`, as the
step gets them, for each number of threads and worker processes (images are all views
that are stored). `encodings`: bytes an image, images a second of one thread, and the
largest error, of the records as they are (raw bytes in compressed ArrayRecords) and of
the same images as PNG and JPEG, a file for each channel group, decoded by Pillow.
`--needed`, the clips a second that a step takes, adds the share of it that the fastest
row reaches here and the cores that would reach it.
"""

import io
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator

import numpy as np
from absl import app, flags
from PIL import Image

from smile_jax.data.channels import channel_slices
from smile_jax.data.dataset import FaceDataset, open_dataset
from smile_jax.data.frames import FrameSampling
from smile_jax.data.pipeline import train_batches
from smile_jax.data.records import RecordSource

_DIR = flags.DEFINE_string("dir", None, "Built dataset.", required=True)
_CLIP = flags.DEFINE_enum("clip", "views", ["views", "dynamic"], "Which pixels.")
_BATCH = flags.DEFINE_integer("batch", 64, "Clips a batch.")
_THREADS = flags.DEFINE_list("threads", ["1", "2"], "Numbers of threads to try.")
_WORKERS = flags.DEFINE_list("workers", ["0", "2"], "Numbers of processes to try.")
_SECONDS = flags.DEFINE_float("seconds", 10, "Measured time of each row.")
_NEEDED = flags.DEFINE_float("needed", 0, "Clips a second that a step takes.")


def rate(items: Iterator, seconds: float) -> float:
    """Items a second, after the first two."""
    next(items), next(items)
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        next(items)
        count += 1
    return count / (time.perf_counter() - started)


def pipeline_row(dataset: FaceDataset, threads: int, workers: int) -> dict:
    """Measures the input pipeline with some threads and processes."""
    batches = train_batches(
        dataset,
        np.arange(len(dataset.labels)),
        {"label": dataset.labels},
        FrameSampling(_CLIP.value),
        batch_size=_BATCH.value,
        seed=0,
        threads=threads,
        workers=workers,
    )
    clips = rate(batches, _SECONDS.value) * _BATCH.value
    return {"threads": threads, "workers": workers, "clips_per_second": clips}


def image_files(views: np.ndarray, dataset: FaceDataset, kind: str, **options) -> list:
    """Encodes each view's channel groups as files of one kind; views (..., C)."""
    files = []
    for view in views.reshape(-1, *views.shape[-3:]):
        for channels in channel_slices(dataset.channels).values():
            content = io.BytesIO()
            group = view[..., channels]
            grey = group.shape[-1] == 1
            image = Image.fromarray(group[..., 0] if grey else group)
            image.save(content, kind, **options)
            files.append(content.getvalue())
    return files


def decode(files: list[bytes]) -> list[np.ndarray]:
    """Decodes image files."""
    return [np.asarray(Image.open(io.BytesIO(file))) for file in files]


def encodings(dataset: FaceDataset, count: int = 32) -> dict[str, dict]:
    """The first records, read as they are and as files of the other kinds."""
    source = RecordSource(dataset.path)
    count = min(count, len(source))
    clips = [source[i][_CLIP.value] for i in range(count)]
    images = int(np.prod(clips[0].shape[:2]))
    stored = sum(p.stat().length for p in dataset.path.glob("*array_record*"))

    def row(size: float, read: Callable[[int], object]) -> dict:
        clips_a_second = rate(
            (read(i) for i in itertools.cycle(range(count))), _SECONDS.value
        )
        return {
            "bytes_per_image": size,
            "images_per_second": clips_a_second * images,
        }

    rows = {
        "raw": row(stored / len(source) / images, source.__getitem__)
        | {"largest_error": 0}
    }
    kinds = {"png": {}, "jpeg": {"quality": 95, "subsampling": 0}}
    for kind, options in kinds.items():
        files = [image_files(clip, dataset, kind, **options) for clip in clips]
        size = sum(len(f) for clip in files for f in clip) / count / images
        rows[kind] = row(size, lambda i, files=files: decode(files[i]))
        back = [x.reshape(*x.shape[:2], -1) for x in decode(files[0])]
        groups = len(dataset.channels)
        whole = np.concatenate([np.stack(back[g::groups]) for g in range(groups)], -1)
        error = whole.astype(int) - clips[0].reshape(whole.shape)
        rows[kind]["largest_error"] = int(np.abs(error).max())
    return rows


def main(argv: list[str]) -> None:
    """Runs the experiment."""
    del argv
    dataset = open_dataset(_DIR.value)
    shape = RecordSource(dataset.path)[0][_CLIP.value].shape
    images = int(np.prod(shape[:2]))
    pairs = itertools.product(map(int, _THREADS.value), map(int, _WORKERS.value))
    rows = [pipeline_row(dataset, *pair) for pair in pairs]
    for row in rows:
        row["images_per_second"] = row["clips_per_second"] * images
        row["mb_per_second"] = row["clips_per_second"] * int(np.prod(shape)) / 1e6
    result = {
        "dataset": str(dataset.path),
        "clip_shape": list(shape),
        "cores": os.cpu_count(),
        "pipeline": rows,
        "encodings": encodings(dataset),
    }
    if _NEEDED.value:
        best = max(row["clips_per_second"] for row in rows)
        share = best / _NEEDED.value
        result["share_of_needed"] = share
        result["cores_needed"] = (os.cpu_count() or 1) / share
    print(json.dumps(result))


if __name__ == "__main__":
    app.run(main)
