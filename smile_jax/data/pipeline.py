"""Input pipeline: Grain over a TFDS data source, without TensorFlow.

The order of examples is a function of the seed alone. Process p of P reads every P-th
example of that order from the p-th on, so a step's global batch is the same set of
examples however many processes there are, and the position in the data is the step.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from smile_jax.core.extras import needed_for
from smile_jax.data.dataset import FaceDataset, Fields
from smile_jax.data.frames import FrameSampling, cut
from smile_jax.data.mixture import MixedDataset, MixedOrder, seed_of_part

with needed_for("training"):
    import grain

_ENDLESS = 1 << 50  # examples


class _Example(NamedTuple):
    """A record, and the fields of a batch."""

    record: dict[str, Any]
    fields: dict[str, np.ndarray]


class _Selection:
    """The chosen records, with the fields that are asked for."""

    def __init__(
        self, dataset: FaceDataset, records: np.ndarray, fields: Fields
    ) -> None:
        self._source = dataset.open_records()
        self._records, self._fields = records, fields

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> _Example:
        row = self._records[index]
        record = self._source[row]
        fields = {
            name: np.asarray(record[name] if column is None else column[row])
            for name, column in self._fields.items()
        }
        return _Example(record, fields)


@dataclasses.dataclass(frozen=True)
class _FrameCutter:
    """Takes from an example the frames that a model sees."""

    how: FrameSampling

    def __call__(
        self, example: _Example, rng: np.random.Generator | None = None
    ) -> dict[str, np.ndarray]:
        return cut(example.record, self.how, rng) | example.fields


class BlockedOrder:
    """An endless order in which `block` clips of one person follow each other.

    In every epoch each person's clips are shuffled, cut into blocks, and all blocks
    shuffled. The i-th clip depends on i and the seed alone.

    Args:
      subjects: (n,) of the clips.
      block: clips in a row.
      seed: of all epochs.
      places: (n,) of the clips among others; by default 0 to n - 1.
    """

    def __init__(
        self,
        subjects: np.ndarray,
        block: int,
        seed: int,
        places: np.ndarray | None = None,
    ) -> None:
        self._places = np.arange(len(subjects)) if places is None else places
        _, person = np.unique(subjects, return_inverse=True)
        self._clips = [np.flatnonzero(person == p) for p in range(person.max() + 1)]
        self._block, self._seed = block, seed
        self._length = sum(-(-len(c) // block) * block for c in self._clips)
        self._epoch: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def __getitem__(self, index: int) -> int:
        epoch, place = divmod(index, self._length)
        known, order = self._epoch
        if known != epoch:
            order = self._shuffled(epoch)
            self._epoch = epoch, order
        return int(self._places[order[place]])

    def _shuffled(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng((self._seed, epoch))
        blocks = []
        for clips in self._clips:
            mine = rng.permutation(clips)
            mine = np.resize(mine, -(-len(mine) // self._block) * self._block)
            blocks.append(mine.reshape(-1, self._block))
        return rng.permutation(np.concatenate(blocks)).ravel()


class _OrderedSelection:
    """A selection in another, endless order."""

    def __init__(self, selection: _Selection, order: BlockedOrder | MixedOrder) -> None:
        self._selection, self._order = selection, order

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, index: int) -> _Example:
        return self._selection[self._order[index]]


def train_batches(
    dataset: FaceDataset,
    records: np.ndarray,
    fields: Fields,
    how: FrameSampling,
    *,
    batch_size: int,
    seed: int,
    first_step: int = 0,
    process: int = 0,
    num_processes: int = 1,
    threads: int = 2,
    workers: int = 0,
    person_block: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """An endless, shuffled, resumable stream of this process's share of each batch.

    Args:
      dataset: from `open_dataset`.
      records: indices to train on.
      fields: what batches hold beside the pixels.
      how: frames are taken.
      batch_size: global batch B, a multiple of `num_processes`.
      seed: of the shuffling, every epoch has its own order, and of which frames are
        taken.
      first_step: start here; the batch of a step never depends on where one starts.
      process: number of this process, whose share is read.
      num_processes: number of processes.
      threads: that read and decode in this process.
      workers: processes that decode; 0 for none.
      person_block: clips of one person that follow each other; who has another number
        of them is seen again to fill his last block.

    Yields:
      `views` [B/P, T, A, H, W, C] as stored (`PIXELS`), `time_s` [B/P, T] and `apex`
      [B/P] (`frames.cut`), `row` int32 [B/P], each example's row in the global batch,
      and the fields [B/P, ...].
    """
    local = batch_size // num_processes
    selection = _Selection(dataset, records, fields)
    if isinstance(dataset, MixedDataset) or person_block > 1:
        order = _order(dataset, records, person_block, seed)
        stream = grain.MapDataset.source(_OrderedSelection(selection, order))
    else:
        stream = grain.MapDataset.source(selection).seed(seed).shuffle().repeat()
    # By the place in the order, so that a step's draws are the same after a resumption.
    if how.random:
        stream = stream.random_map(_FrameCutter(how), seed=seed)
    else:
        stream = stream.map(_FrameCutter(how))
    stream = stream[first_step * batch_size + process :: num_processes]
    rows = np.arange(process, batch_size, num_processes, dtype=np.int32)
    batches = (
        stream.batch(local)
        .map(lambda batch: batch | {"row": rows})
        .to_iter_dataset(
            grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
        )
    )
    if workers:
        if not flags.FLAGS.is_parsed():  # Grain's workers read absl flags
            flags.FLAGS.mark_as_parsed()
        batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    return iter(batches)


def _order(
    dataset: FaceDataset, records: np.ndarray, block: int, seed: int
) -> BlockedOrder | MixedOrder:
    """Each dataset of a mixture in an order of its own, and their turns."""
    if not isinstance(dataset, MixedDataset):
        return BlockedOrder(dataset.subjects[records], block, seed)
    orders = []
    for number, part in enumerate(dataset.parts):
        places = np.flatnonzero(dataset.part_numbers[records] == number)
        subjects = dataset.subjects[records[places]]
        own = BlockedOrder(subjects, block, seed_of_part(seed, part.name), places)
        orders.append(own)
    return MixedOrder(orders, [part.weight for part in dataset.parts], block)


def eval_batches(
    dataset: FaceDataset,
    records: np.ndarray,
    how: FrameSampling,
    *,
    batch_size: int,
    threads: int = 2,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields every record once, in order, and pads the last batch with `weight` 0.

    Nothing is drawn at random: windows are whole clips.
    """
    source = grain.MapDataset.source(_Selection(dataset, records, {}))
    stream = source.map(_FrameCutter(how)).batch(batch_size, drop_remainder=False)
    # An element is a batch: a few wait, however many there are.
    reading = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads + 1)
    for batch in stream.to_iter_dataset(reading):
        real = len(batch["views"])
        if missing := batch_size - real:
            batch = {
                name: np.concatenate([x, np.repeat(x[:1], missing, axis=0)])
                for name, x in batch.items()
            }
        yield batch | {"weight": np.arange(batch_size) < real}
