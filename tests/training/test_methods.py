"""Methods other than SMILE train by nothing but their names."""

import dataclasses
import json

import numpy as np
import pytest

from smile_jax import objectives
from smile_jax.config import ConfigError
from smile_jax.config.validate import validate
from smile_jax.core import parallel
from smile_jax.core.pytree import flatten
from smile_jax.models.convnet import ConvConfig
from smile_jax.models.heads import linear
from smile_jax.objectives.base import Inputs, Objective, Term
from smile_jax.training.assembly import build, spec_of_fresh_run
from smile_jax.training.run_description import run_info
from smile_jax.training.run_info import RunInfo, check_same_run
from smile_jax.training.run_plan import make_plan
from tests.conftest import tfds_build
from tests.data.trees import write_tree
from tests.training.common import shrunk_config, train_here
from tests.training.test_resume import assert_identical, final_state
from tests.training.test_step import run_steps

TERMS = {
    "supervised": {"cross_entropy"},
    "vicreg": {"invariance", "variance", "covariance"},
    "infonce": {"infonce"},
    "siglip": {"alignment"},
    "multiview": {"alignment", "pairs"},
    "shu": {"contrast"},
    "facet": {"fused", "views", "consistency"},
    "conclugen": {"contrast", "clustering", "reconstruction"},
    "mae": {"reconstruction"},
}
WITH_TEXT = {"siglip", "multiview", "facet"}


@pytest.mark.slow
@pytest.mark.parametrize("name", TERMS)
def test_named_methods_train(tiny_dataset, name):
    text = "weak" if name in WITH_TEXT else "none"
    keys = {"objective.name": name, "text_source": text}
    keys["model.cross_view"] = name == "facet"
    keys["augment.patch_dropout"] = 0.75 if name == "mae" else 0.0
    keys["objective.shu.false_negatives"] = (
        "keep"  # these records do not say what faces do
    )
    _, metrics = run_steps(shrunk_config(tiny_dataset, **keys), steps=2, devices=2)
    found = {k.split("/")[0] for k in metrics if k.endswith("/loss")}
    assert found == TERMS[name] and np.isfinite(metrics["loss"])


@pytest.mark.slow
def test_facet_takes_the_width_of_the_text_tower(tiny_dataset, minilm):
    """Of what is loaded, not of `model.embed_dim`."""
    keys = {"objective.name": "facet", "model.cross_view": True}
    keys |= {"model.pretrained_text": str(minilm), "model.embed_dim": 16}
    config = shrunk_config(tiny_dataset, **keys)
    state, metrics = run_steps(config, steps=1, devices=1)
    assert state.params["guide"]["query"]["kernel"].shape[-1] == 384
    assert np.isfinite(metrics["loss"])


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"model.cross_view": True}, "model.cross_view=True: what is compared would"),
        ({"data.moments": True, "data.crops": 4, "data.frames": 1}, "of 'shu' alone"),
        ({"data.moments": True, "objective.name": "shu"}, "four windows of one frame"),
        (
            {"objective.name": "siglip", "prompts.view_aware": True},
            "prompts of single views are of 'smile' alone",
        ),
        (
            {"objective.name": "facet", "text_source": "several"},
            "takes one prompt a clip",
        ),
    ],
)
def test_what_does_not_go_together_is_said(tiny_dataset, keys, said):
    with pytest.raises(ConfigError, match=said):
        validate(shrunk_config(tiny_dataset, **keys), devices=1)


def test_a_method_without_text_says_so(tiny_dataset):
    config = shrunk_config(tiny_dataset, **{"objective.name": "vicreg"})
    with pytest.raises(
        ConfigError, match="text_source='weak': this objective looks at"
    ):
        validate(config, devices=1)


def test_fields_that_records_lack_are_named(tiny_dataset):
    keys = {"objective.name": "action_units", "text_source": "none"}
    with pytest.raises(ConfigError, match="needs 'action_units', which the records"):
        make_plan(shrunk_config(tiny_dataset, **keys))


