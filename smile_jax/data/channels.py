"""The channel groups of rendered views, and where each lies in the last axis."""

import itertools
from collections.abc import Sequence

CHANNELS = {"texture": 3, "depth": 1, "normals": 3, "displacement": 3, "strain": 1}
MOVING = ("displacement", "strain")  # against the first frame of a sequence


def num_channels(channels: Sequence[str]) -> int:
    """Total C of the named groups."""
    return sum(CHANNELS[name] for name in channels)


def channel_slices(channels: Sequence[str]) -> dict[str, slice]:
    """Returns the slice of each channel group in the last axis of `views`."""
    stops = list(itertools.accumulate(CHANNELS[name] for name in channels))
    return {
        name: slice(stop - CHANNELS[name], stop)
        for name, stop in zip(channels, stops, strict=True)
    }
