"""The pose of a head by its 68 landmarks."""

import numpy as np

from smile_jax.mesh.pose import Anchors, Pose, pose_from_anchors

YAWS_DEG = (-30.0, 0.0, 30.0)  # of the pictures of a head that was turned to the front


def pose_of(points: np.ndarray) -> Pose:
    """Returns the head pose given by Multi-PIE's 68 points."""
    return pose_from_anchors(
        Anchors(
            eyes=(points[[36, 39]].mean(axis=0), points[[42, 45]].mean(axis=0)),
            mouth=points[[48, 54]].mean(axis=0),
            nose_tip=points[30],
        )
    )
