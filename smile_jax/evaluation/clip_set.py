"""The clips of a run's folds: their fields, and one pass over their pictures."""

import dataclasses
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from smile_jax.data.batch_fields import read_fields
from smile_jax.data.dataset import FaceDataset
from smile_jax.evaluation.embed import ClipReader, EmbeddedSet, embed_clips
from smile_jax.evaluation.pixel_baseline import shrink_of
from smile_jax.evaluation.row_store import RowStore
from smile_jax.evaluation.trained_run import TrainedRun
from smile_jax.models import Encoder

_PIXELS = "pixels"  # the store of pictures, beside those of models


@dataclasses.dataclass(frozen=True)
class ClipSet:
    """Clips of one dataset or two, each once, whatever folds it is in.

    Attributes:
      parts: a dataset as the run sees it, and records of it, rising; one part where
        training and test clips are of one dataset, else that of the training clips and
        that of the test clips.
    """

    parts: list[tuple[ClipReader, np.ndarray]]

    @classmethod
    def of_run(
        cls,
        run: TrainedRun,
        sides: Sequence[tuple[np.ndarray, np.ndarray]],
        tested_on: FaceDataset,
    ) -> "ClipSet":
        """Collects the clips of some (train, test) records.

        Train records are of the run's own dataset, test records of `tested_on`.
        """
        own = run.plan.dataset
        train, test = (np.concatenate(x) for x in zip(*sides, strict=True))
        wanted = [(own, train), (tested_on, test)]
        if tested_on is own:
            wanted = [(own, np.concatenate([train, test]))]
        return cls(
            [
                (
                    ClipReader.of_run(run.config, run.stored.spec, dataset),
                    np.unique(records),
                )
                for dataset, records in wanted
            ]
        )

    def __len__(self) -> int:
        return sum(len(records) for _, records in self.parts)

    def rows(self, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Returns the places of training and then test records among the clips."""
        first, last = self.parts[0][1], self.parts[-1][1]
        before = len(first) if len(self.parts) > 1 else 0
        found = np.searchsorted(first, train), before + np.searchsorted(last, test)
        return np.concatenate(found)

    def fields(
        self, names: Collection[str], classes: tuple[str, ...]
    ) -> dict[str, np.ndarray]:
        """Returns fields of all clips; people of two datasets get distinct numbers."""
        found: list[dict[str, np.ndarray]] = []
        for reader, records in self.parts:
            new = read_fields(names, reader.dataset, classes, records)
            for name in {"subject", "sequence"} & new.keys() if found else ():
                new[name] = new[name] + found[0][name].max() + 1
            found.append(new)
        return {name: np.concatenate([part[name] for part in found]) for name in names}

    def stores(self, name: str) -> bool:
        """Returns True if the records of every clip have a field."""
        return all(name in reader.dataset.stored for reader, _ in self.parts)

    def embed(
        self,
        model: Encoder,
        models: Mapping[str, Any],
        subsets: Sequence[tuple[int, ...]],
        folder: pathlib.Path,
        *,
        pixels: bool,
    ) -> tuple[dict[str, EmbeddedSet], np.ndarray | None]:
        """Embeds all clips in one pass over their pictures.

        Args:
          model: all models have its shape.
          models: name -> parameters on the host.
          subsets: of the views, that are fused by themselves too.
          folder: with room for the results.
          pixels: also return what the models see, averaged down (n, p).
        """
        names = [*models, *([_PIXELS] if pixels else [])]
        stores = {name: RowStore(len(self), folder) for name in names}
        first = 0
        for reader, records in self.parts:
            more = {_PIXELS: shrink_of(reader.view)} if pixels else {}
            embed_clips(
                reader,
                records,
                model,
                models,
                stores,
                first_row=first,
                subsets=subsets,
                more=more,
            )
            first += len(records)
        embedded = {n: EmbeddedSet.of_store(stores[n], len(subsets)) for n in models}
        return embedded, stores[_PIXELS]["rows"] if pixels else None
