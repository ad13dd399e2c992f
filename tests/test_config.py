"""A wrong config is refused before anything slow, with all its problems."""

import dataclasses

import pytest
from absl import flags
from ml_collections import config_flags

from smile_jax.config import Config, ConfigError, get_config, to_config, with_values
from smile_jax.config.default import all_keys
from smile_jax.config.factories import encoder_config, knows_words
from smile_jax.config.flag import complete_config, config_of
from smile_jax.config.validate import validate, validate_against
from smile_jax.core.own_files import own_folder
from smile_jax.core.pytree import flatten
from smile_jax.data.dataset import open_dataset
from smile_jax.data.prompts import STYLES
from smile_jax.experiments import (
    bu3dfe,
    bu4dfe,
    demo,
    demo_captions,
    ict_captions,
    ict_conclugen_captions,
    ict_dynamic,
    ict_infonce,
    ict_minilm,
    ict_none,
    ict_pseudo,
    ict_static,
    ict_supervised,
    ict_vicreg,
    ict_vit_b16,
    ict_vit_s16,
)
from smile_jax.models import TextConfig, VisionConfig
from smile_jax.models.transformer import ACTIVATIONS, ATTENTION, REMAT
from tests.conftest import run_module
from tests.training.common import experiment_with, shrunk_config, shrunk_flags

EXPERIMENTS = (
    bu3dfe,
    bu4dfe,
    demo,
    demo_captions,
    ict_captions,
    ict_conclugen_captions,
    ict_dynamic,
    ict_infonce,
    ict_minilm,
    ict_none,
    ict_pseudo,
    ict_static,
    ict_supervised,
    ict_vicreg,
    ict_vit_b16,
    ict_vit_s16,
)


def test_words_mean_something_to_who_compared_faces_with_them():
    for experiment, known in (
        (demo, True),
        (ict_captions, True),
        (ict_none, False),
        (ict_supervised, False),
        (ict_conclugen_captions, False),  # it met captions elsewhere
    ):
        assert knows_words(to_config(experiment.get_config())) == known


def test_what_is_reconstructed_may_not_move():
    c = ict_conclugen_captions.get_config()
    c.tune.text = "full"
    with pytest.raises(ConfigError, match="what is reconstructed would move"):
        validate(to_config(c), devices=1)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiments_are_valid(experiment):
    validate(to_config(experiment.get_config()), devices=1)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_no_projector_is_wider_than_eight_batches(experiment):
    """More columns than that, and rows say too little of how they correlate."""
    config = experiment.get_config()
    assert config.model.projector_dim <= 8 * config.train.batch_size


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
        ("data.views", 1, r"compares 2 views"),
        ("data.inputs", ("colour",), r"data\.inputs"),
        ("data.classes", ("happy",), r"at least 2"),
        ("data.dir", "", r"smile-jax build"),
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
        (
            "objective.smile.alignment",
            -1.0,
            r"objective\.smile\.alignment=-1\.0: must be 0 or more",
        ),
        ("model.vision.heads", 0, r"heads=0: must be between 1 and 1024"),
        ("model.vision.patch_size", 0, r"patch_size=0: must be between 1 and 1024"),
        ("model.vision.patch_size", 12, r"stem 'conv' needs 8, 16, 32"),
        ("optimizer.clip_norm", 0.0, r"clip_norm=0\.0: must be above 0"),
        ("train.profile", "soon", r"the first and the last step"),
        ("train.evaluate_every", 10, r"Set data\.validation_fold"),
        ("data.validation_fold", 1, r"that fold is of the test people"),
        ("objective.name", "vicregs", r"did you mean 'vicreg'"),
        ("model.vision.pool", "flatten", r"a transformer has tokens"),
        ("data.local_mean", 0.005, r"so narrow a mean is the pixel itself"),
        ("model.vision.kind", "vitt", r"must be one of \('vit', 'conv'\)"),
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


def test_every_number_has_a_range_and_every_key_a_meaning():
    for name, field in all_keys().items():
        about = field.metadata
        if field.type in (int, float):
            assert about["low"] is not None or about["above"] is not None, name
        assert about["meaning"], name


