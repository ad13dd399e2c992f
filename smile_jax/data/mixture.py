"""Several built datasets as one: their people, classes and records side by side.

Classes are joined by name. People are kept apart by whose they are
(`FaceDataset.people`): two configs of one dataset share theirs, two datasets never do.
In training datasets take turns by their weights, within every batch.
"""

import dataclasses
import functools
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath
from typing_extensions import override

from smile_jax.data.dataset import FaceDataset, differences, open_dataset
from smile_jax.data.records import DataError, RecordSource

Weighted = Sequence[tuple[str, float]]

_AND = " + "  # between the folders of a mixture, where they are one text
# What all must have alike, for their clips lie in one batch.
_ALIKE = (
    "channels", "yaws_deg", "clips", "frames", "pose", "framing", "still", "magnify",
    "band_hz",
)  # fmt: skip
_PERIOD = 1_000  # blocks, in which shares are as near to the weights as they can be


@dataclasses.dataclass(frozen=True)
class Part:
    """A dataset of a mixture.

    Attributes:
      name: <name>/<config>.
      dataset: itself.
      weight: of its share, relative to the others'.
      first: number of its first record among all.
    """

    name: str
    dataset: FaceDataset
    weight: float
    first: int


@dataclasses.dataclass(frozen=True)
class MixedDataset(FaceDataset):
    """A dataset whose records are those of its parts, one after the other.

    Attributes:
      parts: in the order of their records.
    """

    parts: tuple[Part, ...] = ()

    @override
    @property
    def location(self) -> str:
        return location_of([part.dataset.location for part in self.parts])

    @override
    @functools.cached_property
    def part_numbers(self) -> np.ndarray:
        sizes = [len(part.dataset.labels) for part in self.parts]
        return np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)

    @override
    @property
    def part_weights(self) -> Mapping[str, float]:
        return {part.name: part.weight for part in self.parts}

    @override
    def open_records(self, *, pixels: bool = True) -> "MixedRecords":
        sources = [part.dataset.open_records(pixels=pixels) for part in self.parts]
        return MixedRecords(sources, [part.first for part in self.parts])

    @override
    @functools.cached_property
    def groups(self) -> Mapping[str, np.ndarray]:
        names = np.array([part.dataset.people for part in self.parts])
        of_record = names[self.part_numbers]
        return {
            str(name): np.flatnonzero(of_record == name)
            for name in dict.fromkeys(names.tolist())
        }

    @override
    def own_subject(self, name: str) -> str:
        return name.partition(": ")[2]


class MixedRecords(RecordSource):
    """Random access to the records of several datasets, as if they were one's.

    Args:
      sources: of the datasets.
      firsts: number of the first record of each among all.
    """

    def __init__(self, sources: Sequence[RecordSource], firsts: Sequence[int]) -> None:
        self._sources, self._firsts = list(sources), list(firsts)

    @override
    @property
    def builder(self) -> Any:
        """TFDS' builder of the first one, which the others resemble."""
        return self._sources[0].builder

    @override
    def __len__(self) -> int:
        return self._firsts[-1] + len(self._sources[-1])

    @override
    def __getitem__(self, index: int) -> dict[str, Any]:
        part = int(np.searchsorted(self._firsts, index, side="right")) - 1
        return self._sources[part][index - self._firsts[part]]

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {"_sources": self._sources, "_firsts": self._firsts}


def open_mixture(mixture: Weighted) -> FaceDataset:
    """Opens the datasets of a mixture; one alone is opened as itself.

    Args:
      mixture: folder, as `open_dataset` takes it, and weight of each; 0 skips one.

    Raises:
      DataError: one cannot be opened, or their clips do not fit into one batch.
    """
    opened = [(open_dataset(path), weight) for path, weight in mixture if weight]
    first = opened[0][0]
    if len(opened) == 1:
        return first
    _check_distinct([dataset for dataset, _ in opened])
    _check_turns([weight for _, weight in opened])
    for other, _ in opened[1:]:
        _check_alike(first, other)
    sizes = [len(dataset.labels) for dataset, _ in opened]
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    parts = tuple(
        Part(_name_of(dataset), dataset, weight, start)
        for (dataset, weight), start in zip(opened, starts, strict=True)
    )
    datasets = [dataset for dataset, _ in opened]
    classes = tuple(dict.fromkeys(name for d in datasets for name in d.classes))
    captions = [d.captions for d in datasets]
    extents = [d.extents_mm for d in datasets]
    known = [pair for pair in extents if pair is not None]
    return MixedDataset(
        **{name: getattr(first, name) for name in _ALIKE},
        path=epath.Path(_AND.join(part.name for part in parts)),
        classes=classes,
        extents_mm=(min(low for low, _ in known), max(high for _, high in known))
        if len(known) == len(extents)
        else None,
        people=_AND.join(sorted({d.people for d in datasets})),
        labels=np.concatenate([d.labels_over(classes) for d in datasets]),
        subjects=np.concatenate([_prefixed(d.people, d.subjects) for d in datasets]),
        sequences=np.concatenate(
            [_prefixed(part.name, part.dataset.sequences) for part in parts]
        ),
        intensities=np.concatenate([d.intensities for d in datasets]),
        captions=None
        if any(c is None for c in captions)
        else np.concatenate([c for c in captions if c is not None]),
        stored={
            name: value
            for name, value in first.stored.items()
            if all(d.stored.get(name) == value for d in datasets)
        },
        rates_known=all(d.rates_known for d in datasets),
        parts=parts,
    )


