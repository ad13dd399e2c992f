"""Micro-expressions and recordings: what is drawn is what is labelled."""

import collections

import numpy as np
import pytest

from smile_jax.faces import load_face_model
from smile_jax.faces.class_spellings import FOUR_DME
from smile_jax.faces.events import MACRO, MICRO, idle_course, micro_takes
from smile_jax.faces.families.face_model import IDLE_ACTIONS
from smile_jax.faces.sampling import (
    MICRO_STRENGTH,
    RECORDED,
    sample_micro_clip,
    sample_recording,
    sample_subject,
)


@pytest.fixture(scope="module")
def model():
    return load_face_model("")


def micro(model, emotions, seed, frames=61, rate_hz=60.0):
    rng = np.random.default_rng(seed)
    person = sample_subject(model, rng, RECORDED)
    return sample_micro_clip(model, person, emotions, rng, RECORDED, frames, rate_hz)


@pytest.mark.parametrize("emotion", FOUR_DME)
def test_a_micro_expression_is_short_and_weak(model, emotion):
    for seed in range(20):
        clip = micro(model, (emotion,), seed)
        (event,) = clip.events
        assert 0 < event.onset < event.apex < event.offset < 60
        assert 0.06 <= (event.offset - event.onset) / 60 <= 0.51
        low, high = MICRO_STRENGTH
        strongest = max(event.actions.values())
        assert 0.6 * low <= strongest <= 1.2 * high
        curve = event.curve(61)
        assert curve.argmax() == event.apex and curve[event.apex] == 1
        assert not curve[: event.onset + 1].any() and not curve[event.offset :].any()


def test_emotions_that_show_together_move_what_each_moves(model):
    clip = micro(model, ("positive", "repression"), 3)
    names = {name.split("_")[0] for name in clip.events[0].actions}
    assert {"AU12", "AU24"} <= names
    assert clip.events[0].emotions == ("positive", "repression")


def test_sides_are_told_apart(model):
    """About a third of the performances are of one side."""
    uneven = 0
    for seed in range(60):
        (event,) = micro(model, ("positive",), seed).events
        left, right = event.actions["AU12_L"], event.actions["AU12_R"]
        uneven += min(left, right) < 0.5 * max(left, right)
    assert 10 < uneven < 32


def test_what_goes_on_beside_is_alike_in_all_classes(model):
    """Blinks, speech and gaze tell nothing of the class: they are drawn alike."""
    shares = collections.defaultdict(list)
    for emotion in FOUR_DME:
        for seed in range(40):
            idle = idle_course(61, 60.0, np.random.default_rng((seed, len(emotion))))
            assert set(idle) == {
                "AU45", "AU26", "AU25", "AU18", "AU61", "AU62", "AU63", "AU64",
            }  # fmt: skip
            shares[emotion].append(
                [float(idle["AU45"].max() > 0.5), idle["AU26"].max()]
            )
    means = np.array([np.mean(rows, axis=0) for rows in shares.values()])
    assert (means.max(axis=0) - means.min(axis=0) < 0.35).all()
    assert 0.1 < means[:, 0].mean() < 0.6


def test_idle_actions_move_the_face(model):
    assert set(model.idle) == set(IDLE_ACTIONS)
    for name, field in model.idle.items():
        assert 1.0 < np.linalg.norm(field, axis=1).max() < 20, name


def test_recordings_hold_both_kinds_in_order(model):
    rng = np.random.default_rng(5)
    person = sample_subject(model, rng, RECORDED)
    clip = sample_recording(model, person, rng, RECORDED, 900, 30.0)
    kinds = collections.Counter(event.kind for event in clip.events)
    assert kinds[MICRO] >= 2 and kinds[MACRO] >= 1
    ends = [-1]
    for event in clip.events:
        assert event.onset > ends[-1]
        ends.append(event.offset)
        seconds = (event.offset - event.onset) / 30
        assert (0.1 <= seconds <= 0.54) if event.kind == MICRO else seconds <= 2.6
    assert len(clip) == 900 and clip.pose_deg.shape == (900, 3)
    assert np.abs(np.diff(clip.pose_deg, axis=0)).max() < 1  # drifts, does not jump


def test_the_same_person_has_the_same_takes():
    takes = micro_takes(7)
    assert takes == micro_takes(7) != micro_takes(8)
    assert len(takes) == 14 and sum(len(take) == 2 for take in takes) == 3