def test_action_units_of_4dme_reach_their_method(tmp_path):
    """From the spreadsheet through the shards to the loss, by their name alone."""
    write_tree("four_dme", tmp_path / "tree", subjects=3)
    form = {"name": "small", "size": 16, "yaws_deg": [-20, 20], "frames": 1}
    flags = (f"--config={json.dumps(form)}", f"--manual_dir={tmp_path / 'tree'}")
    tfds_build("four_dme", *flags, data_dir=tmp_path)
    keys = {
        "objective.name": "action_units",
        "text_source": "none",
        "data.classes": ("negative", "surprise"),
        "data.inputs": ("depth", "normals"),
        "data.folds": 3,
        "model.vision.patch_size": 16,
        "augment.relight": False,
    }
    wrong = keys | {"objective.action_units.num_action_units": 5}
    with pytest.raises(ConfigError, match="num_action_units=5: the dataset has 22"):
        make_plan(shrunk_config(tmp_path / "four_dme" / "small", **wrong))
    config = shrunk_config(tmp_path / "four_dme" / "small", **keys)
    _, metrics = run_steps(config, steps=2, devices=2)
    assert np.isfinite(metrics["action_units/loss"])
    assert 0 <= metrics["action_units/accuracy"] <= 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Centring(Objective):
    """Carries a mean of features, as a teacher's centre is carried."""

    def heads(self):
        return {"tiny": linear(3, "fused")}

    def start(self):
        return {"centre": np.zeros(3, np.float32)}

    def terms(self, x: Inputs, axis_name):
        z = x.embeddings.heads["tiny"] - x.extra["centre"][None]
        loss = parallel.pmean((z**2).mean(), axis_name)
        return {"spread": Term(1.0, loss, {})}

    def carry(self, x: Inputs, axis_name):
        mean = parallel.pmean(x.embeddings.heads["tiny"].mean(axis=0), axis_name)
        return {"centre": 0.9 * x.extra["centre"] + 0.1 * mean}


@pytest.mark.parametrize(
    "name, carried",
    [
        ("centring", "centre"),
        pytest.param("conclugen", "queue", marks=pytest.mark.slow),
    ],
)
def test_what_a_method_carries_is_resumed_bit_for_bit(
    name, carried, tiny_dataset, tmp_path, monkeypatch
):
    monkeypatch.setitem(objectives.OBJECTIVES, "centring", Centring)
    keys = {"objective.name": name, "text_source": "none", "train.steps": 4}
    keys["objective.conclugen.queue_batches"] = 1
    train_here(tiny_dataset, tmp_path / "whole", **keys)
    for stop in (2, 0):
        part = keys | {"train.stop_after_steps": stop}
        train_here(tiny_dataset, tmp_path / "parts", **part)
    ours, whole = (final_state(tmp_path / name, step=4) for name in ("parts", "whole"))
    assert np.abs(whole["extra"][carried]).min() > 0
    assert_identical(ours, whole)


@pytest.mark.slow
def test_a_convolutional_tower_trains_its_last_layers(tiny_dataset):
    keys = {
        "model.vision.kind": "conv",
        "model.vision.depth": 3,
        "tune.vision": "last",
        "tune.last_blocks": 1,
    }
    config = shrunk_config(tiny_dataset, **keys)
    validate(config, devices=2)
    _, fresh, _ = build(config, make_plan(config))
    state, _ = run_steps(config, steps=2, devices=2)
    before, after = (flatten(s.params["vision"]) for s in (fresh, state))
    moved = {k.split("/")[0] for k in before if (before[k] != after[k]).any()}
    assert moved == {"conv_2", "norm_2", "norm_post"}


def test_a_run_remembers_the_kind_of_a_tower_that_it_was_given(tiny_dataset, tmp_path):
    """Another run's tower, or published weights, may be of another kind than
    `model.vision.kind` says, which is of one from scratch."""
    config = shrunk_config(tiny_dataset)
    plan = make_plan(config)
    spec = spec_of_fresh_run(config, plan)
    conv = ConvConfig(width=16, depth=3, stem="patch", pool="flatten")
    spec = dataclasses.replace(spec, model=dataclasses.replace(spec.model, vision=conv))
    info = run_info(config, plan, spec)
    again = RunInfo.from_json(json.loads(json.dumps(info.to_json())), tmp_path)
    assert again.model.vision == conv and again.config == config
    check_same_run(again, info, tmp_path)


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"model.vision.depth": 6}, r"model\.vision\.depth=6: every layer doubles"),
        ({"tune.vision": "lora"}, r"tune\.vision='lora': this tower has no LoRA"),
        (
            {"model.vision.pool": "class"},
            r"vision\.pool='class': this tower has no",
        ),
        ({"model.vision.scan": True}, r"scan=True: this tower has no blocks alike"),
        ({"augment.patch_dropout": 0.5}, r"this vision tower has no patches"),
    ],
)
def test_what_a_convolutional_tower_cannot(tiny_dataset, keys, said):
    conv = {"kind": "conv", "depth": 3, "pool": "mean"}
    keys = {f"model.vision.{key}": value for key, value in conv.items()} | keys
    with pytest.raises(ConfigError, match=said):
        validate(shrunk_config(tiny_dataset, **keys), devices=1)
