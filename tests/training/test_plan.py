"""Who is trained on, who is held out of training, who is tested on."""

import numpy as np

from smile_jax.training.plan import make_plan
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
