"""Face models, FACS scripts and nuisances."""

import dataclasses
import tarfile

import numpy as np
import pytest

from smile_jax.faces import (
    EXPRESSIONS,
    Difficulty,
    expression_curve,
    load_face_model,
    load_ict,
    load_procedural,
    sample_actions,
    sample_clip,
    sample_subject,
)
from smile_jax.faces.expressions import (
    MIDLINE_ACTIONS,
    SIDED_ACTIONS,
    blend_ceiling,
    draw_blend,
)
from smile_jax.mesh import MeshError, render_views
from smile_jax.mesh.cleaning import clean

CALM = Difficulty(
    dropout=0, asymmetry=0, noise=0, unrelated=0, pose_deg=0, shift_mm=0, sensor_mm=0,
    holes=0, lighting=0,
)  # fmt: skip


@pytest.fixture(scope="module", params=["procedural", "ict", "makehuman", "vitruvian"])
def model(request, family_sources):
    source = family_sources(request.param)
    return load_face_model(source, 3 if request.param == "ict" else None)


def regions(model):
    """(upper, lower) vertex masks: brows and eyes, nose tip and below."""
    brow = model.mean[model.landmarks][:, 1].max()
    chin = model.mean[model.landmarks][:, 1].min()
    y = model.mean[:, 1]
    middle = chin + 0.62 * (brow - chin)
    return y > middle, y < middle


def test_every_action_of_the_scripts_moves_the_face(model):
    wanted = {f"{a}_{s}" for a in SIDED_ACTIONS for s in "LR"} | set(MIDLINE_ACTIONS)
    assert set(model.actions) == wanted
    for name, field in model.actions.items():
        assert 1.5 < np.linalg.norm(field, axis=1).max() < 45, name


@pytest.mark.parametrize("action", SIDED_ACTIONS)
def test_sides_are_the_subjects_own(model, action):
    for side, sign in (("L", 1), ("R", -1)):
        moved = np.linalg.norm(model.actions[f"{action}_{side}"], axis=1)
        assert np.sign((moved * model.mean[:, 0]).sum()) == sign


@pytest.mark.parametrize(
    ("action", "part", "direction"),
    [("AU1_L", 0, 1), ("AU2_R", 0, 1), ("AU4_L", 0, -1), ("AU12_L", 1, 1),
     ("AU15_R", 1, -1), ("AU26", 1, -1)],
)  # fmt: skip
def test_actions_move_the_right_part_the_right_way(model, action, part, direction):
    field = model.actions[action]
    strongest = np.linalg.norm(field, axis=1).argmax()
    assert regions(model)[part][strongest]
    assert np.sign(field[strongest, 1]) == direction


def test_faces_are_whole_and_face_forward(model):
    clean_mesh = clean(clips(model, "neutral", 0)[0], "generated")
    assert clean_mesh.faces.shape == model.faces.shape
    out = render_views(clean_mesh, (0,), 96)
    assert 0.3 < out["mask"].mean() < 0.95
    assert out["normals"][0][out["mask"][0]][:, 2].mean() > 0.5


def clips(model, expression, intensity, difficulty=CALM, seed=0, frames=1):
    person = sample_subject(model, np.random.default_rng(seed), difficulty)
    rng = np.random.default_rng(seed)
    return sample_clip(model, person, expression, intensity, rng, difficulty, frames)


