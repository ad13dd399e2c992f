"""The page of all suites."""

from smile_jax.evaluation.suite_definition import Suite
from smile_jax.experiments.leaderboard import label_efficiency


def row(method, evaluation, value, seed=0):
    return {
        "method": method, "row": "smile", "evaluation": evaluation, "seed": str(seed),
        "metric": "accuracy", "condition": "", "value": str(value),
    }  # fmt: skip


def suite(**settings):
    return Suite(
        config="x.py",
        methods={"ours": {}, "supervised, 1": {}, "supervised, 20": {}},
        **settings,
    )


def test_curves_are_of_probes_and_of_methods_named_by_people():
    shown = (("linear_probe", "accuracy"), ("few_people_1", "accuracy"))
    rows = [
        row("ours", "linear_probe", 0.9),
        row("ours", "few_people_1", 0.6, seed=0),
        row("ours", "few_people_1", 0.8, seed=1),
        row("supervised, 1", "linear_probe", 0.3),
        row("supervised, 20", "linear_probe", 0.5),
    ]
    (axis,) = label_efficiency(suite(shown=shown), rows).axes
    found = {
        line.get_label(): list(zip(*line.get_data(), strict=True))
        for line in axis.lines
    }
    assert found == {"ours, probe": [(1, 0.7)], "supervised": [(1, 0.3), (20, 0.5)]}


def test_a_suite_that_does_not_ask_has_none():
    assert label_efficiency(suite(shown=(("knn", "accuracy"),)), []) is None
