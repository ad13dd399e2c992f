"""The training clips that a run keeps, beside its parameters, to judge new ones by.

`smile-jax evaluate` writes it: features by which other things than faces are
told, whose expressions are nearest, a linear probe, and what captions it knows.
"""

import dataclasses
import functools
import json
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from smile_jax.core.files import replace_files
from smile_jax.inference.prompting import unit_rows
from smile_jax.training.checkpoints import CheckpointError

FILE = "known.safetensors"
_NEAREST = 5  # whose mean distance counts
_MOST = 5000  # clips that are kept
_INSIDE = 0.99  # share of the training clips that are no farther from other people's


@dataclasses.dataclass(frozen=True)
class ReferenceSet:
    """Features and labels of n training clips.

    Attributes:
      features: fused features.
      images: joint embeddings, unit norm.
      labels: index into the classes, -1 where there is none.
      sequences, subjects: names.
      classes: of the run.
      captions: unit-norm prototypes of the texts that it was trained with, where each
        clip has its own; else of no row.
      probe, bias: of a linear probe on features, K columns; none without labels.
      far: distance of a clip from other people's, that 99 % of the clips do not exceed.
      step: of the parameters that it was computed by.
    """

    features: Float32[np.ndarray, "n F"]
    images: Float32[np.ndarray, "n E"]
    labels: Int32[np.ndarray, "n"]
    sequences: tuple[str, ...]
    subjects: tuple[str, ...]
    classes: tuple[str, ...]
    captions: Float32[np.ndarray, "N E"]
    probe: Float32[np.ndarray, "F K"]
    bias: Float32[np.ndarray, "K"]
    far: float
    step: int

    @classmethod
    def of_clips(
        cls,
        features: np.ndarray,
        images: np.ndarray,
        labels: np.ndarray,
        sequences: np.ndarray,
        subjects: np.ndarray,
        **more: Any,
    ) -> "ReferenceSet":
        """Makes the set and measures `far`; of many clips it keeps a random sample."""
        kept = np.random.default_rng(0).permutation(len(features))[:_MOST]
        kept.sort()
        features = features[kept].astype(np.float32)
        people = np.unique(subjects[kept], return_inverse=True)[1]
        return cls(
            features=features,
            images=images[kept].astype(np.float32),
            labels=labels[kept].astype(np.int32),
            sequences=tuple(map(str, sequences[kept])),
            subjects=tuple(map(str, subjects[kept])),
            far=_reach(features, people),
            **more,
        )

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Returns (m,) mean cosine distances from the nearest training clips.

        They are in units of `far`: hardly any face is above 1.
        """
        alike = unit_rows(features) @ self._units.T
        return _far_off(alike) / self.far

    def nearest(self, features: np.ndarray, count: int) -> list[list[tuple[str, str]]]:
        """Returns (sequence, class) of each row's most similar training clips."""
        order = np.argsort(-(unit_rows(features) @ self._units.T), axis=1)[:, :count]
        names = (*self.classes, "")
        return [[(self.sequences[i], names[self.labels[i]]) for i in r] for r in order]

    @functools.cached_property
    def _units(self) -> np.ndarray:
        return unit_rows(self.features)

    def save(self, folder: pathlib.Path) -> None:
        """Writes the set beside a run's checkpoints or an export's parameters."""
        named = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        arrays = {k: x for k, x in named.items() if isinstance(x, np.ndarray)}
        rest = {k: x for k, x in named.items() if k not in arrays}
        with replace_files(folder) as part:
            save_file(arrays, part / FILE, metadata={"known": json.dumps(rest)})

    @classmethod
    def load(cls, folder: pathlib.Path) -> "ReferenceSet | None":
        """Reads what `save` wrote; None if it wrote nothing.

        Raises:
          CheckpointError: it is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                rest = json.loads(file.metadata()["known"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            given: dict[str, Any] = arrays | {
                k: tuple(x) if isinstance(x, list) else x for k, x in rest.items()
            }
            return cls(**given)
        except (SafetensorError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(
                f"{path}: damaged ({error}); remove it, or evaluate the run again"
            ) from error


def _far_off(alike: np.ndarray) -> np.ndarray:
    """Mean distance of the nearest, of cosines (m, n)."""
    count = min(_NEAREST, alike.shape[1])
    nearest = np.partition(alike, -count, axis=1)[:, -count:]
    return 1 - nearest.mean(axis=1)


def _reach(features: np.ndarray, people: np.ndarray) -> float:
    """The distance from other people's clips that few clips exceed."""
    unit = unit_rows(features)
    found = []
    for person in np.unique(people):
        own = people == person
        if own.all():  # one person alone: no others
            return 1.0
        found.append(_far_off(unit[own] @ unit[~own].T))
    return max(float(np.quantile(np.concatenate(found), _INSIDE)), 1e-6)
