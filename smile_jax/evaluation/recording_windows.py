"""Recordings of a dataset as a run sees them: a feature for every window."""

import os
from typing import Any

import jax
import numpy as np

from smile_jax.config.factories import sampling, views_seen
from smile_jax.core import parallel
from smile_jax.data.dataset import FaceDataset, open_dataset
from smile_jax.data.time_windows import centres, filled_batches, windows
from smile_jax.evaluation.embed import forward_of
from smile_jax.evaluation.protocols import pixels_a_side
from smile_jax.evaluation.spotting_head import Recording
from smile_jax.evaluation.trained_run import ProtocolError, TrainedRun
from smile_jax.mesh.displacement import motion_of
from smile_jax.training.model_spec import plain_view

_AROUND_S = 0.5  # seconds before and after, to which a window's motion is compared


def read_recordings(
    run: TrainedRun, path: str | os.PathLike, window_s: float, every_s: float
) -> tuple[list[Recording], list[Recording]]:
    """Reads the recordings of a run's training people and of its test people.

    Args:
      run: that embeds windows.
      path: of a dataset whose records have `events`.
      window_s: length of a window, seconds.
      every_s: distance of two windows, seconds.

    Raises:
      ProtocolError: nothing is to be found there, its frame rate is not known, its
        people are others, or it was rendered otherwise.
    """
    dataset = open_dataset(path)
    _check(run, dataset)
    source = dataset.open_records()
    sides: tuple[list[Recording], list[Recording]] = ([], [])
    forward, params = _embedder(run, dataset)
    for row, subject in enumerate(dataset.subjects):
        fold = run.plan.folds.get(str(subject))
        if fold == run.config.data.validation_fold or fold is None:
            continue
        side = sides[fold == run.config.data.fold]
        side.append(_recording(run, source[row], forward, params, window_s, every_s))
    if not all(sides):
        raise ProtocolError(
            f"{dataset.path}: none of its people is on "
            f"{'the training' if not sides[0] else 'the test'} side of the run's folds"
        )
    return sides


def _check(run: TrainedRun, dataset: FaceDataset) -> None:
    """Refuses what the run cannot look at."""
    if not {"events", "motion"} <= dataset.field_names or not dataset.rates_known:
        raise ProtocolError(
            f"{dataset.path}: no recordings in which something is to be found: its "
            "records lack events, motion or a frame rate; build the config "
            "`recordings` of generated faces"
        )
    if run.plan.dataset.part_weights:
        raise ProtocolError(
            f"{run.workdir}: it was trained on a mixture, and recordings are searched "
            "by runs on one dataset alone"
        )
    if dataset.people != run.plan.dataset.people:
        raise ProtocolError(
            f"{dataset.path}: its people are {dataset.people}, the run's are "
            f"{run.plan.dataset.people}: nobody knows who of them was trained on"
        )
    c, shape = run.config, run.plan.clip_shape
    missing = [name for name in c.data.inputs if name not in dataset.channels]
    if missing or c.data.clip != "views" or len(dataset.yaws_deg) < views_seen(c):
        raise ProtocolError(
            f"{dataset.path}: it has {len(dataset.yaws_deg)} views of "
            f"{dataset.channels}, and the run sees {views_seen(c)} of {c.data.inputs} "
            f"(data.clip={c.data.clip!r}); train one with data.clip='views' on what it "
            "has"
        )
    size = pixels_a_side(run, dataset)
    if size != shape[2]:
        raise ProtocolError(
            f"{dataset.path}: pictures of {size} pixels, and the run saw {shape[2]}"
        )


def _embedder(run: TrainedRun, dataset: FaceDataset) -> tuple[Any, Any]:
    view = plain_view(run.config, run.stored.spec, dataset.yaws_deg, dataset.channels)
    devices = jax.local_devices()
    return forward_of(run.model, view), parallel.put_state(run.params, devices)


def _recording(
    run: TrainedRun,
    record: dict[str, Any],
    forward: Any,
    params: Any,
    window_s: float,
    every_s: float,
) -> Recording:
    rate_hz = float(record["rate_hz"])
    numbers = record["frame_index"]
    count = int((numbers >= 0).sum())
    places = centres(numbers, rate_hz, every_s)
    motion = motion_of(record["motion"][:count])
    clips = windows(record, places, sampling(run.config), window_s)
    devices = jax.local_device_count()
    size = -(-run.config.evaluation.batch_size // devices) * devices
    parts = []
    for batch, real in filled_batches(clips, size):
        found = np.asarray(forward(params, parallel.put_batch(batch))["fused"])
        parts.append(found.reshape(-1, found.shape[-1])[:real])
    fused = np.concatenate(parts)
    first = int(numbers[0])
    labelled = tuple(
        (int(onset) - first, int(offset) - first)
        for onset, _, offset, _ in record["events"]
        if onset >= 0
    )
    return Recording(
        name=record["sequence"].decode(),
        subject=record["subject"].decode(),
        rate_hz=rate_hz,
        motion=motion,
        labelled=labelled,
        places=places,
        features=np.concatenate([fused, _moves(motion, places, rate_hz)], axis=1),
    )


def _moves(motion: np.ndarray, places: np.ndarray, rate_hz: float) -> np.ndarray:
    """(w, 3) log mm: at each place, and least and most around it."""
    half = round(_AROUND_S * rate_hz)
    rows = []
    for place in places:
        around = motion[max(0, place - half) : place + half + 1]
        rows.append([motion[place], around.min(), around.max()])
    return np.log1p(np.asarray(rows, np.float32))
