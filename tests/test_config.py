"""A wrong config is refused before anything slow, with all its problems."""

import pytest

from experiments import (
    bu3dfe,
    demo,
    ict_infonce,
    ict_minilm,
    ict_pseudo,
    ict_static,
    ict_supervised,
    ict_vicreg,
    ict_vit_b16,
    ict_vit_s16,
)
from smile_jax.config import ConfigError, get_config, typed
from smile_jax.config.validate import validate, validate_against
from smile_jax.data.pipeline import open_dataset
from tests.conftest import run_module
from tests.training.common import experiment_with, shrunk_config, shrunk_flags

EXPERIMENTS = (
    bu3dfe,
    demo,
    ict_infonce,
    ict_minilm,
    ict_pseudo,
    ict_static,
    ict_supervised,
    ict_vicreg,
    ict_vit_b16,
    ict_vit_s16,
)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiments_are_valid(experiment):
    validate(typed(experiment.get_config()), devices=1)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "train.batch_size",
            30,
            r"train\.batch_size=30: not divisible by the 8 .* use 24 or 32",
        ),
        ("data.clip", "view", r"data\.clip='view'.*did you mean 'views'"),
        ("data.fold", 5, r"data\.fold=5: must be 0 to 4"),
        ("data.views", 1, r"needs 2 views"),
        ("data.inputs", ("colour",), r"data\.inputs"),
        ("data.classes", ("happy",), r"at least 2"),
        ("data.dir", "", r"tfds build"),
        ("model.vision.heads", 5, r"does not divide width"),
        ("augment.erase", 2.0, r"augment\.erase=2\.0: must be between 0 and 1"),
        ("train.steps", 10, r"exactly one"),
        ("text_source", "pseudo", r"set model\.pretrained or model\.start_from"),
        ("tune.lora_alpha", -1.0, r"tune\.lora_alpha=-1\.0: must be between"),
        ("data.classes", (), r"at least 2"),
        ("text_source", "pseudos", r"did you mean 'pseudo'"),
        ("tune.vision", "LoRA", r"tune\.vision='LoRA': must be one of"),
        ("model.vision.attention", "cudnn", r"it knows bfloat16 .* set .auto."),
        ("pseudo.frequencies", (0.5, 0.5), r"one for each of the 6 data\.classes"),
    ],
)
def test_each_problem_names_key_value_and_remedy(key, value, message):
    config = experiment_with(demo, **{key: value})
    with pytest.raises(ConfigError, match=message):
        validate(config, devices=8)


def test_guesses_need_words_that_the_model_knows_and_that_stay():
    keys = {
        "model.start_from": "",
        "model.pretrained": "clip",
        "model.pretrained_text": "minilm",
        "tune.text": "full",
    }
    config = experiment_with(ict_pseudo, **keys)
    with pytest.raises(ConfigError) as error:
        validate(config, devices=1)
    assert "images do not know that tower's space" in str(error.value)
    assert "use tune.text='frozen'" in str(error.value)


def test_all_problems_are_listed_at_once():
    config = experiment_with(demo, **{"train.batch_size": 30, "data.fold": 9})
    with pytest.raises(ConfigError) as error:
        validate(config, devices=8)
    assert str(error.value).count("\n") == 2


def test_pieces_of_stacked_blocks_have_one_learning_rate():
    keys = {"model.vision.scan": True, "train.shard_moments": True}
    validate(experiment_with(demo, **keys), devices=8)
    config = experiment_with(demo, **keys, **{"tune.layer_decay": 0.8})
    with pytest.raises(ConfigError, match=r"vision\.scan=True, train\.shard_moments"):
        validate(config, devices=8)


def test_what_the_dataset_lacks_is_named(tiny_dataset):
    dataset = open_dataset(tiny_dataset)
    keys = {"data.views": 7, "data.classes": ("happy", "contempt")}
    config = shrunk_config(tiny_dataset, **keys, **{"data.clip": "dynamic"})
    with pytest.raises(ConfigError) as error:
        validate_against(config, dataset)
    for words in ("contempt", "has 3", "dynamic=True", "augment.relight=False"):
        assert words in str(error.value)


def test_typo_in_an_experiment_names_the_nearest_key():
    config = get_config()
    with pytest.raises(AttributeError, match="batch_size"):
        config.train.batchsize = 4


def test_typo_on_the_command_line(tmp_path):
    flags = shrunk_flags(tmp_path, tmp_path, **{"train.batchsize": 4})
    done = run_module("smile_jax.train", *flags)
    assert done.returncode != 0
    assert "batch_size" in done.stderr


def test_problems_reach_the_user_without_a_traceback(tmp_path):
    flags = shrunk_flags(tmp_path / "missing", tmp_path, **{"train.batch_size": 15})
    done = run_module("smile_jax.train", *flags, devices=2)
    assert done.returncode == 1
    assert "not divisible by the 2 devices" in done.stderr
    assert "Traceback" not in done.stderr
    done = run_module("smile_jax.train", *shrunk_flags(tmp_path, "gs://bucket/run"))
    assert done.returncode == 1
    assert "mount the bucket" in done.stderr
    done = run_module("smile_jax.train", *shrunk_flags(tmp_path / "missing", tmp_path))
    assert done.returncode == 1
    assert "there is no such folder" in done.stderr and "tfds build" in done.stderr
