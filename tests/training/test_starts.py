"""Runs that start from published towers or from another run; what they export."""

import csv
import functools
import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smile_jax.core.pytree import flatten
from smile_jax.evaluation.fold_loop import evaluate
from smile_jax.evaluation.trained_run import ProtocolError
from smile_jax.faces import load_face_model
from smile_jax.inference.model_folder import _scores, export, load_exported
from smile_jax.inference.recognizer import Recognizer
from smile_jax.mesh import Mesh
from smile_jax.mesh.writers import write_obj
from smile_jax.models import Encoder, load_pretrained
from smile_jax.models.pretrained import parity
from smile_jax.training.assembly import build, spec_of_fresh_run
from smile_jax.training.model_spec import merge_lora
from smile_jax.training.run_plan import make_plan
from smile_jax.training.starting_model import place_params
from tests.conftest import run_module, tfds_build
from tests.models.reference_models import save_reference
from tests.training.common import shrunk_config, train_here
from tests.training.test_step import run_steps

pytest.importorskip("torch", reason="it writes the towers to start from: extra `test`")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return save_reference("clip_small", tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    return save_reference("siglip_small", tmp_path_factory.mktemp("siglip"))


def config_of(dataset, towers, **overrides):
    return shrunk_config(
        dataset,
        **({"model.pretrained": str(towers), "tune.text": "frozen"} | overrides),
    )


@pytest.mark.parametrize(
    "family", ["clip", pytest.param("siglip", marks=pytest.mark.slow)]
)
def test_a_run_starts_as_the_published_model(tiny_dataset, family, request):
    towers_folder = request.getfixturevalue(family)
    config = config_of(tiny_dataset, towers_folder, **{"data.inputs": ("texture",)})
    plan = make_plan(config)
    spec = spec_of_fresh_run(config, plan)
    model, state, _ = build(config, plan, spec)
    towers, params, tokenizer = load_pretrained(towers_folder)
    assert spec.mean == towers.config.mean and len(spec.mean) == 3
    images = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    features = jax.jit(towers.apply, static_argnames="method")
    expected = features(
        {"params": params}, jnp.asarray(images), method="image_features"
    )
    expected /= jnp.linalg.norm(expected, axis=1, keepdims=True)
    clips = jnp.asarray(images)[:, None, None]
    single = model.clone(axis_name=None)
    out = jax.jit(functools.partial(single.apply, train=False))(
        {"params": state.params}, clips, jnp.zeros((3, 1), jnp.int32)
    )
    np.testing.assert_allclose(out.joint, expected, atol=1e-5)
    texts = features(
        {"params": params}, jnp.asarray(tokenizer(plan.prompts.texts)),
        method="text_features",
    )  # fmt: skip
    texts = np.asarray(texts / jnp.linalg.norm(texts, axis=1, keepdims=True))
    mean = texts[plan.prompts.owners == 2].mean(axis=0)
    np.testing.assert_allclose(state.bank[0, 2], mean / np.linalg.norm(mean), atol=1e-5)
    assert state.params["logit_scale"] == params["logit_scale"]


@pytest.mark.parametrize(
    "regime",
    [
        "lora",
        *(pytest.param(r, marks=pytest.mark.slow) for r in ("frozen", "last", "full")),
    ],
)
def test_regimes_move_what_they_say_and_nothing_else(tiny_dataset, clip, regime):
    overrides = {"tune.vision": regime, "tune.last_blocks": 1, "tune.lora_rank": 2}
    config = config_of(tiny_dataset, clip, **overrides)
    _, fresh, _ = build(config, make_plan(config))
    state, metrics = run_steps(config, steps=3, devices=2)
    before, after = flatten(fresh.params), flatten(state.params)
    moved = {k for k in before if not np.array_equal(before[k], after[k])}
    towers = {k for k in moved if k.startswith(("vision/", "text/"))}
    vision = {k for k in before if k.startswith("vision/")}
    expected = {
        "frozen": set(),
        "last": {k for k in vision if "block_1" in k or "norm_post" in k},
        "lora": {k for k in vision if "lora_" in k},
        "full": vision,
    }[regime]
    assert towers == expected
    assert set(flatten(state.ema)) >= towers
    assert "joint_head/kernel" in moved
    assert np.isfinite(metrics["loss"])


@pytest.mark.slow
def test_lora_starts_as_the_model_without_it(tiny_dataset, clip):
    states = []
    for regime in ("full", "lora"):
        config = config_of(tiny_dataset, clip, **{"tune.vision": regime})
        plan = make_plan(config)
        model, state, _ = build(config, plan)
        clips = jnp.ones((2, *plan.clip_shape))
        ids = jnp.zeros((2, plan.clip_shape[1]), jnp.int32)
        out = model.clone(axis_name=None).apply(
            {"params": state.params}, clips, ids, train=False
        )
        states.append((state, out.joint))
    np.testing.assert_allclose(states[0][1], states[1][1], atol=1e-6)
    sizes = [sum(x.size for x in jax.tree.leaves(s.ema)) for s, _ in states]
    assert sizes[1] < sizes[0]


@pytest.mark.slow
def test_layer_decay_slows_what_is_near_the_input(tiny_dataset, clip):
    config = config_of(tiny_dataset, clip, **{"tune.layer_decay": 0.1})
    _, fresh, _ = build(config, make_plan(config))
    state, _ = run_steps(config, steps=2, devices=1)
    blocks = (p["vision"]["transformer"] for p in (state.params, fresh.params))
    moved = [
        np.abs(a["mlp_1"]["kernel"] - b["mlp_1"]["kernel"]).mean()
        for a, b in zip(*([x["block_0"], x["block_1"]] for x in blocks), strict=True)
    ]
    assert moved[0] < 0.3 * moved[1]


@pytest.mark.slow
def test_prompts_that_name_views_have_banks_of_their_own(tiny_dataset, clip):
    config = config_of(tiny_dataset, clip, **{"prompts.view_aware": True})
    state, metrics = run_steps(config, steps=1, devices=2)
    assert state.bank.shape == (4, 6, 20)
    assert np.abs(state.bank[1] - state.bank[3]).max() > 1e-3
    assert np.isfinite(metrics["alignment/i2t_views"])


@pytest.mark.slow
def test_pairs_train_and_log_their_floor(tiny_dataset, clip):
    config = config_of(
        tiny_dataset, clip, **{"objective.smile.alignment_over": "pairs"}
    )
    _, metrics = run_steps(config, steps=2, devices=2)
    assert metrics["alignment/floor"] > 0 and metrics["alignment/excess"] > 0


def test_what_does_not_fit_is_named(tiny_dataset, clip):
    config = config_of(
        tiny_dataset, clip, **{"objective.smile.redundancy_mode": "private"}
    )
    with pytest.raises(ValueError, match="'private' halves the fused feature"):
        spec_of_fresh_run(config, make_plan(config))
    with pytest.raises(ValueError, match=r"vision/position: \(3,\) does not fit"):
        place_params({"vision/position": np.zeros(2)}, {"vision/position": np.zeros(3)})


@pytest.fixture(scope="module")
def runs(tiny_dataset, clip, tmp_path_factory):
    """Towers of CLIP, LoRA and labels; then another run from it, without labels."""
    folder = tmp_path_factory.mktemp("runs")
    shared = {"train.steps": 4, "tune.text": "frozen"}
    keys = {"model.pretrained": str(clip), "tune.vision": "lora"}
    train_here(tiny_dataset, folder / "weak", **shared, **keys)
    pseudo = {
        "model.start_from": str(folder / "weak"),
        "text_source": "pseudo",
        "pseudo.warmup": 0.25,
        "pseudo.min_confidence": 0.0,
    }
    return folder, train_here(tiny_dataset, folder / "b", **shared, **pseudo)


def test_the_plan_says_what_starts_and_what_trains(runs):
    _, out = runs
    assert "start      " in out and "weak, step 4" in out
    assert "M of them trained (vision full, text frozen)" in out
    assert "MiB a device before activations" in out


def test_a_run_without_labels_resumes_bit_for_bit(tiny_dataset, runs, tmp_path):
    folder, _ = runs
    overrides = {
        "train.steps": 4,
        "tune.text": "frozen",
        "model.start_from": str(folder / "weak"),
        "text_source": "pseudo",
        "pseudo.warmup": 0.25,
        "pseudo.min_confidence": 0.0,
    }
    for stop in (2, 0):
        stopping = {"train.stop_after_steps": stop}
        train_here(tiny_dataset, tmp_path, **overrides, **stopping)
    from smile_jax.training.checkpoints import Checkpoints

    states = []
    for workdir in (folder / "b", tmp_path):
        checkpoints = Checkpoints.open(workdir)
        states.append(checkpoints.restore_raw()[0])
        checkpoints.close()
    assert states[0]["prior"]["updates"] == 4
    assert 0 < states[0]["prior"]["average"].sum() < 0.05
    jax.tree.map(np.testing.assert_array_equal, *states)
    rows = (folder / "b" / "metrics.jsonl").read_text().splitlines()
    weights = [json.loads(row)["alignment/weighted"] for row in rows]
    assert weights[0] > 0  # logged at step 2; the warm-up was step 1


@pytest.mark.slow
def test_evaluation_has_a_row_before_training_and_other_words(runs, tmp_path):
    folder, _ = runs
    words = tmp_path / "words.yaml"
    words.write_text(
        "classes: {anger: [mad], disgust: [yuck], fear: [scared], happy: [glad], "
        "sad: [tears], surprise: [wow]}"
    )
    done = run_module(
        "smile_jax.evaluate", f"--workdir={folder / 'b'}", f"--prompts={words}"
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((folder / "b" / "eval" / "results.json").read_text())
    rows = {row["method"]: row for row in results["rows"]}
    assert list(rows) == ["smile", "before_training", "random_init", "pixels_pca"]
    for method in ("smile", "before_training"):
        row = rows[method]
        templates = row["sensitivity"]["templates"]
        assert len(templates["accuracy"]) == 4
        assert templates["mean"] == pytest.approx(
            np.mean(list(templates["accuracy"].values()))
        )
        assert set(row["sensitivity"]["styles"]["accuracy"]) == {"plain", "facs"}
        assert list(row["other_prompts"]) == [str(words)]
    assert rows["random_init"]["zero_shot"] is None
    report = (folder / "b" / "eval" / "report.html").read_text()
    assert "averaged model's own zero-shot guesses" in report
    assert "Zero-shot accuracy by wording" in report


def test_labels_seen_by_the_run_before_are_remembered(runs, tiny_dataset, tmp_path):
    """In another place, under another config's name, they are the same people."""
    folder, _ = runs
    moved = tmp_path / "elsewhere" / "synthetic_faces" / "other"
    shutil.copytree(tiny_dataset, moved)
    with pytest.raises(ProtocolError, match="would test on them"):
        evaluate(folder / "b", "kfold")
    keys = {
        "model.start_from": str(folder / "weak"),
        "data.fold": 1,
        "train.steps": 2,
        "tune.text": "frozen",
    }
    train_here(moved, tmp_path / "run", text_source="pseudo", **keys)
    with pytest.raises(ProtocolError, match="saw the labels of 2 of its test subjects"):
        evaluate(tmp_path / "run", "holdout")


@pytest.mark.slow
def test_guesses_of_a_run_without_text_are_refused(tiny_dataset, tmp_path):
    train_here(tiny_dataset, tmp_path, text_source="none", **{"train.steps": 1})
    config = shrunk_config(
        tiny_dataset,
        text_source="pseudo",
        **{"model.start_from": str(tmp_path), "tune.text": "frozen"},
    )
    with pytest.raises(ValueError, match="did not learn to compare"):
        spec_of_fresh_run(config, make_plan(config))
    with pytest.raises(ValueError, match="did not learn to compare"):
        Recognizer.of_run(tmp_path).embed_text(["a face"])


@pytest.mark.slow
def test_captions_of_a_dataset_train(tmp_path):
    told = {
        "name": "told", "captions": True, "sequence_frames": 6, "frames": 3, "size": 32,
        "subjects": 6, "intensities": [4], "neutral": False,
    }  # fmt: skip
    tfds_build("synthetic_faces", f"--config={json.dumps(told)}", data_dir=tmp_path)
    config = shrunk_config(
        tmp_path / "synthetic_faces" / "told",
        text_source="captions",
        **{
            "objective.smile.alignment_over": "pairs",
            "objective.smile.redundancy": 0.1,
            "objective.smile.redundancy_mode": "actions",
            "prompts.phrasings": 3, "data.views": 2,
            "model.text.context_length": 96, "model.text.vocab_size": 32768,
        },
    )  # fmt: skip
    state, metrics = run_steps(config, steps=2, devices=2)
    assert state.bank.shape[1] == len(make_plan(config).train_prompts.classes) > 3
    assert np.isfinite(metrics["loss"]) and metrics["alignment/loss"] > 0
    assert metrics["redundancy/loss"] > 0


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory):
    """One by the command, one by the function."""
    folder, _ = runs
    out = {name: tmp_path_factory.mktemp("exported") / name for name in ("weak", "b")}
    done = run_module(
        "smile_jax.export", f"--workdir={folder / 'b'}", f"--out={out['b']}"
    )
    assert done.returncode == 0, done.stderr
    export(Recognizer.of_run(folder / "weak"), folder / "weak", out["weak"])
    return out


def test_exported_models_are_exact(runs, exported):
    folder, _ = runs
    for name, out in exported.items():
        recognizer = Recognizer.of_run(folder / name)
        spec, params, _ = load_exported(out)
        merged, expected = merge_lora(recognizer.spec, flatten(recognizer.params))
        assert spec.model == merged.model
        flat = flatten(params)
        assert set(expected) - set(flat) == {
            k for k in expected if k.startswith(("projector/", "redundancy_head/"))
        }
        for key, value in flat.items():
            assert value.shape == expected[key].shape, key
            np.testing.assert_array_equal(value, expected[key], err_msg=key)


def test_lora_is_merged_into_what_it_changes(runs, exported):
    folder, _ = runs
    recognizer = Recognizer.of_run(folder / "weak")
    spec, params, _ = load_exported(exported["weak"])
    assert recognizer.spec.model.vision.lora_rank and not spec.model.vision.lora_rank
    clips = jnp.asarray(np.random.default_rng(0).normal(size=(2, 1, 2, 32, 32, 6)))
    ids = jnp.zeros((2, 2), jnp.int32)
    ours, merged = (
        jax.jit(functools.partial(Encoder(model).apply, train=False))(
            {"params": p}, clips.astype(jnp.float32), ids
        )
        for model, p in (
            (recognizer.spec.model, recognizer.params),
            (spec.model, params),
        )
    )
    np.testing.assert_allclose(ours.joint, merged.joint, atol=1e-5)


def test_transformers_reads_the_exported_towers(exported):
    """Six channels: texture and normals."""
    towers, _, _ = load_pretrained(exported["b"])
    assert towers.config.channels == 6
    found = parity.compare(exported["b"])
    assert found.within(1e-4), found


def test_the_model_card_tells_the_facts(exported):
    card = (exported["b"] / "README.md").read_text()
    assert "source `pseudo`: expression labels seen, here or in runs" in card
    assert "both towers, clip layout" in card
    assert "runs/weak" in card or "weak" in card
    card = (exported["weak"] / "README.md").read_text()
    assert "labels seen" in card and "subjects of synthetic_faces, seed 0" in card
    assert "Not evaluated" in card
    assert str(exported["weak"].parent) not in card  # a folder of this machine


def test_the_card_has_scores_of_evaluations_without_accuracy(tmp_path):
    results = {
        "test_subjects": ["a", "b"],
        "protocol": "holdout",
        "classes": ["happy", "sad"],
        "columns": {
            "knn": {"title": "10-NN", "shown": ["accuracy", "uar"]},
            "head_pose": {"title": "head pose, R2", "shown": ["yaw", "pitch"]},
        },
        "rows": [
            {"method": "smile", "knn": {"accuracy": 0.5, "uar": 0.4},
             "head_pose": {"yaw": 0.25, "pitch": 0.75}},
            {"method": "pixels_pca", "knn": None, "head_pose": None},
        ],
    }  # fmt: skip
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "results.json").write_text(json.dumps(results))
    scores = _scores(tmp_path)
    assert "| smile | 0.500 | 0.250, 0.750 |" in scores
    assert "| pixels_pca |  |  |" in scores


