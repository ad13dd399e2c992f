"""Features of people, of what they do, and of nobody."""

import numpy as np
import pytest

from smile_jax.evaluation.base import Fold
from smile_jax.evaluation.head_pose_probe import HeadPose
from smile_jax.evaluation.identity_probe import (
    CentredProbe,
    IdentityProbe,
    without_person,
)
from smile_jax.evaluation.linear_probe import LinearProbe

PEOPLE, CLASSES, EACH = 12, 3, 4


@pytest.fixture
def clips(rng):
    """(person, class, noise) of clips: every class several times of each person."""
    person = np.repeat(np.arange(PEOPLE), CLASSES * EACH)
    label = np.tile(np.repeat(np.arange(CLASSES), EACH), PEOPLE)
    return person, label, 0.3 * rng.normal(size=(len(person), PEOPLE))


def score(evaluation, features, person, label, split=0):
    fold = Fold(features, split, {"subject": person, "label": label}, ("a", "b", "c"))
    outcome = evaluation.run(fold)
    scores = {
        variant: evaluation.score([(outcome.truth, given)], fold.classes)["accuracy"]
        for variant, given in outcome.answers.items()
    }
    return scores, evaluation.extras(scores)


def test_people_are_found_in_features_of_people(clips):
    person, label, noise = clips
    known, extras = score(
        IdentityProbe(), 3 * np.eye(PEOPLE)[person] + noise, person, label
    )
    assert known[""] > 0.95 and known["probe"] > 0.95
    assert extras == {"who_probe": known["probe"]}
    unknown, _ = score(IdentityProbe(), noise, person, label)
    assert unknown[""] < 0.3 and unknown["probe"] < 0.3


def test_a_person_alone_is_told_from_nobody(clips):
    _, label, noise = clips
    alone = np.zeros(len(label), int)
    assert score(IdentityProbe(), noise, alone, label)[0]["probe"] == 0


def test_what_people_share_is_seen_once_they_are_taken_off(clips, rng):
    """Who somebody is is loud, what the face does quiet."""
    person, label, noise = clips
    loud = rng.normal(size=(PEOPLE, PEOPLE))[person] * 20
    quiet = np.eye(PEOPLE)[label]
    split = CLASSES * EACH * (PEOPLE // 2)
    plain, _ = score(LinearProbe(), loud + quiet + noise / 9, person, label, split)
    off, _ = score(CentredProbe(), loud + quiet + noise / 9, person, label, split)
    assert off[""] > 0.95 > plain[""]


def test_how_heads_are_turned_is_read_off_what_knows_it(rng):
    """Yaw and roll are in the features, pitch is not."""
    turned = rng.normal(size=(200, 3)) * 8
    features = turned[:, [0, 2]] @ rng.normal(size=(2, 20))
    features += 0.5 * rng.normal(size=features.shape)
    fold = Fold(features, 120, {"pose_deg": turned}, ())
    outcome = HeadPose().run(fold)
    found = HeadPose().score([(outcome.truth, outcome.answers[""])], fold.classes)
    assert tuple(found) == HeadPose.shown
    assert found["yaw"] > 0.9 and found["roll"] > 0.9 and found["pitch"] < 0.1


def test_means_are_of_each_person(clips):
    person, _, noise = clips
    left = without_person(noise, person)
    for i in range(PEOPLE):
        np.testing.assert_allclose(left[person == i].mean(axis=0), 0, atol=1e-12)
