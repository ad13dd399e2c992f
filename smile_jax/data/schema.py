"""The example that every builder writes and every reader expects.

| feature | type | |
|---|---|---|
| `views` | uint8 [T, V, H, W, C] | channel groups in the config's order |
| `dynamic` | uint16 [1, V, H, W, C] | rank-pooled clip, where the config asks for it |
| `expression` | ClassLabel | -1 where there is none, or not one |
| `subject`, `sequence` | text | `sequence` is unique |
| `frame_index` | int32 [T] | of each frame in its sequence; -1: there is none |
| `rate_hz` | float32 | frames a second of the sequence, 0 where not known |
| `motion` | float32 [T, 64] | mm since the first frame, `smile_jax.mesh.displacement` |
| `caption` | text | movements in words, where the config asks for captions |
| `actions` | float32 [30] | the same as numbers (`smile_jax.faces.captions`) |
| `rest` | text | against what they were measured: `smile_jax.faces.landmark_motion` |
| `intensity` | int32 | 1 to 4, 0 neutral, -1 unknown |
| `gender`, `ethnicity` | text | "unknown" where the names do not tell |
| `yaw_deg` | float32 [V] | camera yaws |
| `mm_per_pixel` | float32 | at the framing's centre |
| `seed` | int64 | of generated faces, -1 else |

Pixels: background is 0 in every channel. `texture` RGB; `depth` 1..255 over one
framing extent, nearer is brighter; `normals` 127.5 + 127 n in camera axes. Since the
first frame of a sequence, less the head's own motion: `displacement` is 128 + 127 d /
(|d| + 2 mm) along the first frame's axes (of scans that are not in correspondence only
what goes along the surface's normals), `strain` 128 + 127 s / (s + 5 %). In `dynamic`
32767.5 is where nothing moves, 65535 what the brightest frame alone gives.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smile_jax.core.extras import needed_for
from smile_jax.data.channels import num_channels
from smile_jax.data.records import PIXELS
from smile_jax.data.rendering import RenderConfig
from smile_jax.faces.captions import NUM_ACTIONS
from smile_jax.mesh.displacement import REGIONS

with needed_for("a dataset"):
    import tensorflow_datasets as tfds


@dataclasses.dataclass(kw_only=True)
class FacesConfig(RenderConfig, tfds.core.BuilderConfig):
    """A builder's config: a name, and the settings of `RenderConfig`."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ValueError(
                f"name={self.name!r} must be letters, digits, '_', '-' and '.': it "
                "becomes a folder"
            )
        super().__post_init__()


def face_features(
    config: FacesConfig, classes: Sequence[str], extra: Mapping[str, Any]
) -> tfds.features.FeaturesDict:
    """The schema as TFDS features, with a builder's extra ones."""
    image = (
        len(config.yaws_deg),
        config.size,
        config.size,
        num_channels(config.channels),
    )

    # Raw bytes: ArrayRecord compresses each record, and decoding is a copy.
    def clip(name: str, frames: int) -> tfds.features.Tensor:
        return tfds.features.Tensor(
            shape=(frames, *image), dtype=PIXELS[name], encoding="bytes"
        )

    features: dict[str, Any] = {
        "expression": tfds.features.ClassLabel(names=list(classes) or ["unknown"]),
        "subject": tfds.features.Text(),
        "sequence": tfds.features.Text(),
        "intensity": np.int32,
        "gender": tfds.features.Text(),
        "ethnicity": tfds.features.Text(),
        "yaw_deg": tfds.features.Tensor(
            shape=(len(config.yaws_deg),), dtype=np.float32
        ),
        "mm_per_pixel": np.float32,
        "rate_hz": np.float32,
        "seed": np.int64,
    }
    features.update(extra)
    if config.frames:
        features["views"] = clip("views", config.frames)
        features["frame_index"] = tfds.features.Tensor(
            shape=(config.frames,), dtype=np.int32
        )
    if config.motion:
        features["motion"] = tfds.features.Tensor(
            shape=(config.frames, REGIONS), dtype=np.float32
        )
    if config.captions:
        features["caption"] = tfds.features.Text()
        features["actions"] = tfds.features.Tensor(
            shape=(NUM_ACTIONS,), dtype=np.float32
        )
        features["rest"] = tfds.features.Text()
    if config.dynamic:
        features["dynamic"] = clip("dynamic", 1)
    return tfds.features.FeaturesDict(features)
