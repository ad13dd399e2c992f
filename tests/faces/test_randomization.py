"""Shapes, cuts and samplings that are to tell nothing of an expression."""

import dataclasses

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from smile_jax.data.face_model_builder import CONFIGS, FaceModelConfig
from smile_jax.faces import Difficulty, load_face_model, sample_clip, sample_subject
from smile_jax.faces.families.face_model import EYES, SKIN
from smile_jax.faces.randomization import (
    CUTS,
    Randomization,
    bend,
    draw_gains,
    draw_surface,
    resample,
    unlike_any,
)
from smile_jax.mesh.cleaning import clean

# Nothing but what a test sets.
NOTHING = Randomization(
    mixed=0, warp_mm=0, scale=(1, 1), gain=0, asymmetry=0, cut=0, hidden=0, smoothing=0
)


@pytest.fixture(scope="module")
def model():
    return load_face_model("")


@pytest.fixture(scope="module")
def heads(family_sources):
    return load_face_model(family_sources("makehuman"))


def surface_of(model, how, seed=0):
    rng = np.random.default_rng(seed)
    return draw_surface(model, model.mean, model.faces, rng, how)


def pieces(faces, count):
    ends = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    graph = coo_matrix((np.ones(len(ends[0])), ends), shape=(count, count))
    return connected_components(graph, directed=False)[1]


@pytest.mark.parametrize("count", [500, 3000, 20_000])
def test_a_surface_is_sampled_by_about_so_many_points_on_it(model, count):
    sampling, faces = resample(model.mean, model.faces, count, np.random.default_rng(0))
    assert 0.97 * count < sampling.shape[0] <= count
    assert 1.8 * count < len(faces) < 2 * count
    np.testing.assert_allclose(np.asarray(sampling.sum(axis=1)), 1, atol=1e-6)
    points = sampling @ model.mean
    # The same extent, and as much surface (a coarse one cuts corners).
    np.testing.assert_allclose(np.ptp(points, axis=0), np.ptp(model.mean, axis=0), 4)

    def area(where, triangles):
        a, b, c = where[triangles].transpose(1, 0, 2)
        return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()

    assert area(points, faces) == pytest.approx(area(model.mean, model.faces), rel=0.12)
    # Evenly: neighbours are as far apart everywhere, up to chance.
    edge = np.linalg.norm(points[faces[:, 0]] - points[faces[:, 1]], axis=1)
    assert np.quantile(edge, 0.95) < 3.5 * np.median(edge)


@pytest.mark.parametrize("count", [1500, 8000])
def test_lips_that_touch_stay_apart(heads, count):
    """Closed at rest, they open: nothing may span the gap."""
    rng = np.random.default_rng(0)
    skin = heads.faces[(heads.parts[heads.faces] == SKIN).all(axis=1)]
    sampling, faces = resample(heads.mean, skin, count, rng)
    opened = heads.acting(heads.mean, {"AU26": 1.0, "AU25": 1.0})
    upper, lower = (opened[heads.landmarks[i]] for i in (62, 66))
    assert upper[1] - lower[1] > 15
    middle = (sampling @ opened)[faces].mean(axis=1)
    half = (upper[1] - lower[1]) / 2
    gap = (np.abs(middle[:, 0]) < 8) & (middle[:, 2] > upper[2] - 8)
    gap &= np.abs(middle[:, 1] - (upper[1] + lower[1]) / 2) < 0.5 * half
    assert not gap.any()


def test_none_leaves_heads_as_they_are(model):
    plain = Difficulty()
    clips = []
    for hard in (plain, dataclasses.replace(plain, randomize=None)):
        person = sample_subject(model, np.random.default_rng(1), hard)
        rng = np.random.default_rng(2)
        clips.append(sample_clip(model, person, "happy", 3, rng, hard))
    for clip in clips:
        assert clip.surface is None and clip.subject.gains == {}
        assert clip[0].faces.max() == len(model.mean) - 1