def test_same_seed_same_face_other_seed_other_face(model):
    a, b, c = (clips(model, "happy", 3, Difficulty(), seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.vertices, b.vertices)
    np.testing.assert_array_equal(a.colors, b.colors)
    assert np.abs(a.vertices - c.vertices).max() > 1


def test_intensity_orders_the_movement(model):
    neutral = clips(model, "neutral", 0)[0].vertices
    moved = [
        np.linalg.norm(clips(model, "surprise", i)[0].vertices - neutral, axis=1).max()
        for i in (1, 2, 3, 4)
    ]
    assert moved == sorted(moved)
    assert moved[0] > 2


def test_sequence_runs_from_neutral_over_apex_back(model):
    frames = [m.vertices for m in clips(model, "surprise", 4, frames=20)]
    moved = [np.abs(f - frames[0]).max() for f in frames]
    assert 4 < int(np.argmax(moved)) < 16
    assert moved[-1] < 0.1 * max(moved)


def test_nuisances_do_what_they_say(model):
    calm = clips(model, "neutral", 0)[0]
    holes = clips(model, "neutral", 0, dataclasses.replace(CALM, holes=8))[0]
    assert len(holes.faces) < len(calm.faces)
    turned = clips(model, "neutral", 0, dataclasses.replace(CALM, pose_deg=20))[0]
    distances = [
        np.linalg.norm(m.vertices[0] - m.vertices[500]) for m in (calm, turned)
    ]
    assert distances[0] == pytest.approx(distances[1], rel=1e-4)
    assert np.abs(turned.vertices - calm.vertices).max() > 5
    noisy = clips(model, "neutral", 0, dataclasses.replace(CALM, sensor_mm=0.5))[0]
    assert 0.3 < (noisy.vertices - calm.vertices)[:, 2].std() < 0.7
    lit = clips(model, "neutral", 0, dataclasses.replace(CALM, lighting=0.5))[0]
    assert np.abs(lit.colors - calm.colors).max() > 0.05


def test_curve(rng):
    for _ in range(20):
        curve = expression_curve(50, rng)
        assert curve[0] == 0 and curve.max() > 0.95 and curve[-1] < 0.05


def test_lead_action_is_always_shown(rng):
    for name in EXPRESSIONS[:-1]:
        assert all(sample_actions(name, 4, rng, dropout=1.0) for _ in range(5))
    assert sample_actions("neutral", 0, rng) == {}


def test_wrong_names_are_explained(rng):
    with pytest.raises(ValueError, match="known: anger"):
        sample_actions("joy", 4, rng)
    with pytest.raises(ValueError, match="1, 2, 3 or 4"):
        sample_actions("happy", 0, rng)


def test_ict_wrong_folder_and_damage(tmp_path, ict_archive):
    with pytest.raises(MeshError, match="no ICT-FaceKit model there"):
        load_ict(tmp_path)
    with pytest.raises(MeshError, match="1 to 24 are there"):
        load_ict(ict_archive, modes=99)
    with tarfile.open(ict_archive) as tar:
        tar.extractall(tmp_path, filter="data")
    shape = next(tmp_path.rglob("mouthSmile_L.obj"))
    shape.write_bytes(shape.read_bytes()[:100_000])
    with pytest.raises(MeshError, match=r"mouthSmile_L\.obj.*truncated"):
        load_ict(tmp_path)


def test_ict_modes_come_from_the_tree(ict_archive):
    model = load_ict(ict_archive, modes=2)
    assert model.identity.shape == (2, 24591, 3)
    assert model.faces.max() < 24591 and model.faces.shape[1] == 3
    # Rough centimetres became millimetres: a head is 15 to 30 cm high.
    assert 150 < np.ptp(model.mean[:9409, 1]) < 300


def test_blended_performances_have_the_ceiling_that_is_said():
    """By the shares themselves: the larger is right where the smaller cannot be it."""
    rng, most = np.random.default_rng(0), 0.625
    right = 0.0
    for _ in range(4000):
        other, share = draw_blend("happy", rng, most)
        assert other not in ("happy", "neutral") and 0 <= share <= most
        right += 1.0 if share < 1 - most else 0.5  # else both fit as well
    assert right / 4000 == pytest.approx(blend_ceiling(most), abs=0.02)
    assert blend_ceiling(most) == pytest.approx(0.8)
    assert blend_ceiling(0.5) == blend_ceiling(0.0) == 1.0


def test_a_blend_shows_both():
    model, hard = load_procedural(), Difficulty(blend=1.0, noise=0.0, unrelated=0.0)
    person = sample_subject(model, np.random.default_rng(0), hard)
    clips = [
        sample_clip(model, person, "happy", 4, np.random.default_rng(i), hard)
        for i in range(20)
    ]
    both = [
        {"AU12_L", action} <= {k for k, x in clip.course.items() if x[0] > 0.05}
        for clip in clips
        for action in ("AU9_L", "AU15_L", "AU2_L", "AU24_L")
    ]
    assert any(both)