def test_export_spares_other_folders(runs, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    workdir = runs[0] / "b"
    with pytest.raises(ValueError, match="not empty; name a new folder"):
        export(Recognizer.of_run(workdir), workdir, tmp_path)


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("meshes")
    model = load_face_model("")
    for name, actions in (("smile", {"AU12": 1.0}), ("rest", {})):
        vertices = model.acting(model.mean, actions)
        mesh = Mesh(vertices=vertices, faces=model.faces, colors=model.base_colors)
        write_obj(folder / f"{name}.obj", mesh)
    return folder


def test_predict_any_mesh_with_any_words(runs, exported, meshes):
    """Of what was exported, as the run itself answers."""
    words = ["a happy face", "a bored face"]
    files = [meshes / f"{name}.obj" for name in ("smile", "rest")]
    flags = ("--workdir", str(exported["b"]), *map(str, files), "--prompts", *words)
    done = run_module("smile_jax.predict", *flags)
    assert done.returncode == 0, done.stderr
    lines = list(csv.DictReader(done.stdout.splitlines()))
    run = Recognizer.of_run(runs[0] / "b")
    assert [line["file"] for line in lines] == list(map(str, files))
    for line, answer in zip(lines, run.predict(files, words), strict=True):
        found = [float(line[word]) for word in words]
        assert list(answer.probabilities) == words
        assert line["prediction"] == answer.label == words[np.argmax(found)]
        expected = list(answer.probabilities.values())
        assert sum(expected) == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert len({line["a happy face"] for line in lines}) == 2


@pytest.mark.slow
def test_predict_names_what_it_cannot_read_and_goes_on(runs, meshes, tmp_path):
    broken = tmp_path / "broken.obj"
    broken.write_text("v 1 2\n")
    done = run_module(
        "smile_jax.predict",
        "--workdir",
        str(runs[0] / "b"),
        str(broken),
        str(meshes / "smile.obj"),
        str(meshes),
    )
    lines = list(csv.DictReader(done.stdout.splitlines()))
    assert done.returncode == 3 and "3 answered, 1 skipped" in done.stderr
    assert f"skipped: {broken}: " in done.stderr
    assert "2 meshes, taken as single scans: rest.obj and smile.obj" in done.stderr
    assert [pathlib.Path(line["file"]).stem for line in lines] == [
        "smile", "rest", "smile",
    ]  # fmt: skip
    assert set(lines[1]) >= {"happy", "sad", "is_face", "pose", "unit_mm"}
    words = ("smile_jax.predict", "--workdir", str(runs[0] / "b"), str(meshes))
    for prompts, said in ((["a", "a"], "twice"), (["", "a"], "empty")):
        done = run_module(*words, "--prompts", *prompts)
        assert done.returncode == 1 and said in done.stderr
        assert "Traceback" not in done.stderr
    done = run_module("smile_jax.predict", "--workdir", str(tmp_path), str(broken))
    assert done.returncode == 1 and "train first" in done.stderr