def test_scans_of_a_person_differ_in_cut_and_sampling_not_in_the_person(heads):
    hard = Difficulty(randomize=Randomization(cut=0.5))
    person = sample_subject(heads, np.random.default_rng(1), hard)
    scans = [
        sample_clip(heads, person, "happy", 3, np.random.default_rng(i), hard)
        for i in range(12)
    ]
    assert len({scan.surface.sampling.shape[0] for scan in scans}) == 12
    assert len({scan.surface.cuts for scan in scans}) > 4
    assert len({scan.surface.hidden for scan in scans}) > 2
    assert len({id(scan.subject) for scan in scans}) == 1
    for scan in scans:
        mesh = scan[0]
        assert clean(mesh, "randomised").vertices.shape == mesh.vertices.shape
        assert np.isfinite(mesh.vertices).all() and mesh.landmarks.shape == (68, 3)
        assert mesh.colors.min() >= 0 and mesh.colors.max() <= 1


def test_frames_of_a_sequence_are_in_correspondence(heads):
    hard = Difficulty(randomize=Randomization(), sensor_mm=0.0)
    person = sample_subject(heads, np.random.default_rng(1), hard)
    rng = np.random.default_rng(5)
    clip = sample_clip(heads, person, "surprise", 4, rng, hard, 8)
    first, apex = clip[0], clip[4]
    np.testing.assert_array_equal(first.faces, apex.faces)
    assert np.linalg.norm(apex.vertices - first.vertices, axis=1).max() < 60


@pytest.mark.parametrize("kind", CUTS)
def test_each_cut_takes_what_it_says(heads, kind):
    landmarks = heads.mean[heads.landmarks]
    before = heads.mean[heads.parts == SKIN]
    from smile_jax.faces import randomization

    cutter, taken = randomization._CUTTERS[kind], []
    for seed in range(8):
        gone = cutter(heads.mean, landmarks, np.random.default_rng(seed))
        # Eyes, nose and mouth are always there.
        assert not gone[heads.landmarks[27:68]].any() and gone.mean() < 0.9
        taken.append(gone)
    gone = max(taken, key=np.sum)
    left = heads.mean[~gone]
    assert {
        "neck": left[:, 1].min() > before[:, 1].min() + 10,
        "hair": left[:, 1].max() < before[:, 1].max() - 10,
        "ears": np.abs(left[:, 0]).max() < np.abs(before[:, 0]).max() - 5,
        "mask": left[:, 2].min() > before[:, 2].min() + 30,
    }[kind]
    every = dataclasses.replace(NOTHING, cut=1.0, points=(4000, 4000))
    assert surface_of(heads, every).cuts == CUTS


def test_eyeballs_teeth_and_the_mouths_inside_may_be_missing(heads):
    whole = surface_of(heads, dataclasses.replace(NOTHING, points=(9000, 9000)))
    bare = surface_of(
        heads, dataclasses.replace(NOTHING, hidden=1.0, points=(9000, 9000))
    )
    assert bare.hidden == ("eyes", "teeth", "mouth") and whole.hidden == ()
    for surface, there in ((whole, True), (bare, False)):
        used = np.unique(surface.sampling.indices)
        assert (heads.parts[used] == EYES).any() == there
        assert len(np.unique(heads.parts[used])) == (4 if there else 1)


def test_people_are_none_that_the_family_alone_gives(model):
    """Neither the modes' span nor a mirror of one person explains a warped one."""
    how = dataclasses.replace(NOTHING, warp_mm=2.0)
    person = unlike_any(model, np.random.default_rng(0), 1.0, how)
    basis = model.identity.reshape(len(model.identity), -1).T
    wanted = (person.rest - model.mean).ravel()
    solved = np.linalg.lstsq(basis, wanted, rcond=None)[0]
    left = np.linalg.norm((wanted - basis @ solved).reshape(-1, 3), axis=1)
    assert np.median(left) > 1.0
    # Smooth: neighbours move together.
    moved = bend(model.mean, np.random.default_rng(1), 2.0, (50.0, 200.0)) - model.mean
    edges = model.faces[:, :2]
    apart = np.linalg.norm(moved[edges[:, 0]] - moved[edges[:, 1]], axis=1)
    long = np.linalg.norm(model.mean[edges[:, 0]] - model.mean[edges[:, 1]], axis=1)
    assert (apart / np.maximum(long, 0.5)).max() < 1.2


