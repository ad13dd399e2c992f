"""Several labels at once, against scikit-learn; thresholds; joined prompts."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, recall_score

from smile_jax.evaluation.base import Fold
from smile_jax.evaluation.embed import EmbeddedSet
from smile_jax.evaluation.multilabel import (
    Emotions,
    EmotionsInWords,
    best_threshold,
    several_scores,
)


def test_scores_are_those_of_scikit_learn(rng):
    truth = rng.random((200, 5)) < [0.5, 0.3, 0.1, 0.05, 0.6]
    scores = rng.random((200, 5)) + 0.4 * truth
    answers = scores > 0.7
    found = several_scores(truth, answers, scores)
    for name, expected in {
        "macro_f1": f1_score(truth, answers, average="macro"),
        "uar": recall_score(truth, answers, average="macro"),
        "mean_ap": average_precision_score(truth, scores, average="macro"),
        "accuracy": (truth == answers).mean(),
        "always_f1": f1_score(truth, np.ones_like(truth), average="macro"),
    }.items():
        assert found[name] == pytest.approx(expected), name


def test_a_label_that_nobody_has_counts_0(rng):
    truth = np.zeros((10, 2), bool)
    truth[:5, 0] = True
    found = several_scores(truth, truth, truth.astype(float))
    assert found["macro_f1"] == 0.5 and found["mean_ap"] == 0.5


def test_thresholds_by_hand():
    scores = np.array([0.9, 0.8, 0.8, 0.3, 0.1])
    assert best_threshold(scores, np.array([1, 1, 1, 0, 0], bool)) == 0.8
    assert best_threshold(scores, np.array([1, 1, 0, 0, 0], bool)) == 0.8
    assert best_threshold(scores, np.array([0, 0, 0, 0, 1], bool)) == 0.1


def fold(rng, clips=240):
    """Two of four features tell two of three labels; the third is noise."""
    emotions = (rng.random((clips, 3)) < 0.4).astype(np.uint8)
    features = rng.normal(size=(clips, 4))
    features[:, :2] += 3 * emotions[:, :2]
    fields = {"emotions": emotions, "subject": np.arange(clips) // 12}
    return Fold(features, clips * 3 // 4, fields, ("a", "b", "c"))


def test_the_probe_finds_what_features_tell(rng):
    one = fold(rng)
    outcome = Emotions().run(one)
    score = Emotions().score([(outcome.truth, outcome.answers[""])], one.classes)
    assert min(score["per_label_f1"][:2]) > 0.85 > score["per_label_f1"][2]
    assert score["per_label_ap"][2] < 0.7
    answer = np.array([[1, 0.9], [0, 0.1], [1, 0.6]])
    assert Emotions().in_words(answer, one.classes) == "0 2"


def test_joined_prompts_name_both(rng):
    """Prototypes in the plane: a, b, and both between them."""
    members = np.array([[1, 0], [0, 1], [1, 1]], np.uint8)
    bank = np.array([[1.0, 0.0], [0.0, 1.0], [np.sqrt(0.5), np.sqrt(0.5)]])
    joint = np.array([[1.0, 0.0], [0.1, 1.0], [0.7, 0.7]])
    joint /= np.linalg.norm(joint, axis=1, keepdims=True)
    embedded = EmbeddedSet(joint, joint, joint[:, None], np.ones((len(joint), 1)), None)
    fields = {"emotions": members.repeat(2, axis=0)}
    both = Fold(
        np.zeros((6, 2)), 3, fields, ("a", "b"), embedded, joined=(members, bank)
    )
    outcome = EmotionsInWords().run(both)
    np.testing.assert_array_equal(outcome.answers[""][..., 0], members)
    assert (np.diff(outcome.answers[""][:2, :, 1], axis=1).ravel() * [-1, 1] > 0).all()
