"""Shared by the builders of Binghamton University's sets."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping

from smile_jax.data.pose_landmarks import BINGHAMTON_ROWS, binghamton_anchors
from smile_jax.data.scan_builder import ScanConfig
from smile_jax.mesh.pose import Anchors

HOMEPAGE = "https://www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html"


@dataclasses.dataclass(kw_only=True)
class BinghamtonConfig(ScanConfig):
    """A set with `.bnd` files of 83 landmarks.

    Attributes:
      landmark_rows: rows of `.bnd` that `pose="landmarks"` uses.
    """

    landmark_rows: Mapping[str, tuple[int, int]] = dataclasses.field(
        default_factory=lambda: dict(BINGHAMTON_ROWS)
    )

    def anchors_of(self, bnd: pathlib.Path | None) -> Callable[[], Anchors] | None:
        """Reads the landmarks of a `.bnd` file, where there is one."""
        if bnd is None:
            return None
        return functools.partial(binghamton_anchors, bnd, rows=self.landmark_rows)
