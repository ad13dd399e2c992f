"""Dynamic images: a clip summarised in one image by approximate rank pooling."""

import numpy as np
from jaxtyping import Float, Float32


def rank_pooling_weights(num_frames: int) -> Float32[np.ndarray, "t"]:
    """Weights of approximate rank pooling.

    Frame i of T has weight sum_{t=i}^{T} (2t - T - 1) / t (Bilen et al., "Dynamic
    Image Networks for Action Recognition", CVPR 2016). They sum to 0, so what does not
    move cancels; one frame alone has weight 1.

    Args:
      num_frames: T >= 1.

    Raises:
      ValueError: T < 1.

    Example:
      >>> rank_pooling_weights(5)
      array([-3.7,  0.3,  1.3,  1.3,  0.8], dtype=float32)
    """
    if num_frames < 1:
        raise ValueError(f"num_frames must be at least 1, got {num_frames}")
    if num_frames == 1:
        return np.ones(1, np.float32)
    t = np.arange(1, num_frames + 1)
    terms = (2 * t - num_frames - 1) / t
    return np.cumsum(terms[::-1])[::-1].astype(np.float32)


class RankPooling:
    """Rank-pools frames in [0, 1] one by one: memory does not grow with their number.

    The scale is fixed (0.5 + d / sum |weights|), never per sequence, so small motion
    stays small and 0.5 is where nothing moves (this project's choice). One frame alone
    is returned as it is.
    """

    def __init__(self, num_frames: int) -> None:
        self._weights = rank_pooling_weights(num_frames)
        self._sum: np.ndarray | float = 0.0

    def add(self, index: int, frame: Float[np.ndarray, "*image"]) -> None:
        """Adds frame `index` of 0 to num_frames - 1; each must be added once."""
        self._sum = self._sum + self._weights[index] * frame

    def image(self) -> Float32[np.ndarray, "*image"]:
        """The dynamic image in [0, 1]."""
        pooled = np.asarray(self._sum)
        if len(self._weights) > 1:
            pooled = 0.5 + pooled / np.abs(self._weights).sum()
        return pooled.astype(np.float32)


def dynamic_image(
    frames: Float[np.ndarray, "t *image"],
) -> Float32[np.ndarray, "*image"]:
    """The dynamic image of all frames at once, see `RankPooling`."""
    pooling = RankPooling(len(frames))
    for index, frame in enumerate(frames):
        pooling.add(index, frame)
    return pooling.image()
