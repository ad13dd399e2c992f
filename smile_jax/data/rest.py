"""A person's face at rest, against which captions are measured."""

import functools
from collections.abc import Sequence

from smile_jax.faces.families.procedural import load_procedural
from smile_jax.faces.landmark_motion import (
    Reference,
    ScanPoints,
    modelled_at_rest,
    person_at_rest,
)

_ENOUGH = 3  # readable scans of a person, of which the median is at rest


def rest_of_person(scans: Sequence[ScanPoints]) -> Reference | None:
    """Returns the median of a person's scans; None of fewer than three.

    Args:
      scans: whatever they show, in an order that is always the same.
    """
    return person_at_rest(scans) if len(scans) >= _ENOUGH else None


def rest_by_model(scan: ScanPoints) -> Reference:
    """Returns the face model's idea of how a person looks at rest, by one scan.

    Raises:
      MeshError: the landmarks do not suffice.
    """
    return modelled_at_rest(scan, _model())


_model = functools.cache(load_procedural)