def test_choices_are_those_of_the_code():
    """Said in `default.py` too, so that a typo is told without loading the models."""
    choices = {name: field.metadata["choices"] for name, field in all_keys().items()}
    for tower in ("vision", "text"):
        assert choices[f"model.{tower}.activation"] == tuple(ACTIVATIONS)
        assert choices[f"model.{tower}.remat"] == tuple(REMAT)
    assert choices["model.vision.attention"] == ATTENTION
    assert set(choices["prompts.style"]) == {*STYLES, "all"}


def test_no_component_states_another_default():
    """Values that components have for themselves are the config's, or switched off."""
    config = flatten(dataclasses.asdict(Config()), sep=".")
    for kind, section in ((VisionConfig, "model.vision"), (TextConfig, "model.text")):
        for field in dataclasses.fields(kind):
            if field.default is not dataclasses.MISSING:
                name = f"{section}.{field.name}"
                assert config.get(name, field.default) == field.default, name


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
    keys = {
        "data.views": 7,
        "evaluation.views": 8,
        "data.classes": ("happy", "contempt"),
    }
    config = shrunk_config(tiny_dataset, **keys, **{"data.clip": "dynamic"})
    with pytest.raises(ConfigError) as error:
        validate_against(config, dataset)
    for words in (
        "contempt",
        "data.views=7: the dataset has 3",
        "evaluation.views=8: the dataset has 3",
        "dynamic=True",
        "augment.relight=False",
    ):
        assert words in str(error.value)


def test_typo_in_an_experiment_names_the_nearest_key():
    config = get_config()
    with pytest.raises(AttributeError, match="batch_size"):
        config.train.batchsize = 4


def test_typo_on_the_command_line(tmp_path):
    flags = shrunk_flags(tmp_path, tmp_path, **{"train.batchsize": 4})
    done = run_module("smile_jax.train", *flags)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: --config.train.batchsize: there is no such key; did you mean "
        "config.train.batch_size?"
    ]


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
    assert "there is no such folder" in done.stderr and "smile-jax build" in done.stderr


@pytest.mark.parametrize(
    "given, steps, epochs",
    [
        (["--config.train.steps=12"], 12, 0.0),
        (["--config.train.epochs=2.5"], 0, 2.5),
        (["--config.train.steps=12", "--config.train.epochs=0"], 12, 0.0),
        (["--config.train.steps=12", "--config.train.epochs=3"], 12, 3.0),  # refused
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # how its file is loaded
def test_a_duration_on_the_command_line_replaces_that_of_the_file(
    given, steps, epochs, monkeypatch
):
    values = flags.FlagValues()
    monkeypatch.setattr(flags, "FLAGS", values)
    words = ["program", "--config=experiments/demo.py", *given]
    flag = config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=words)
    values(words)
    train = config_of(flag).train
    assert (train.steps, train.epochs) == (steps, epochs)


@pytest.mark.parametrize("way", [["--config=demo"], ["--config", "demo"]])
def test_an_experiment_goes_by_its_name(way, tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()  # a folder of that name is none
    monkeypatch.chdir(tmp_path)
    found = complete_config(["train", *way, "--workdir=demo"])
    assert str(own_folder("experiments") / "demo.py") in found[-2]
    assert found[-1] == "--workdir=demo"


@pytest.mark.parametrize("name", ["mine.py", "nothing", "x" * 300, "experiments/no.py"])
def test_other_names_stay_as_they_are(name):
    assert complete_config([f"--config={name}"]) == [f"--config={name}"]


@pytest.mark.parametrize(
    "given, meant",
    [
        ("loss.alignment=1", "did you mean config.objective.smile.alignment"),
        ("train.learning_rate=10", "did you mean config.optimizer.learning_rate?"),
        ("objective.smile.aligment=1", "mean config.objective.smile.alignment?"),
        ("nonsense=1", "config/default.py lists them"),
    ],
)
def test_a_key_that_stands_elsewhere_is_named(given, meant):
    flag = f"--config.{given}"
    with pytest.raises(ConfigError, match="no such key") as error:
        complete_config(["train", "--config=demo", flag])
    assert flag.split("=")[0] in str(error.value) and meant in str(error.value)


def test_settings_of_another_method_change_nothing():
    keys = {"objective.name": "supervised", "text_source": "none"}
    private = {"objective.smile.redundancy_mode": "private"}
    ours, other = (
        encoder_config(with_values(Config(), keys | more), 3) for more in ({}, private)
    )
    assert ours == other
    assert encoder_config(with_values(Config(), private), 3) != ours
