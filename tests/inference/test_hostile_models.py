"""Exports and model folders that are damaged, or mean harm."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from smile_jax.core.pytree import flatten, unflatten
from smile_jax.inference.model_folder import JSON, WEIGHTS, _files, export
from smile_jax.inference.recognizer import Recognizer
from smile_jax.models import PretrainedError, load_pretrained
from smile_jax.models.pretrained.tokenizer import _read
from smile_jax.training.assembly import build, spec_of_fresh_run
from smile_jax.training.checkpoints import CheckpointError
from smile_jax.training.checksums import of_json
from smile_jax.training.run_description import run_info
from smile_jax.training.run_plan import make_plan
from tests.training.common import shrunk_config


@pytest.fixture(scope="module")
def untrained(tiny_dataset):
    config = shrunk_config(tiny_dataset)
    plan = make_plan(config)
    spec = spec_of_fresh_run(config, plan)
    _, state, _ = build(config, plan, spec)
    return Recognizer(spec, state.params, run_info(config, plan, spec))


@pytest.fixture
def exported(untrained, tmp_path):
    export(untrained, tmp_path, tmp_path / "out")
    return tmp_path / "out"


def sign(folder) -> None:
    """Checksums that fit what is there: not damage, but a folder made to harm."""
    stored = json.loads((folder / JSON).read_text())
    (folder / JSON).unlink()
    stored["files"] = {k: x for k, x in _files(folder).items() if k != "README.md"}
    del stored["checksum"]
    stored["checksum"] = of_json(stored)
    (folder / JSON).write_text(json.dumps(stored))


def test_no_flipped_bit_is_silent(exported, rng):
    expected = flatten(Recognizer.load(exported).params)
    files = [p for p in sorted(exported.rglob("*")) if p.is_file()]
    for path in files:
        whole = path.read_bytes()
        for _ in range(4):
            damaged = bytearray(whole)
            damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
            path.write_bytes(damaged)
            if path.name == "README.md":
                found = flatten(Recognizer.load(exported).params)
                assert all((found[k] == x).all() for k, x in expected.items())
                continue
            with pytest.raises((CheckpointError, PretrainedError)) as error:
                Recognizer.load(exported)
            assert str(exported) in str(error.value)
        path.write_bytes(whole)


@pytest.mark.parametrize("content", ["", "[]", "{", "{}", '{"format": 4}', "null"])
def test_what_is_no_export_is_one_line(exported, content):
    (exported / JSON).write_text(content)
    with pytest.raises(CheckpointError) as error:
        Recognizer.load(exported)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_missing_misshapen_and_cut_tensors_are_named(exported):
    whole = load_file(exported / WEIGHTS)
    name, other = sorted(whole)[:2]
    for tensors, said in (
        ({k: x for k, x in whole.items() if k != name}, f"{name} is missing"),
        (whole | {name: np.zeros((3, 1), np.float32)}, f"{name} is \\(3, 1\\)"),
        (whole | {other: whole[other] * np.nan}, f"{other} is not finite"),
    ):
        save_file(tensors, exported / WEIGHTS)
        sign(exported)
        with pytest.raises(CheckpointError, match=said):
            Recognizer.load(exported)
    save_file(whole, exported / WEIGHTS)
    content = (exported / WEIGHTS).read_bytes()
    (exported / WEIGHTS).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="its checksum differs"):
        Recognizer.load(exported)
    sign(exported)
    with pytest.raises(CheckpointError, match="no export that can be read"):
        Recognizer.load(exported)


def test_unknown_keys_are_refused(exported):
    stored = json.loads((exported / JSON).read_text())
    stored["config"]["objective"]["smile"]["magic"] = 1.0
    (exported / JSON).write_text(json.dumps(stored))
    sign(exported)
    with pytest.raises(
        CheckpointError, match=r"objective\.smile\.magic: there is no such key"
    ):
        Recognizer.load(exported)


def test_an_export_does_not_tell_of_its_machine(exported, tiny_dataset, tmp_path):
    for path in exported.rglob("*"):
        if path.suffix in (".json", ".md"):
            text = path.read_text()
            assert str(tiny_dataset.parent) not in text
            assert str(tmp_path) not in text


def test_a_damaged_tokenizer_is_named(exported):
    path = exported / "tokenizer" / "hash_tokenizer.json"
    for content in (
        "",
        "[]",
        '{"context_length": 3}',
        '{"context_length": -1, "vocab_size": 9}',
    ):
        path.write_text(content)
        sign(exported)
        with pytest.raises(CheckpointError, match=r"hash_tokenizer\.json: damaged"):
            Recognizer.load(exported)


def test_parameters_that_are_no_numbers_are_refused(untrained, tmp_path):
    flat = flatten(untrained.params)
    name = sorted(flat)[0]
    flat[name] = np.full_like(flat[name], np.inf)
    sick = Recognizer(untrained.spec, unflatten(flat), untrained.info)
    with pytest.raises(CheckpointError, match=f"{name} is not finite"):
        sick.check(tmp_path)


def test_a_folder_of_code_is_not_run(tmp_path, monkeypatch):
    """transformers would ask on the terminal, and run it after a "y"."""
    folder, mark = tmp_path / "model", tmp_path / "was_run"
    folder.mkdir()
    code = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nclass X: pass\n"
    (folder / "code.py").write_text(code)
    automatic = {"AutoConfig": "code.X", "AutoTokenizer": ["code.X", None]}
    described = {"model_type": "new", "auto_map": automatic}
    (folder / "config.json").write_text(json.dumps(described))
    (folder / "tokenizer_config.json").write_text(json.dumps(described))
    save_file({"a": np.zeros(1, np.float32)}, folder / "model.safetensors")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(PretrainedError):
        load_pretrained(folder)
    with pytest.raises(PretrainedError):
        _read(folder)
    assert not mark.exists()
