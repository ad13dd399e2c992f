"""The functions on trained models that `import smile_jax` offers."""

import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from smile_jax.inference.recognizer import Recognizer


def load(run: str | pathlib.Path) -> Recognizer:
    """Loads a trained model to `predict` with.

    Args:
      run: a run's folder, what `smile-jax export` wrote, or the hub name of
        such.

    Raises:
      CheckpointError: there is nothing that this version can use.
    """
    return Recognizer.load(run)


def embed_text(
    texts: Sequence[str], run: str | pathlib.Path | Recognizer
) -> Float32[np.ndarray, "n E"]:
    """Embeds texts with unit norm, in the space of `Prediction.embedding`.

    Args:
      texts: n of them.
      run: as of `load`, or what that gave.

    Raises:
      ValueError: a text does not fit the tower, or words mean nothing to the run.
    """
    model = run if isinstance(run, Recognizer) else load(run)
    return model.embed_text(texts)
