"""Probes on data with a known answer."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from smile_jax.evaluation import pixel_baseline
from smile_jax.evaluation.base import Fold, SubsetFeatures, people_folds, summarize
from smile_jax.evaluation.embed import view_subsets
from smile_jax.evaluation.few_people import PEOPLE, FewPeople
from smile_jax.evaluation.knn import Neighbours
from smile_jax.evaluation.linear_probe import LinearProbe, linear_probe, probe_of
from smile_jax.evaluation.missing_views import CrossViewProbe, MissingViews
from smile_jax.evaluation.pixel_baseline import PixelComponents


def clusters(rng, spread):
    labels = np.arange(240) % 3
    centers = 4 * np.eye(3, 10)
    x = centers[labels] + spread * rng.normal(size=(240, 10))
    return x.astype(np.float32), labels, np.repeat(np.arange(24), 10).astype(str)


def test_linear_probe_separates_clusters_and_not_noise(rng):
    x, labels, subjects = clusters(rng, 0.5)
    found = linear_probe(x[:180], labels[:180], subjects[:180])
    assert (found(x[180:]) == labels[180:]).mean() == 1
    noise = rng.normal(size=x.shape)
    found = linear_probe(noise[:180], labels[:180], subjects[:180])
    assert (found(noise[180:]) == labels[180:]).mean() < 0.6


def test_the_probe_chooses_as_a_search_of_all_strengths_would(rng):
    """Fine directions beside coarse ones want little regularisation."""
    people, labels = np.repeat(np.arange(20), 12), np.tile(np.arange(3), 80)
    x = rng.normal(size=(240, 30)).astype(np.float32)
    x[:, 0] += 40 * rng.normal(size=240)
    x[:, 1] = x[:, 0] + 2.0 * labels + 0.3 * rng.normal(size=240)
    found = linear_probe(x[:180], labels[:180], people[:180])
    assert found.strength > 1 and not found.warnings
    one = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
    weak = one.fit(x[:180], labels[:180]).score(x[180:], labels[180:])
    assert (found(x[180:]) == labels[180:]).mean() > max(0.7, weak + 0.2)


def test_a_probe_that_memorises_people_is_seen_to_know_nothing(rng):
    """Every person always shows one class, and features say who it is: a fit answers
    for its own people in every case, for others by chance."""
    people = np.repeat(np.arange(60), 10)
    labels = rng.integers(0, 4, 60)[people]
    features = np.eye(60)[people] + 0.1 * rng.normal(size=(600, 60))
    assert (
        LogisticRegression(C=100).fit(features, labels).score(features, labels) > 0.95
    )
    assert linear_probe(features, labels, people).validation < 0.4  # chance is 0.25


def test_each_fold_is_checked_on_its_own_people(monkeypatch, rng):
    """Labels are random, so that each person's are known again."""
    people, labels = np.repeat(np.arange(24), 10), rng.integers(0, 3, 240)
    checked, score = {}, LogisticRegression.score

    def spied(probe, x, truth):
        checked[id(probe)] = truth
        return score(probe, x, truth)

    monkeypatch.setattr(LogisticRegression, "score", spied)
    linear_probe(rng.normal(size=(240, 5)), labels, people)
    folds = [labels[check] for _, check in people_folds(people)]
    assert len(checked) == len(folds) == 3
    for expected, found in zip(folds, checked.values(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_the_probe_of_all_evaluations_is_fitted_once(monkeypatch, rng):
    """Also where `predict` is to have it as a matrix."""
    x, labels, people = clusters(rng, 0.5)
    fold = Fold(x, 180, {"label": labels, "subject": people}, ("a", "b", "c"))
    LinearProbe().run(fold)

    def refit(*_):
        raise AssertionError("it was fitted again")

    monkeypatch.setattr(LogisticRegression, "fit", refit)
    LinearProbe().run(fold)
    probe_of(fold).as_matrix(3)


def test_leading_features_are_chosen_and_an_end_is_told(rng):
    x, labels, people = clusters(rng, 0.5)
    noise = 3 * rng.normal(size=(240, 300)).astype(np.float32)
    wide = np.concatenate([x, noise], axis=1)
    train, test = slice(0, 180), slice(180, None)
    fold = Fold(
        wide,
        180,
        {"label": labels, "subject": people},
        ("a", "b", "c"),
        leading=(1, 10, 310),
    )
    for probe in (LinearProbe(), Neighbours()):
        outcome = probe.run(fold)
        assert outcome.chosen["features"] == 10 and not outcome.warnings
        assert (outcome.answers[""] == labels[test]).mean() == 1
    found = linear_probe(wide[train], labels[train], people[train], (1, 2))
    assert found.features == 2 and "pca_components" in found.warnings[0]


def test_probe_standardises_with_the_training_fold(rng):
    """A feature scaled by a million does not drown the others."""
    x, labels, subjects = clusters(rng, 0.5)
    x = x * np.array([1e6] + [1.0] * 9, np.float32)
    found = linear_probe(x[:180], labels[:180], subjects[:180])
    assert (found(x[180:]) == labels[180:]).mean() == 1


def test_nearest_neighbours_by_cosine(rng):
    x, labels, subjects = clusters(rng, 0.5)
    fields = {"label": labels, "subject": subjects}
    scaled = x * rng.uniform(0.1, 10, (240, 1)).astype(np.float32)
    outcome = Neighbours().run(Fold(scaled, 180, fields, ("a", "b", "c")))
    assert (outcome.answers[""] == labels[180:]).mean() == 1
    few = {name: values[174:] for name, values in fields.items()}
    outcome = Neighbours().run(Fold(x[174:], 6, few, ("a", "b", "c")))
    assert outcome.answers[""].shape == (60,)


def test_components_are_fitted_on_the_training_rows_only(rng):
    x = rng.normal(size=(60, 20)).astype(np.float32)
    moved = x.copy()
    moved[50:] += 100  # test rows must not move the components
    fit = np.arange(50)
    a, b = (PixelComponents(v).features(fit, fit, 5) for v in (x, moved))
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
    expected = PCA(5, svd_solver="full").fit_transform(x[fit])
    np.testing.assert_allclose(np.abs(a), np.abs(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("in_memory", [0, 1 << 40])
def test_components_of_many_clips_are_those_of_few(monkeypatch, rng, in_memory):
    """By batches and by random projections as by the products of all clips."""
    spectrum = 0.9 ** np.arange(60)  # as pictures have
    x = (rng.normal(size=(400, 60)) * spectrum) @ rng.normal(size=(60, 300))
    x = (x + 0.01 * rng.normal(size=x.shape) + 3).astype(np.float32)
    fit, rows = np.arange(300), np.arange(400)
    exact = PixelComponents(x).features(fit, rows, 20)
    monkeypatch.setattr(pixel_baseline, "_PRODUCTS", 0)
    monkeypatch.setattr(pixel_baseline, "_IN_MEMORY", in_memory)
    monkeypatch.setattr(pixel_baseline, "_BATCH", 64 * 4 * 300)
    found = PixelComponents(x).features(fit, rows, 20)
    signs = np.sign((exact * found).sum(axis=0))
    assert np.abs(
        signs * found / exact.std(axis=0) - exact / exact.std(axis=0)
    ).max() < (1e-3)


def test_components_are_those_of_each_fold(rng):
    """Products are of all clips, components of the training clips alone."""
    components = PixelComponents(rng.normal(size=(60, 20)).astype(np.float32))
    every = np.arange(60)
    first = components.features(every[:40], every, 5)
    other = components.features(every[20:], every, 5)
    assert np.abs(np.abs(first) - np.abs(other)).max() > 0.1
    again = components.features(every[:40], every, 5)
    np.testing.assert_array_equal(first, again)


def test_components_of_few_training_clips_among_many(monkeypatch, rng):
    """As many are kept as there are clips to fit to."""
    monkeypatch.setattr(pixel_baseline, "_PRODUCTS", 0)
    monkeypatch.setattr(pixel_baseline, "_IN_MEMORY", 0)
    x = rng.normal(size=(80, 200)).astype(np.float32)
    found = PixelComponents(x).features(np.arange(60), np.arange(80), 50)
    assert found.shape == (80, 50)


def test_more_people_help_and_few_are_drawn_by_chance(rng):
    """A class is a direction, which each person shows in their own way."""
    people, classes = 24, 3
    subjects = np.repeat(np.arange(people), 4 * classes)
    labels = np.tile(np.arange(classes), 4 * people)
    own = rng.normal(size=(people, classes, 6))
    features = 1.5 * np.eye(6)[labels] + own[subjects, labels]
    features += 0.3 * rng.normal(size=features.shape)
    fields = {"label": labels, "subject": subjects}
    fold = Fold(features, 22 * 4 * classes, fields, ("a", "b", "c"))
    outcome = FewPeople().run(fold)
    assert set(outcome.answers) == {f"{n}/{d}" for n in PEOPLE for d in range(3)}
    row = summarize(FewPeople(), [outcome], fold.classes)
    assert row["few_people"] is None
    curve = [row[f"few_people_{n}"]["accuracy"] for n in PEOPLE]
    assert curve[-1] > curve[0] + 0.05 and max(curve) <= 1


def test_people_of_one_class_fit_nothing(rng):
    subjects = np.repeat(np.arange(8), 3)
    fields = {"label": subjects % 2, "subject": subjects}
    fold = Fold(rng.normal(size=(24, 4)), 18, fields, ("a", "b"))
    assert FewPeople().run(fold).answers == {}


def test_some_views_are_scored_by_the_probe_of_all(rng):
    """Of three views the last shows nothing, so alone it knows nothing."""
    x, labels, people = clusters(rng, 0.5)
    blind = np.zeros_like(x)
    fold = Fold(
        (x + x + blind) / 3,
        180,
        {"label": labels, "subject": people},
        ("a", "b", "c"),
        some_views=SubsetFeatures(
            view_subsets(3),
            [x, x, blind, x, x / 2, x / 2],
            [],
            np.arange(240),
            180,
        ),
    )
    evaluation = MissingViews()
    scores = summarize(evaluation, [evaluation.run(fold)], fold.classes)[
        "missing_views"
    ]
    assert list(scores) == ["0", "1", "2", "0+1", "0+2", "1+2"]
    assert scores["0+2"]["accuracy"] == scores["1"]["accuracy"] == 1
    assert scores["2"]["accuracy"] < 0.5
    evaluation = CrossViewProbe()
    scores = summarize(evaluation, [evaluation.run(fold)], fold.classes)["cross_view"]
    assert len(scores) == 9 and scores["0 to 1"]["accuracy"] == 1
    assert max(scores[f"{v} to 2"]["accuracy"] for v in range(3)) < 0.5


def test_a_method_without_views_has_no_such_scores(rng):
    x, labels, people = clusters(rng, 0.5)
    fold = Fold(x, 180, {"label": labels, "subject": people}, ("a", "b", "c"))
    found = summarize(MissingViews(), [MissingViews().run(fold)], fold.classes)
    assert found == {"missing_views": {}, "missing_views_zero_shot": {}}


def test_subsets_of_views():
    assert view_subsets(1) == ()
    assert len(view_subsets(4)) == 14 and (0, 2) in view_subsets(4)
    assert view_subsets(5)[-1] == (1, 2, 3, 4) and len(view_subsets(5)) == 10


def test_a_probe_says_how_sure_it_is(rng):
    x, labels, people = clusters(rng, 2.0)
    fold = Fold(x, 180, {"label": labels, "subject": people}, ("a", "b", "c"))
    outcome = LinearProbe().run(fold)
    weights, bias = probe_of(fold).as_matrix(3)
    shares = softmax(x[180:] @ weights + bias, axis=1)
    np.testing.assert_allclose(outcome.confidence, shares.max(axis=1), atol=1e-5)
    assert (outcome.answers[""] == shares.argmax(axis=1)).all()
