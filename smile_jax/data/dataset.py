"""A built dataset: its metadata, and facts of every record."""

import dataclasses
import functools
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from smile_jax.data.record_index import make_index, read_index
from smile_jax.data.records import FORMAT, PIXELS, DataError, RecordSource
from smile_jax.data.rendering import RenderConfig

# Name -> (n,) value of every record of a dataset, or None: the records hold it.
Fields = Mapping[str, np.ndarray | None]

# Fields that are worked out of a dataset's index (`data.batch_fields`).
DERIVED = ("label", "prompt", "subject", "sequence", "dataset")

_METADATA = {"channels", "yaws_deg", "classes", "pose", "people"}


@dataclasses.dataclass(frozen=True)
class FaceDataset:
    """A built dataset and what its metadata and records say.

    Attributes:
      path: the version folder, local or on object storage.
      channels: channel groups of the pixels, in order.
      yaws_deg: camera yaws of the views.
      classes: all class names.
      clips: pixel features: "views", "dynamic" or both.
      pose, framing: how heads were turned and framed, see `RenderConfig`; framing
        is "landmarks" where an earlier version used what files do not have.
      still, magnify, band_hz: what was done to motion, see there; nothing, where an
        earlier version did not say.
      extents_mm: smallest and largest side of what a picture shows, None where the
        index is of an earlier version.
      people: whose subjects these are; datasets that say the same share them.
      labels: (n,) class index of each record, -1 where it has none.
      subjects, sequences: (n,) names.
      intensities: (n,).
      captions: (n,) texts, or None where the dataset has none.
      stored: shape and dtype of every number that records hold, pixels left out.
      frames: that a record has room for; 0 where "views" are not kept.
      rates_known: whether every record has a frame rate.
    """

    path: epath.Path
    channels: tuple[str, ...]
    yaws_deg: tuple[float, ...]
    classes: tuple[str, ...]
    clips: tuple[str, ...]
    pose: str
    framing: str
    still: bool
    magnify: float
    band_hz: tuple[float, ...]
    extents_mm: tuple[float, float] | None
    people: str
    labels: np.ndarray
    subjects: np.ndarray
    sequences: np.ndarray
    intensities: np.ndarray
    captions: np.ndarray | None
    stored: dict[str, tuple[tuple[int, ...], np.dtype]]
    frames: int
    rates_known: bool

    @functools.cached_property
    def contents(self) -> str:
        """A checksum of the records' people, labels and captions."""
        columns = [self.subjects, self.sequences, self.labels, self.intensities]
        if self.captions is not None:
            columns.append(self.captions)
        lists = [column.tolist() for column in columns]
        text = json.dumps([self.classes, *lists], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def location(self) -> str:
        """Where it is, as `data.mixture.open_location` takes it."""
        return str(self.path.absolute())

    @property
    def part_numbers(self) -> np.ndarray:
        """(n,) number of the dataset that each record is of; 0, but in a mixture."""
        return np.zeros(len(self.labels), np.int32)

    @property
    def part_weights(self) -> Mapping[str, float]:
        """The datasets of a mixture, <name>/<config>, and their weights; else none."""
        return {}

    @property
    def groups(self) -> Mapping[str, np.ndarray]:
        """Records by whose they are: of one group in all but mixtures."""
        return {self.people: np.arange(len(self.labels))}

    def own_subject(self, name: str) -> str:
        """A subject's name in the dataset that they are of."""
        return name

    def open_records(self, *, pixels: bool = True) -> RecordSource:
        """Random access to the records.

        Args:
          pixels: also decode the pictures.
        """
        return RecordSource(self.path, pixels=pixels)

    def records_of(self, classes: Sequence[str]) -> np.ndarray:
        """Indices of the records of some classes."""
        wanted = [self.classes.index(name) for name in classes if name in self.classes]
        return np.flatnonzero(np.isin(self.labels, wanted))

    def labels_over(self, classes: Sequence[str]) -> np.ndarray:
        """(n,) index into `classes` of each record, -1 where it is of none of them."""
        position = {name: i for i, name in enumerate(classes)}
        lookup = [position.get(name, -1) for name in self.classes]
        return np.array([*lookup, -1], np.int32)[self.labels]

    @property
    def field_names(self) -> set[str]:
        """Names of all that a batch can hold beside the pixels."""
        return {*DERIVED, *self.stored}

    def spread_views(self, count: int) -> tuple[int, ...]:
        """Views spread evenly over the dataset's, in order of yaw."""
        return spread_views(self.yaws_deg, count)


def differences(
    first: FaceDataset, other: FaceDataset, names: Sequence[str]
) -> list[str]:
    """Lists the attributes in which another dataset differs, for error messages."""
    return [
        f"its {name} are {getattr(other, name)}, not {getattr(first, name)}"
        for name in names
        if getattr(first, name) != getattr(other, name)
    ]


def spread_views(yaws_deg: Sequence[float], count: int) -> tuple[int, ...]:
    """Returns the indices of `count` cameras spread evenly, in order of yaw.

    A single one is the middle camera.
    """
    order = np.argsort(yaws_deg)
    if count == 1:
        return (int(order[(len(order) - 1) // 2]),)
    picked = np.linspace(0, len(order) - 1, count).round().astype(int)
    return tuple(order[picked].tolist())


def open_dataset(path: str | os.PathLike) -> FaceDataset:
    """Opens a dataset that a builder of this project wrote.

    Args:
      path: `<data_dir>/<name>/<config>[/<version>]`; the newest version by default.
        gs:// and what else etils' epath and ArrayRecord know works too.

    Raises:
      DataError: there is none, it is incomplete, or it has another schema.
    """
    folder = _version_folder(epath.Path(path))
    source = RecordSource(folder, pixels=False)
    metadata = source.builder.info.metadata
    if not metadata or not set(metadata) >= _METADATA:
        raise DataError(
            f"{folder}: not a dataset of this project's builders as they are now (its "
            f"metadata does not have {', '.join(sorted(_METADATA))}); build it from "
            "anew: remove the folder and use `smile-jax build`"
        )
    written = source.builder.info.file_format
    if written is None or written.value != FORMAT:
        raise DataError(
            f"{folder}: written as {written and written.value}, which cannot be read "
            "in any order; remove the folder and build it again with `smile-jax "
            f"build`, which writes {FORMAT}"
        )
    index = _index(folder, source)
    return FaceDataset(
        path=folder,
        channels=tuple(metadata["channels"]),
        yaws_deg=tuple(metadata["yaws_deg"]),
        classes=tuple(metadata["classes"]),
        pose=metadata["pose"],
        framing=metadata.get("framing") or framing_before(source.builder.info.name),
        still=metadata.get("still", RenderConfig.still),
        magnify=metadata.get("magnify", RenderConfig.magnify),
        band_hz=tuple(metadata.get("band_hz", RenderConfig.band_hz)),
        extents_mm=_extents(index, source.builder.info.features),
        people=metadata["people"],
        clips=tuple(c for c in PIXELS if c in source.builder.info.features),
        labels=index["expression"],
        subjects=index["subject"],
        sequences=index["sequence"],
        intensities=index["intensity"],
        captions=index.get("caption"),
        stored=_stored(source.builder.info.features),
        frames=_frames(source.builder.info.features),
        rates_known="rate_hz" in index and bool((index["rate_hz"] > 0).all()),
    )


def framing_before(name: str) -> str:
    """Returns the framing of datasets whose metadata do not name it.

    Generated heads were framed by landmarks, others by their box.
    """
    return "landmarks" if name in ("synthetic_faces", "ict_faces") else "box"


def _extents(
    index: Mapping[str, np.ndarray], features: Any
) -> tuple[float, float] | None:
    if "mm_per_pixel" not in index:
        return None
    size = next(features[clip].shape[-2] for clip in PIXELS if clip in features)
    extents = index["mm_per_pixel"] * size
    return float(extents.min()), float(extents.max())


def _frames(features: Any) -> int:
    return features["views"].shape[0] if "views" in features else 0


def _stored(features: Any) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Numbers of a record; its class is left out, for `labels` are over all classes."""
    found = {name: (x.shape, np.dtype(x.np_dtype)) for name, x in features.items()}
    return {
        name: (shape, dtype)
        for name, (shape, dtype) in found.items()
        if dtype.kind in "iuf" and name not in (*PIXELS, "expression")
    }


def _index(path: epath.Path, source: RecordSource) -> dict[str, np.ndarray]:
    """The builder's index; that of the records where a copy came without it."""
    shards = source.shards()
    missing = [name for name, size in shards.items() if size is None]
    if missing:
        raise DataError(
            f"{path / missing[0]}: a shard is missing ({len(missing)} in all); copy "
            "the dataset again, or remove the folder and use `smile-jax build`"
        )
    index = read_index(path, shards)
    return index or make_index(source[i] for i in range(len(source)))


def _version_folder(path: epath.Path) -> epath.Path:
    there = path.iterdir() if path.is_dir() else ()  # a glob would read the path
    versions = [p for p in there if re.fullmatch(r"\d+\.\d+\.\d+", p.name)]
    newest = sorted(versions, key=lambda p: [int(n) for n in p.name.split(".")])
    candidates = [path, *reversed(newest)]
    for folder in candidates:
        if (folder / "dataset_info.json").is_file():
            return folder
    if not path.is_dir():
        what = "there is no such folder"
    else:
        found = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
        what = f"it holds no dataset_info.json, only {found}"
    raise DataError(
        f"{path}: no dataset there ({what}). Expected <data_dir>/<name>/<config>, as "
        "written by `smile-jax build <name> --config=<config> --data_dir=<data_dir>`"
    )
