"""Who is trained on, who is held out of training, who is tested on."""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from smile_jax.config import ConfigError
from smile_jax.config.validate import validate
from smile_jax.training.run_plan import make_plan
from tests.conftest import run_module
from tests.training.common import shrunk_config


def people(plan, records):
    return set(plan.dataset.subjects[records].tolist())


def test_three_groups_share_nobody(tiny_dataset):
    plan = make_plan(shrunk_config(tiny_dataset, **{"data.validation_fold": 1}))
    trained = people(plan, plan.pretrain_records)
    held_out = people(plan, plan.validation_records)
    tested = people(plan, plan.test_records)
    assert trained and held_out and tested
    assert not (trained & held_out or trained & tested or held_out & tested)
    assert trained | held_out | tested == set(plan.dataset.subjects.tolist())
    assert people(plan, plan.train_records) == trained
    assert {plan.folds[p] for p in held_out} == {1} and {
        plan.folds[p] for p in tested
    } == {0}


def test_by_default_nobody_is_held_out(tiny_dataset):
    plan = make_plan(shrunk_config(tiny_dataset))
    assert not len(plan.validation_records)
    both = np.concatenate([plan.pretrain_records, plan.test_records])
    assert people(plan, both) == set(plan.dataset.subjects.tolist())


def test_a_protocol_draws_people_and_intensities(tiny_dataset):
    everything = make_plan(shrunk_config(tiny_dataset)).dataset
    strongest = everything.intensities.max()
    keys = {"data.people": 6, "data.intensities": (int(strongest),), "data.folds": 3}
    config = shrunk_config(tiny_dataset, **keys)
    plan = make_plan(config)
    assert len(plan.folds) == 6 and set(plan.folds.values()) == {0, 1, 2}
    seen = np.concatenate([plan.pretrain_records, plan.test_records])
    assert people(plan, seen) == set(plan.folds)
    assert set(plan.dataset.intensities[seen]) == {strongest}
    np.testing.assert_array_equal(np.sort(seen), plan.chosen)
    other = shrunk_config(tiny_dataset, **keys | {"data.fold_seed": 1})
    assert make_plan(other).folds.keys() != plan.folds.keys()
    for wrong, said in (
        ({"data.people": 99}, "data.people=99: the dataset has"),
        ({"data.intensities": (9,)}, r"data\.intensities=\(9,\): there are"),
    ):
        with pytest.raises(ConfigError, match=said):
            make_plan(shrunk_config(tiny_dataset, **keys | wrong))


def test_who_does_not_show_every_class_is_left_out(tiny_dataset, monkeypatch):
    whole = make_plan(shrunk_config(tiny_dataset))
    one = str(whole.dataset.subjects[0])
    happy = whole.dataset.classes.index("happy")
    labels = whole.dataset.labels.copy()
    labels[(whole.dataset.subjects == one) & (labels == happy)] = -1
    changed = dataclasses.replace(whole.dataset, labels=labels)
    monkeypatch.setattr("smile_jax.training.run_plan.open_dataset", lambda _: changed)
    plan = make_plan(shrunk_config(tiny_dataset, **{"data.complete_people": True}))
    assert set(plan.folds) == set(whole.folds) - {one}
    assert one not in people(plan, plan.chosen)
    keys = {"data.complete_people": True, "data.classes": ("happy", "neutral")}
    monkeypatch.setattr(
        "smile_jax.training.run_plan.open_dataset",
        lambda _: dataclasses.replace(
            changed, labels=np.where(labels == happy, -1, labels)
        ),
    )
    with pytest.raises(ConfigError, match=r"nobody in .* shows all of"):
        make_plan(shrunk_config(tiny_dataset, **keys))


def test_transductive_pretraining_sees_everybody_and_no_label(tiny_dataset):
    keys = {"data.transductive": True, "text_source": "none"}
    config = shrunk_config(tiny_dataset, **keys)
    plan, whole = make_plan(config), make_plan(shrunk_config(tiny_dataset))
    assert people(plan, plan.pretrain_records) == set(plan.folds)
    np.testing.assert_array_equal(plan.train_records, whole.train_records)
    np.testing.assert_array_equal(plan.test_records, whole.test_records)
    for wrong in ({"text_source": "weak"}, {"data.train_people": 2}):
        with pytest.raises(ConfigError, match="labels of the people that it is tested"):
            validate(shrunk_config(tiny_dataset, **keys | wrong), devices=1)


def test_few_are_learned_from_and_all_are_tested(tiny_dataset):
    whole = make_plan(shrunk_config(tiny_dataset))
    plans = [
        make_plan(shrunk_config(tiny_dataset, **{"data.train_people": count}))
        for count in (1, 2, 3, 4, 5)
    ]
    few = [people(plan, plan.pretrain_records) for plan in plans]
    assert [len(names) for names in few] == [1, 2, 3, 4, 5]
    for fewer, more in itertools.pairwise(
        [*few, people(whole, whole.pretrain_records)]
    ):
        assert fewer < more
    for plan in plans:
        learned = people(plan, plan.pretrain_records)
        assert people(plan, plan.train_records) == learned
        np.testing.assert_array_equal(plan.test_records, whole.test_records)
        assert plan.folds == whole.folds
    with pytest.raises(ConfigError, match=r"train_people=99: 6 people may be trained"):
        make_plan(shrunk_config(tiny_dataset, **{"data.train_people": 99}))


def test_folds_are_written_for_others(tiny_dataset, tmp_path):
    out = tmp_path / "folds.json"
    flags = (f"--config.data.dir={tiny_dataset}", "--config.data.folds=2")
    done = run_module(
        "smile_jax.folds", "--config=experiments/demo.py", *flags, f"--out={out}"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text())
    assert len(told["test"]) == 2 and not set(told["test"][0]) & set(told["test"][1])
    for clip in told["clips"].values():
        assert clip["subject"] in told["test"][clip["fold"]]
        assert clip["class"] in told["classes"]