def open_location(location: str) -> FaceDataset:
    """Opens what `FaceDataset.location` names: a dataset, or several as one.

    Raises:
      DataError: as of `open_dataset`.
    """
    return open_mixture([(folder, 1.0) for folder in folders_of(location)])


def folders_of(location: str) -> list[str]:
    """The folders of a location's datasets."""
    return location.split(_AND)


def location_of(folders: Sequence[str]) -> str:
    """The location of several datasets, as one."""
    return _AND.join(folders)


def at_location(mixture: Weighted, location: str) -> tuple[tuple[str, float], ...]:
    """A mixture with the folders that a location names in place of its own."""
    weights = [weight for _, weight in mixture if weight]
    return tuple(zip(folders_of(location), weights, strict=True))


def without_folders(location: str) -> str:
    """A location as it is known anywhere: <name>/<config>/<version>."""
    folders = [pathlib.PurePath(folder) for folder in folders_of(location)]
    return location_of(["/".join(folder.parts[-3:]) for folder in folders])


def dataset_names(location: str) -> str:
    """The names of a location's datasets, in words."""
    folders = [pathlib.PurePath(folder) for folder in folders_of(location)]
    return ", ".join(dict.fromkeys(f.parent.parent.name for f in folders))


class MixedOrder:
    """An endless order in which each part has its share of every stretch.

    The i-th place depends on i and the seeds alone.

    Args:
      orders: of each part, endless: place -> position among what is trained on.
      weights: of each part.
      block: places in a row that one part has.
    """

    def __init__(
        self, orders: Sequence[Any], weights: Sequence[float], block: int
    ) -> None:
        self._orders, self._block = list(orders), block
        self._turns = turns_of(weights)
        mine = self._turns[:, None] == np.arange(len(self._orders))
        self._before = np.cumsum(mine, axis=0) - mine
        self._each = mine.sum(axis=0)

    def __getitem__(self, index: int) -> int:
        block, place = divmod(index, self._block)
        period, slot = divmod(block, _PERIOD)
        part = self._turns[slot]
        number = period * self._each[part] + self._before[slot, part]
        return self._orders[part][int(number) * self._block + place]


def turns_of(weights: Sequence[float]) -> np.ndarray:
    """(1000,) whose turn it is: at any time shares are right to a turn of each."""
    share = np.asarray(weights, np.float64) / np.sum(weights)
    given = np.zeros(len(share))
    turns = np.empty(_PERIOD, np.int64)
    for slot in range(_PERIOD):
        turns[slot] = np.argmax(share * (slot + 1) - given)
        given[turns[slot]] += 1
    return turns


def shares_between(
    weights: Sequence[float], block: int, first: int, last: int
) -> np.ndarray:
    """Each part's share of the places from `first` up to `last` of a `MixedOrder`."""
    counts = _count(weights, block, last) - _count(weights, block, first)
    return counts / max(last - first, 1)


def _count(weights: Sequence[float], block: int, places: int) -> np.ndarray:
    """How many of the first places each part has."""
    turns = turns_of(weights)
    blocks, rest = divmod(places, block)
    periods, slots = divmod(blocks, _PERIOD)
    parts = len(weights)
    found = block * (
        periods * np.bincount(turns, minlength=parts)
        + np.bincount(turns[:slots], minlength=parts)
    )
    if rest:
        found[turns[slots]] += rest
    return found


def seed_of_part(seed: int, name: str) -> int:
    """The seed of a part's order: that of no other, wherever it stands in the list."""
    return zlib.crc32(f"{seed}/{name}".encode())


def _name_of(dataset: FaceDataset) -> str:
    return "/".join(dataset.path.parts[-3:-1])


def _prefixed(prefix: str, names: np.ndarray) -> np.ndarray:
    return np.array([f"{prefix}: {name}" for name in names])


def _check_distinct(datasets: Sequence[FaceDataset]) -> None:
    names = [_name_of(dataset) for dataset in datasets]
    for dataset, name in zip(datasets, names, strict=True):
        if names.count(name) > 1:
            raise DataError(
                f"{dataset.path}: the mixture has {name} twice; add its weights up, or "
                "build one of the two by another config name"
            )


def _check_turns(weights: Sequence[float]) -> None:
    turns = np.bincount(turns_of(weights), minlength=len(weights))
    if not turns.all():
        raise DataError(
            f"the mixture's weights {list(weights)}: the smallest has no turn in "
            f"{_PERIOD}; make it larger, or set it to 0"
        )


def _check_alike(first: FaceDataset, other: FaceDataset) -> None:
    found = differences(first, other, _ALIKE)
    sizes = [_sizes(dataset) for dataset in (first, other)]
    if sizes[0] != sizes[1]:
        found.append(f"its pixels are {sizes[1]}, not {sizes[0]}")
    if found:
        listed = "\n  ".join(found)
        raise DataError(
            f"{other.path}: its clips do not fit into one batch with those of "
            f"{first.path}:\n  {listed}\nBuild the two alike, or leave one out "
            "(weight 0)"
        )


def _sizes(dataset: FaceDataset) -> dict[str, tuple[int, ...]]:
    features = RecordSource(dataset.path).builder.info.features
    return {clip: tuple(features[clip].shape) for clip in dataset.clips}
