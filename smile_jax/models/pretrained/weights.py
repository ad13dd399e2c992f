"""Weights in safetensors files: one, or several with an index."""

import json
import pathlib

import numpy as np
import safetensors
from safetensors.numpy import save_file

from smile_jax.models.pretrained.hub import PretrainedError

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"


def read_weights(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads all tensors of a model as float32.

    Raises:
      PretrainedError: no safetensors file, or a damaged or missing one.
    """
    files = _files(folder)
    weights: dict[str, np.ndarray] = {}
    for path in files:
        try:
            with safetensors.safe_open(path, framework="numpy") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    weights[name] = tensors.get_tensor(name).astype(np.float32)
        except (OSError, safetensors.SafetensorError) as error:
            raise PretrainedError(
                f"{path}: cannot be read ({error}); download it again"
            ) from error
    return weights


def write_weights(folder: pathlib.Path, weights: dict[str, np.ndarray]) -> None:
    """Writes `model.safetensors` as transformers would."""
    write_tensors(folder / _SINGLE, weights)


def write_tensors(path: pathlib.Path, tensors: dict[str, np.ndarray]) -> None:
    """Writes arrays of any layout in memory, scalars as scalars."""
    ordered = {name: np.array(x, order="C") for name, x in tensors.items()}
    save_file(ordered, path, metadata={"format": "pt"})


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    if (folder / _SINGLE).is_file():
        return [folder / _SINGLE]
    if (folder / _INDEX).is_file():
        try:
            index = json.loads((folder / _INDEX).read_text())
            names = set(index["weight_map"].values())
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise PretrainedError(
                f"{folder / _INDEX}: no index of shards with a `weight_map` "
                f"({error!r}); download it again"
            ) from error
        missing = sorted(name for name in names if not (folder / name).is_file())
        if missing:
            raise PretrainedError(
                f"{folder}: {_INDEX} names {', '.join(missing)}, which "
                f"{'is' if len(missing) == 1 else 'are'} not there; download the rest"
            )
        return [folder / name for name in sorted(names)]
    found = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
    raise PretrainedError(
        f"{folder}: no {_SINGLE} and no {_INDEX}, only {found}. Weights in other "
        "formats (pytorch_model.bin) must be converted: load them with transformers "
        "and save_pretrained(folder)"
    )
