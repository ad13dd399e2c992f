"""Motion magnified in the geometry."""

import dataclasses

import numpy as np
import pytest

from smile_jax.faces import load_face_model
from smile_jax.faces.events import MICRO, Event
from smile_jax.faces.sampling import RECORDED, Clip, sample_clip, sample_subject
from smile_jax.mesh import MeshError
from smile_jax.mesh.motion_magnification import MagnifiedSequence

EVERYTHING = (0.0, float("inf"))


@pytest.fixture(scope="module")
def clip() -> Clip:
    """A slight smile of a turning head before a quiet scanner."""
    model = load_face_model("")
    calm = dataclasses.replace(RECORDED, sensor_mm=0.02, holes=0.0)
    rng = np.random.default_rng(0)
    person = sample_subject(model, rng, calm)
    still = sample_clip(model, person, "neutral", 0, rng, calm, 24)
    event = Event(6, 12, 18, MICRO, ("positive",), {"AU12_L": 0.1, "AU12_R": 0.1})
    course = {name: 0.1 * event.curve(24) for name in event.actions}
    turns = np.linspace(-2, 2, 24)[:, None] * [[1.0, 0.5, 0.3]]
    return dataclasses.replace(still, course=course, pose_deg=turns)


def mouth(mesh, clip):
    """Height of the mouth's corners."""
    return mesh.vertices[clip.model.landmarks[[48, 54]], 1].mean()


def test_what_moves_moves_so_much_more(clip):
    plain = MagnifiedSequence(clip, 0.0, 30.0, EVERYTHING)
    more = MagnifiedSequence(clip, 4.0, 30.0, EVERYTHING)
    np.testing.assert_array_equal(more[0].vertices, clip[0].vertices)
    small, large = (mouth(s[12], clip) - mouth(s[0], clip) for s in (plain, more))
    assert 0.4 < small < 1.2  # a tenth of a smile
    assert large == pytest.approx(5 * small, rel=0.02)
    assert len(more) == 24 and more[3].landmarks is None


def test_the_head_stands_still(clip):
    more = MagnifiedSequence(clip, 4.0, 30.0, EVERYTHING)
    forehead = clip.model.mean[:, 1] > 60
    apart = more[23].vertices[forehead] - more[0].vertices[forehead]
    turned = clip[23].vertices[forehead] - clip[0].vertices[forehead]
    assert np.linalg.norm(turned, axis=1).mean() > 3
    assert np.linalg.norm(apart, axis=1).mean() < 0.5


def test_slow_motion_does_not_pass_a_band(clip):
    """0.4 seconds of motion pass 1 to 10 Hz; the same in 12 seconds is too slow."""
    quick = MagnifiedSequence(clip, 4.0, 30.0, (1.0, 10.0))
    slow = MagnifiedSequence(clip, 4.0, 1.0, (0.3, 0.45))
    rises = [abs(mouth(s[12], clip) - mouth(s[0], clip)) for s in (quick, slow)]
    assert rises[0] > 3 * rises[1], rises


def test_other_points_are_refused(clip):
    frames = [clip[0], dataclasses.replace(clip[1], faces=clip.faces[:-1])]
    with pytest.raises(MeshError, match="frame 1 has other points or triangles"):
        MagnifiedSequence(frames, 1.0, 30.0, EVERYTHING)[1]