def test_a_mixed_person_lies_between_two(heads):
    how = dataclasses.replace(NOTHING, mixed=1.0)
    for seed in range(6):
        rng, again = (np.random.default_rng(seed) for _ in range(2))
        first = heads.sample_person(again, 1.0)
        again.random()  # which says that a second one comes in
        second = heads.sample_person(again, 1.0)
        mixed = unlike_any(heads, rng, 1.0, how)
        low, high = (
            np.minimum(first.rest, second.rest),
            np.maximum(first.rest, second.rest),
        )
        assert (mixed.rest >= low - 1e-2).all() and (mixed.rest <= high + 1e-2).all()
        assert np.abs(mixed.rest - first.rest).max() > 1
        ages = [p.attributes["age_years"] for p in (first, second)]
        assert min(ages) <= mixed.attributes["age_years"] <= max(ages)
        same = first.attributes["gender"] == second.attributes["gender"]
        assert (mixed.attributes["gender"] != "unknown") == same


def test_gains_are_a_persons_and_of_sides(rng):
    how = dataclasses.replace(NOTHING, gain=0.3, asymmetry=0.2)
    gains = draw_gains(("AU12_L", "AU12_R", "AU26"), rng, how)
    assert set(gains) == {"AU12", "AU12_L", "AU12_R", "AU26", "AU26_L", "AU26_R"}
    assert gains["AU12_L"] * gains["AU12_R"] == pytest.approx(gains["AU12"] ** 2)
    drawn = [draw_gains(("AU26",), rng, how)["AU26"] for _ in range(500)]
    assert np.std(np.log(drawn)) == pytest.approx(0.3, rel=0.15)


def test_sizes_are_as_asked(model):
    hard = Difficulty(
        randomize=dataclasses.replace(NOTHING, scale=(0.85, 1.15)), pose_deg=0,
        shift_mm=0, holes=0, unrelated=0,
    )  # fmt: skip
    people = [sample_subject(model, np.random.default_rng(i), hard) for i in range(200)]
    sizes = np.array([p.scale for p in people])
    assert 0.85 <= sizes.min() < 0.88 and 1.12 < sizes.max() <= 1.15
    clip = sample_clip(model, people[0], "neutral", 0, np.random.default_rng(0), hard)
    wanted = people[0].person.rest[model.landmarks] * people[0].scale
    np.testing.assert_allclose(clip[0].landmarks, wanted, atol=1e-3)


def test_what_was_drawn_is_recorded():
    from smile_jax.data.face_model_builder import Heads, _facts_of, posed_sequences

    scans = next(c for c in CONFIGS if c.name == "scans")
    sequence = next(posed_sequences(scans, Heads("", "procedural"), "S0000"))
    facts = _facts_of(sequence.frames, 1)
    assert {
        "mixed", "warp_mm", "scale", "gains", "scan_points", "scan_smoothing",
        "scan_cuts", "scan_hidden",
    } <= set(facts)  # fmt: skip
    assert 1_900 < facts["scan_points"] <= 50_000 and 0.85 <= facts["scale"] <= 1.15


def test_settings_come_as_json_and_nonsense_is_refused():
    config = FaceModelConfig(
        name="mine", difficulty={"randomize": {"cut": 1.0, "points": [300, 400]}}
    )
    assert config.difficulty.randomize.points == (300, 400)
    for wrong, said in (
        ({"cut": 1.5}, "probability"),
        ({"points": [400, 300]}, "smaller one first"),
        ({"points": [20, 300]}, "below 200"),
        ({"scale": [0.9]}, "two positive numbers"),
    ):
        with pytest.raises(ValueError, match=said):
            Randomization(**wrong)
    with pytest.raises(TypeError, match="cuts"):
        Difficulty(randomize={"cuts": 1.0})
