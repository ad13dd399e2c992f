"""Cross-entropy with labels, one or several a clip."""

import numpy as np

from smile_jax.objectives.supervised import ActionUnits, SupervisedClassification
from tests.objectives.common import (
    UNITS,
    K,
    check_devices,
    loss,
    make_batch,
    make_params,
)


def logits_of(params, batch):
    fused = batch["x"].mean(axis=1)
    return fused @ params["classifier"]["kernel"] + params["classifier"]["bias"]


def test_cross_entropy_is_that_of_the_loop(rng, x64):
    objective = SupervisedClassification(num_classes=K)
    batch, params = make_batch(rng), make_params(objective, rng)
    rows = []
    for row, label in zip(logits_of(params, batch), batch["label"], strict=True):
        rows.append(np.log(np.exp(row).sum()) - row[label])
    value, metrics = loss(objective, params, batch)
    np.testing.assert_allclose(value, np.mean(rows), rtol=1e-9)
    hits = logits_of(params, batch).argmax(-1) == batch["label"]
    np.testing.assert_allclose(metrics["cross_entropy/accuracy"], hits.mean())


def test_by_hand(x64, rng):
    """Without weights every class is as likely: ln K."""
    objective = SupervisedClassification(num_classes=K)
    batch, params = make_batch(rng), make_params(objective, rng)
    params["classifier"] = {"kernel": 0 * params["classifier"]["kernel"],
                            "bias": np.zeros(K)}  # fmt: skip
    np.testing.assert_allclose(loss(objective, params, batch)[0], np.log(K), rtol=1e-9)


def test_action_units_are_those_of_the_loop(rng, x64):
    objective = ActionUnits(num_action_units=UNITS)
    batch, params = make_batch(rng), make_params(objective, rng)
    each = []
    for row, units in zip(logits_of(params, batch), batch["action_units"], strict=True):
        for logit, moves in zip(row, units, strict=True):
            p = 1 / (1 + np.exp(-logit))
            each.append(-np.log(p if moves else 1 - p))
    value, _ = loss(objective, params, batch)
    np.testing.assert_allclose(value, np.mean(each), rtol=1e-9)


def test_action_units_by_hand(x64, rng):
    """Without weights each moves or not by chance: ln 2; and 0 where sure and right."""
    objective = ActionUnits(num_action_units=UNITS)
    batch, params = make_batch(rng), make_params(objective, rng)
    params["classifier"] = {"kernel": 0 * params["classifier"]["kernel"],
                            "bias": np.zeros(UNITS)}  # fmt: skip
    np.testing.assert_allclose(loss(objective, params, batch)[0], np.log(2), rtol=1e-9)
    batch["action_units"] = np.ones_like(batch["action_units"])
    params["classifier"]["bias"] = np.full(UNITS, 50.0)
    np.testing.assert_allclose(loss(objective, params, batch)[0], 0, atol=1e-12)


def test_devices(rng, x64):
    check_devices(SupervisedClassification(num_classes=K), rng)
    check_devices(ActionUnits(num_action_units=UNITS), rng)
