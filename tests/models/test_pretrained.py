"""Published weights load exactly, or say what is wrong with them."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from safetensors.numpy import load_file, save_file

from smile_jax.models import PretrainedError, load_pretrained
from smile_jax.models.pretrained import hub, parity
from smile_jax.models.pretrained.adapt import inflate_patches, resize_positions
from smile_jax.models.pretrained.weight_names import weight_table
from smile_jax.models.pretrained.weights import read_weights
from tests.conftest import run_module
from tests.models.reference_models import MODELS, save_reference

pytest.importorskip("torch", reason="the reference models are PyTorch's: extra `test`")
# transformers' classes warn of ids in their own defaults, torch of its own internals.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def get(name):
        if name not in made:
            made[name] = save_reference(name, tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.fixture
def copy_of(folders, tmp_path):
    def make(name):
        return shutil.copytree(folders(name), tmp_path / name)

    return make


# Of each family before every commit; all of them by `make test-all`.
_FAST = ("clip_small", "siglip_small")


@pytest.mark.parametrize(
    "name",
    [
        name if name in _FAST else pytest.param(name, marks=pytest.mark.slow)
        for name in MODELS
    ],
)
def test_features_logits_gradients_and_ids_are_those_of_the_reference(name, folders):
    found = parity.compare(folders(name))
    assert found.within(TOLERANCE), found
    assert found.tokenizer_equal is (None if name == "clip_vision_alone" else True)
    assert (found.image is None) == (MODELS[name][3] is None)


@pytest.mark.parametrize(
    "name, size",
    [
        ("clip_laion", 56),
        ("siglip_small", 168),
        *(
            pytest.param(name, size, marks=pytest.mark.slow)
            for name, size in (
                ("clip_laion", 168),
                ("siglip_small", 56),
                ("clip_small", 56),
                ("clip_small", 168),
            )
        ),
    ],
)
def test_positions_for_other_resolutions_are_those_of_the_reference(
    name, size, folders
):
    assert parity.compare(folders(name), image_size=size).within(TOLERANCE)


@pytest.mark.parametrize("name", ["clip_small", "siglip_small", "bert_small"])
def test_a_change_of_any_tensor_is_seen(name, copy_of):
    """The comparison has teeth: each parameter counts."""
    folder = copy_of(name)
    towers, params, _ = load_pretrained(folder)
    inputs = parity._Inputs.random(towers.config, 3, np.random.default_rng(0))
    flat = traverse_util.flatten_dict(params, sep="/")
    run = jax.jit(lambda p: parity._outputs(towers, p, inputs))
    before = run(params)
    for key, value in flat.items():
        if key.endswith("key/bias"):  # the softmax does not see it
            continue
        changed = flat | {
            key: value * 1.1 + 0.01 * np.arange(value.size).reshape(value.shape) % 0.07
        }
        after = run(traverse_util.unflatten_dict(changed, sep="/"))
        error = max(
            parity.relative_error(np.asarray(after[k]), np.asarray(x))
            for k, x in before.items()
        )
        assert error > TOLERANCE, key


def test_half_precision_and_sharded_files(copy_of, rng):
    folder = copy_of("clip_small")
    _, whole, _ = load_pretrained(folder)
    weights = {k: v.astype(np.float16) for k, v in read_weights(folder).items()}
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    shards = {"model-00001-of-00002.safetensors": names[: len(names) // 2]}
    shards["model-00002-of-00002.safetensors"] = names[len(names) // 2 :]
    for file, held in shards.items():
        save_file({k: weights[k] for k in held}, folder / file)
    index = {k: file for file, held in shards.items() for k in held}
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": index}))
    _, params, _ = load_pretrained(folder)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), whole, params
    )
    assert all(x.dtype == np.float32 for x in jax.tree.leaves(params))
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(PretrainedError, match="names model-00002-of-00002"):
        load_pretrained(folder)


def test_bfloat16_files(copy_of):
    import torch
    from safetensors.torch import save_file as save_torch

    folder = copy_of("bert_small")
    _, before, _ = load_pretrained(folder)
    tensors = {
        k: torch.from_numpy(v).to(torch.bfloat16)
        for k, v in read_weights(folder).items()
    }
    save_torch(tensors, folder / "model.safetensors")
    _, after, _ = load_pretrained(folder)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0.01), before, after
    )


@pytest.mark.slow
def test_bfloat16_activations_are_close(folders):
    assert parity.compare(folders("clip_laion"), dtype="bfloat16").within(0.1)


def test_missing_and_unknown_tensors_are_all_listed(copy_of):
    folder = copy_of("clip_small")
    weights = load_file(folder / "model.safetensors")
    for name in ("visual_projection.weight", "vision_model.pre_layrnorm.bias"):
        weights[name + "_"] = weights.pop(name)
    weights["text_model.embeddings.position_ids"] = np.zeros((1, 4), np.int64)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(PretrainedError) as error:
        load_pretrained(folder)
    message = str(error.value)
    assert "missing (1): vision_model.pre_layrnorm.bias" in message
    assert "unknown (2): vision_model.pre_layrnorm.bias_, visual_proj" in message
    assert "position_ids" not in message


def test_wrong_shapes_kinds_and_folders_are_explained(copy_of, tmp_path):
    folder = copy_of("clip_small")
    weights = load_file(folder / "model.safetensors")
    weights["text_projection.weight"] = weights["text_projection.weight"][:, :-1].copy()
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(PretrainedError, match="text/project/kernel is"):
        load_pretrained(folder)
    (folder / "model.safetensors").write_bytes(b"12345678")
    with pytest.raises(PretrainedError, match="cannot be read"):
        load_pretrained(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(PretrainedError, match="must be converted"):
        load_pretrained(folder)
    with pytest.raises(PretrainedError, match="no such folder"):
        load_pretrained(tmp_path / "nothing")
    save_file({"x": np.zeros(1)}, folder / "model.safetensors")
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(PretrainedError, match="'gpt2' is not supported: CLIP"):
        load_pretrained(folder)
    (folder / "config.json").unlink()
    with pytest.raises(PretrainedError, match="no config"):
        load_pretrained(folder)


def test_missing_statistics_and_tokenizers_are_explained(copy_of):
    folder = copy_of("siglip_small")
    statistics = folder / "preprocessor_config.json"
    kept = statistics.read_text()
    statistics.unlink()
    with pytest.raises(PretrainedError, match="image_mean and image_std"):
        load_pretrained(folder)
    statistics.write_text(kept)
    for path in folder.glob("*"):
        if path.name.startswith(("tokenizer", "spiece")):
            path.unlink()
    with pytest.raises(PretrainedError, match="its tokenizer cannot be read"):
        load_pretrained(folder)


def test_siglip_2_reads_lower_case(folders):
    """As trained, though the Gemma tokenizer in its files keeps capitals."""
    _, _, tokenizer = load_pretrained(folders("siglip2"))
    upper, lower = tokenizer(["A Happy Face", "a happy face"])
    np.testing.assert_array_equal(upper, lower)


def test_damaged_files_are_named(copy_of):
    folder = copy_of("siglip_small")
    weights = load_file(folder / "model.safetensors")
    probe = next(name for name in weights if name.endswith("head.probe"))
    save_file(
        weights | {probe: np.zeros((1, 1, 3), np.float32)}, folder / "model.safetensors"
    )
    with pytest.raises(PretrainedError, match=r"probe has the shape \(1, 1, 3\)"):
        load_pretrained(folder)
    (folder / "model.safetensors").unlink()
    for content in ("{", "{}", "[]"):
        (folder / "model.safetensors.index.json").write_text(content)
        with pytest.raises(PretrainedError, match="no index of shards"):
            load_pretrained(folder)


def test_other_sentence_encoders_are_refused(copy_of):
    folder = copy_of("bert_small")
    modules = [{"type": "sentence_transformers.models.Dense"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(PretrainedError, match="a Dense layer"):
        load_pretrained(folder)
    (folder / "modules.json").unlink()
    (folder / "1_Pooling").mkdir()
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text('{"pooling_mode_max_tokens": true}')
    with pytest.raises(PretrainedError, match="pools by"):
        load_pretrained(folder)
    pooling.write_text('{"pooling_mode_cls_token": true}')
    assert parity.compare(folder).within(TOLERANCE)


def test_prompts_that_do_not_fit_are_named(folders):
    _, _, tokenizer = load_pretrained(folders("bert_small"))
    with pytest.raises(ValueError, match="more than the tower's 96"):
        tokenizer(["word " * 100])
    with pytest.raises(ValueError, match="contains the padding token"):
        tokenizer(["a [PAD] face"])
    with pytest.raises(ValueError, match="empty"):
        tokenizer(["a face", " "])


def test_without_a_network_the_cache_and_then_advice(monkeypatch):
    import huggingface_hub

    def refuse(*_, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(PretrainedError, match="name the folder"):
        hub.locate("openai/clip-vit-base-patch32")


def test_the_table_covers_every_parameter_once(folders):
    for name in MODELS:
        towers, params, _ = load_pretrained(folders(name))
        ours = [n for w in weight_table(towers.config) for n in w.ours]
        assert len(ours) == len(set(ours))
        assert set(ours) == set(traverse_util.flatten_dict(params, sep="/")), name


@pytest.mark.parametrize("name", MODELS)
def test_writing_the_table_gives_the_file_back(name, folders):
    towers, params, _ = load_pretrained(folders(name))
    flat = traverse_util.flatten_dict(params, sep="/")
    original = read_weights(folders(name))
    for weight in weight_table(towers.config):
        np.testing.assert_array_equal(weight.write(flat), original[weight.theirs])


def test_the_same_picture_in_every_group_gives_what_rgb_gave(folders, rng):
    folder = folders("clip_small")
    towers, params, _ = load_pretrained(folder)
    inflated, more, _ = load_pretrained(folder, channel_groups=(3, 1, 3))
    grey = np.repeat(rng.normal(size=(2, 32, 32, 1)), 3, axis=-1).astype(np.float32)
    seven = np.concatenate([grey, grey[..., :1], grey], axis=-1)
    a = towers.apply({"params": params}, jnp.asarray(grey), method="image_features")
    b = inflated.apply({"params": more}, jnp.asarray(seven), method="image_features")
    np.testing.assert_allclose(a, b, atol=1e-5)
    assert len(inflated.config.mean) == 7
    assert inflated.config.mean[3] == pytest.approx(np.mean(towers.config.mean))
    with pytest.raises(PretrainedError, match="each must be 3 or 1"):
        load_pretrained(folder, channel_groups=(2,))
    rgb = rng.normal(size=(4 * 3, 5)).astype(np.float32)
    np.testing.assert_array_equal(inflate_patches(rgb, (3,)), rgb)


def test_positions_keep_constants_and_slopes(rng):
    constant = np.full((16, 3), 2.0, np.float32)
    np.testing.assert_allclose(
        resize_positions(constant, (7, 7), class_token=False), 2.0, rtol=1e-6
    )
    token = np.concatenate([np.full((1, 3), 9.0, np.float32), constant])
    resized = resize_positions(token, (2, 6), class_token=True)
    assert resized.shape == (13, 3) and (resized[0] == 9).all()


def test_sizes_that_are_no_whole_patches_are_refused(folders):
    with pytest.raises(PretrainedError, match="not a multiple"):
        load_pretrained(folders("clip_small"), image_size=30)


@pytest.mark.slow
def test_verify_tells_and_exits(copy_of):
    folder = copy_of("clip_small")
    done = run_module("smile_jax.verify", str(folder))
    assert done.returncode == 0, done.stderr
    line = json.loads(done.stdout)
    assert line["family"] == "clip" and line["tokenizer_equal"] is True
    keys = ("image_rel_err", "text_rel_err", "logits_rel_err", "grad_rel_err")
    assert all(0 < line[key] < TOLERANCE for key in keys)
    done = run_module("smile_jax.verify", str(folder), "--tolerance=1e-12")
    assert done.returncode == 1 and "over the tolerance" in done.stderr
    done = run_module("smile_jax.verify", str(folder / "nothing"))
    assert done.returncode == 1 and "no such folder" in done.stderr


def test_verify_says_when_there_is_nothing_to_compare_with(
    monkeypatch, folders, capsys
):
    from smile_jax import verify

    monkeypatch.setattr(parity, "torch_installed", lambda: False)
    with pytest.raises(SystemExit) as stop:
        verify.main(["verify", str(folders("bert_small"))])
    assert stop.value.code == 2
    out = capsys.readouterr()
    assert json.loads(out.out) == {"family": "bert", "compared": False}
    assert "not installed" in out.err


MINILM_TEXTS = (
    "a happy face",
    "a smiling person",
    "a surprised face",
    "raised inner brows, jaw dropped",
    "the stock market fell",
)


def test_similarities_of_minilm_are_those_of_the_reference(minilm):
    import torch
    from transformers import AutoModel, AutoTokenizer

    towers, params, tokenizer = load_pretrained(minilm)
    tokens = jnp.asarray(tokenizer(MINILM_TEXTS))
    ours = towers.apply({"params": params}, tokens, method="text_features")
    ours = ours / jnp.linalg.norm(ours, axis=1, keepdims=True)
    inputs = AutoTokenizer.from_pretrained(minilm)(
        list(MINILM_TEXTS), padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(minilm)(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None].float()
    theirs = (hidden * mask).sum(1) / mask.sum(1)
    theirs = torch.nn.functional.normalize(theirs, dim=-1)
    similarity = np.asarray(ours @ ours.T)
    np.testing.assert_allclose(similarity, (theirs @ theirs.T).numpy(), atol=TOLERANCE)
    assert similarity[0, 1] > similarity[0, 2] > similarity[0, 4]


def test_minilm_has_parity(minilm):
    assert parity.compare(minilm).within(TOLERANCE)
