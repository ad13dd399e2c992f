"""Which frames of a record a model sees, and their seconds."""

import numpy as np
import pytest

from smile_jax.data.frames import FrameSampling, cut
from smile_jax.mesh.displacement import REGIONS


def record(frames=9, room=12, rate_hz=4.0, peak=6, first=100):
    """A clip whose face moves farthest in one frame; a frame's pixels are its place."""
    motion = np.zeros((room, REGIONS), np.float32)
    motion[:frames, :8] = 3 - np.abs(np.arange(frames) - peak)[:, None] / 4
    views = np.zeros((room, 2, 1, 1, 1), np.uint8)
    views[:frames] += np.arange(frames, dtype=np.uint8)[:, None, None, None, None]
    numbers = np.where(np.arange(room) < frames, first + np.arange(room), -1)
    return {
        "views": views,
        "frame_index": numbers.astype(np.int32),
        "rate_hz": np.float32(rate_hz),
        "motion": motion,
    }


def places(clip):
    """Which frames were taken."""
    return clip["views"][clip["time_s"] >= 0, 0, 0, 0, 0].tolist()


def test_all_frames_of_a_record():
    clip = cut(record(), FrameSampling())
    assert places(clip) == list(range(9)) and clip["views"].shape[0] == 12
    np.testing.assert_allclose(clip["time_s"][:9], np.arange(9) / 4)
    assert (clip["time_s"][9:] == -1).all() and not clip["views"][9:].any()
    assert clip["apex"] == 6


@pytest.mark.parametrize(
    "frames, sampling, expected",
    [
        (3, "even", [0, 4, 8]),
        (1, "even", [4]),
        (1, "apex", [6]),
        (2, "apex", [0, 6]),
        (3, "apex", [0, 6, 8]),
        (5, "apex", [0, 3, 6, 7, 8]),
    ],
)
def test_some_of_them(frames, sampling, expected):
    clip = cut(record(), FrameSampling("views", frames, sampling))
    assert places(clip) == expected
    seconds = clip["time_s"][clip["time_s"] >= 0]
    np.testing.assert_allclose(seconds, (np.array(expected) - expected[0]) / 4)
    if 6 in expected:
        assert expected[clip["apex"]] == 6


def test_fewer_than_are_asked_for():
    clip = cut(record(frames=3, peak=1), FrameSampling("views", 5))
    assert places(clip) == [0, 1, 2] and clip["views"].shape[0] == 5
    assert (clip["time_s"][3:] == -1).all() and clip["apex"] == 1


def test_without_a_rate_numbers_count():
    clip = cut(record(rate_hz=0.0), FrameSampling("views", 3))
    np.testing.assert_array_equal(clip["time_s"], [0, 4, 8])


def test_without_motion_the_middle_is_the_apex():
    whole = record()
    del whole["motion"]
    assert cut(whole, FrameSampling("views", 5))["apex"] == 2


def test_windows_keep_seconds():
    """Speed and phase change which frames are seen, not when they were taken."""
    how = FrameSampling("views", 4, "even", speed=1.0, phase=1.0)
    spans = []
    for seed in range(50):
        clip = cut(record(), how, np.random.default_rng(seed))
        seen, seconds = np.array(places(clip)), clip["time_s"]
        seconds = seconds[seconds >= 0]
        np.testing.assert_allclose(seconds, (seen - seen[0]) / 4)
        assert (np.diff(seen) > 0).all()
        spans.append(seen[-1] - seen[0])
    assert min(spans) <= 4 and max(spans) >= 7
    again = cut(record(), how, np.random.default_rng(7))
    also = cut(record(), how, np.random.default_rng(7))
    assert places(again) == places(also)
    assert places(cut(record(), how)) == [0, 3, 5, 8]  # without chance: the whole clip


def test_crops_are_windows_of_their_own():
    how = FrameSampling("views", 4, "even", speed=2.0, crops=2)
    clip = cut(record(), how, np.random.default_rng(0))
    assert clip["views"].shape[0] == clip["time_s"].shape[0] == 8
    assert clip["apex"].shape == (2,)
    first, second = (clip["views"][i : i + 4, 0, 0, 0, 0] for i in (0, 4))
    assert (first != second).any()
    assert cut(record(), how)["views"].shape[0] == 4  # outside training: the whole clip


def test_the_apex_stays_the_apex_in_training():
    how = FrameSampling("views", 5, "apex", phase=1.0)
    for seed in range(20):
        clip = cut(record(), how, np.random.default_rng(seed))
        assert places(clip)[int(clip["apex"])] == 6


def test_dynamic_images_are_one_frame():
    image = np.zeros((1, 2, 4, 4, 3), np.uint16)
    clip = cut({"dynamic": image}, FrameSampling("dynamic"))
    assert clip["views"] is image and clip["time_s"].tolist() == [0]
