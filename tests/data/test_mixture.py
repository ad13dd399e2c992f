"""Several datasets as one: people, classes, shares, and what does not fit together."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from smile_jax.config import ConfigError, to_config
from smile_jax.config.validate import validate
from smile_jax.data import mixture
from smile_jax.data.batch_fields import example_fields
from smile_jax.data.dataset import open_dataset
from smile_jax.data.frames import FrameSampling
from smile_jax.data.mixture import (
    MixedOrder,
    at_location,
    folders_of,
    open_location,
    open_mixture,
    shares_between,
    turns_of,
    without_folders,
)
from smile_jax.data.pipeline import train_batches
from smile_jax.data.records import DataError
from smile_jax.training.run_plan import make_plan
from tests.training.common import shrunk_config

CLASSES = ("anger", "disgust", "fear", "happy", "sad", "surprise")


@pytest.fixture(scope="module")
def mixed(tiny_dataset, few_dataset):
    return open_mixture([(str(tiny_dataset), 1.0), (str(few_dataset), 3.0)])


def take(dataset, count, first=0, **options):
    records = dataset.records_of(CLASSES)
    stream = train_batches(
        dataset,
        records,
        example_fields(
            ["label", "subject", "dataset"], dataset, CLASSES,
            np.zeros(len(dataset.labels), np.int32),
        ),
        FrameSampling(),
        first_step=first,
        **({"batch_size": 16, "seed": 3} | options),
    )  # fmt: skip
    return list(itertools.islice(stream, count))


def same(a, b):
    return all((x[key] == y[key]).all() for x, y in zip(a, b, strict=True) for key in x)


def test_people_and_records_lie_side_by_side(mixed, tiny_dataset, few_dataset):
    first, second = open_dataset(tiny_dataset), open_dataset(few_dataset)
    assert len(mixed.labels) == len(first.labels) + len(second.labels)
    assert len(set(mixed.subjects)) == 8 + 4  # of one name, but not one person
    assert list(mixed.part_weights.values()) == [1.0, 3.0]
    names = {mixed.own_subject(s) for s in mixed.subjects}
    assert names == set(first.subjects) | set(second.subjects)
    assert set(mixed.groups) == {first.people, second.people}
    assert len(set(mixed.sequences)) == len(mixed.labels)
    records = mixed.open_records()
    at = len(first.labels) + 5
    ours, theirs = records[at], second.open_records()[5]
    np.testing.assert_array_equal(ours["views"], theirs["views"])
    assert len(records) == len(mixed.labels)
    assert mixed.classes[mixed.labels[at]] == second.classes[second.labels[5]]


def test_configs_of_one_dataset_share_their_people(tiny_dataset, monkeypatch):
    own = open_dataset(tiny_dataset)
    twin = dataclasses.replace(own, path=own.path.parent.parent / "twin" / "4.0.0")
    opened = {"a": own, "b": twin}
    monkeypatch.setattr(mixture, "open_dataset", opened.__getitem__)
    monkeypatch.setattr(mixture, "_sizes", lambda dataset: {})
    both = open_mixture([("a", 1.0), ("b", 1.0)])
    assert len(set(both.subjects)) == 8 and len(both.groups) == 1
    assert len(set(both.sequences)) == 2 * len(own.labels)


def test_classes_are_joined_by_name(tiny_dataset, monkeypatch):
    own = open_dataset(tiny_dataset)
    order = ("happy", "zen", "anger")
    other = dataclasses.replace(
        own, classes=order, people="others", captions=None,
        path=own.path.parent.parent / "others" / "4.0.0",
        labels=np.resize([0, 1, 2, -1], len(own.labels)),
    )  # fmt: skip
    opened = {"a": own, "b": other}
    monkeypatch.setattr(mixture, "open_dataset", opened.__getitem__)
    monkeypatch.setattr(mixture, "_sizes", lambda dataset: {})
    both = open_mixture([("a", 1.0), ("b", 1.0)])
    assert both.classes == (*own.classes, "zen")
    told = [both.classes[i] if i >= 0 else "" for i in both.labels[len(own.labels) :]]
    assert told[:4] == ["happy", "zen", "anger", ""]
    assert both.captions is None


def test_what_does_not_fit_into_one_batch_is_named(tiny_dataset, monkeypatch):
    own = open_dataset(tiny_dataset)
    elsewhere = own.path.parent.parent / "others" / "4.0.0"
    other = dataclasses.replace(
        own, yaws_deg=(0.0,), frames=3, people="others", path=elsewhere
    )
    opened = {"a": own, "b": other}
    monkeypatch.setattr(mixture, "open_dataset", opened.__getitem__)
    monkeypatch.setattr(mixture, "_sizes", lambda d: {"views": (d.frames, 64)})
    with pytest.raises(DataError, match=r"yaws_deg are \(0\.0,\)") as error:
        open_mixture([("a", 1.0), ("b", 1.0)])
    assert "its frames are 3, not 1" in str(error.value)
    assert "its pixels are" in str(error.value)
    assert open_mixture([("a", 1.0), ("b", 0.0)]) is own  # 0 skips one


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (5, 2, 0.5), (0.001, 1)])
def test_shares_are_as_asked_over_all_and_on_the_way(weights):
    turns = turns_of(weights)
    share = np.array(weights) / np.sum(weights)
    counts = np.cumsum(turns[:, None] == np.arange(len(weights)), axis=0)
    wanted = share * np.arange(1, len(turns) + 1)[:, None]
    assert np.abs(counts - wanted).max() <= 1
    np.testing.assert_allclose(shares_between(weights, 1, 500, 7500), share, atol=1e-3)


@pytest.mark.parametrize("block", [1, 4])
def test_the_log_says_what_the_order_gave(block):
    weights = (1.0, 2.5)
    orders = [np.arange(10_000), 10_000 + np.arange(10_000)]
    order = MixedOrder(orders, weights, block)
    drawn = np.array([order[i] for i in range(3_000)])
    for first, last in ((0, 64), (64, 2_048), (7, 2_999)):
        of_second = (drawn[first:last] >= 10_000).mean()
        assert shares_between(weights, block, first, last)[1] == pytest.approx(
            of_second
        )
    for start, part in ((0, drawn[drawn < 10_000]), (10_000, drawn[drawn >= 10_000])):
        # Each in its own order, nothing left out, whoever's turn it was.
        np.testing.assert_array_equal(part, start + np.arange(len(part)))


def test_every_batch_has_its_shares(mixed):
    batches = take(mixed, 20)
    given = np.concatenate([b["dataset"] for b in batches])
    assert given.mean() == pytest.approx(0.75, abs=0.01)
    for batch in batches:
        assert 11 <= batch["dataset"].sum() <= 13
    # An epoch of the small one: each clip once before any comes again.
    small = np.concatenate([b["views"][b["dataset"] == 1] for b in batches])
    keys = [hash(x.tobytes()) for x in small]
    assert len(set(keys[:24])) == 24 and set(keys[24:48]) == set(keys[:24])


def test_a_datasets_order_is_its_own(mixed, tiny_dataset, few_dataset):
    """Whichever place it has in the list, and whatever the others weigh."""
    turned = open_mixture([(str(few_dataset), 1.0), (str(tiny_dataset), 1.0)])
    ours, theirs = (
        [v.tobytes() for b in take(d, 12) for v in b["views"][b["dataset"] == n]]
        for d, n in ((mixed, 1), (turned, 0))
    )
    count = min(len(ours), len(theirs))
    assert count > 60 and ours[:count] == theirs[:count]


@pytest.mark.parametrize("options", [{}, {"person_block": 4}])
def test_it_goes_on_where_it_was_and_is_shared(mixed, options):
    whole = take(mixed, 10, **options)
    assert same(whole, take(mixed, 10, **options))
    assert not same(whole, take(mixed, 10, seed=4, **options))
    assert same(whole[6:], take(mixed, 4, 6, **options))
    shares = [take(mixed, 10, process=p, num_processes=4, **options) for p in range(4)]
    for step, batch in enumerate(whole):
        rebuilt = np.zeros_like(batch["views"])
        for share in shares:
            rebuilt[share[step]["row"]] = share[step]["views"]
        np.testing.assert_array_equal(rebuilt, batch["views"])
    if options:
        for batch in whole:
            for block in batch["subject"].reshape(-1, 4):
                assert len(set(block.tolist())) == 1


def test_folds_and_counts_of_people_are_of_each_dataset(tiny_dataset, few_dataset):
    pairs = ((str(tiny_dataset), 1.0), (str(few_dataset), 1.0))
    config = shrunk_config(tiny_dataset, **{
        "data.dir": "", "data.mixture": pairs, "data.folds": 4, "data.people": 4,
    })  # fmt: skip
    plan = make_plan(config)
    for people in plan.dataset.groups:
        folds = [f for s, f in plan.folds.items() if s.startswith(f"{people}: ")]
        assert sorted(folds) == [0, 1, 2, 3]  # one of each in every fold
    few = make_plan(
        dataclasses.replace(
            config, data=dataclasses.replace(config.data, train_people=2)
        )
    )
    learned = few.dataset.subjects[few.pretrain_records]
    assert len(set(learned)) == 4
    # Who is in a fold does not depend on what else is mixed in.
    alone = make_plan(
        shrunk_config(few_dataset, **{"data.folds": 4, "data.people": 4})
    ).folds
    name = open_dataset(few_dataset).people
    assert {k: plan.folds[f"{name}: {k}"] for k in alone} == alone


def test_a_dataset_that_gives_nothing_is_refused(tiny_dataset, few_dataset):
    pairs = ((str(tiny_dataset), 1.0), (str(few_dataset), 1.0))
    config = shrunk_config(tiny_dataset, **{
        "data.dir": "", "data.mixture": pairs, "data.folds": 2,
        "data.intensities": (2,),
    })  # fmt: skip
    with pytest.raises(ConfigError, match="synthetic_faces/few gives no clip"):
        make_plan(config)


def test_one_dataset_twice_and_no_turn_are_refused(tiny_dataset, few_dataset):
    versioned = next(tiny_dataset.glob("[0-9]*"))
    with pytest.raises(DataError, match="synthetic_faces/tiny twice"):
        open_mixture([(str(tiny_dataset), 1.0), (str(versioned), 1.0)])
    with pytest.raises(DataError, match="no turn in 1000"):
        open_mixture([(str(tiny_dataset), 5000.0), (str(few_dataset), 1.0)])


def test_an_error_of_one_dataset_names_it(tiny_dataset, few_dataset):
    pairs = ((str(tiny_dataset), 1.0), (str(few_dataset), 1.0))
    keys = {"data.dir": "", "data.mixture": pairs, "data.folds": 4}
    for wrong, said in (
        ({"data.folds": 6}, "seed 9: cannot make 6"),
        ({"data.people": 5}, "seed 9: data.people=5: the dataset has 4"),
        ({"data.train_people": 4}, "seed 9: data.train_people=4: 3 people"),
    ):
        with pytest.raises(ConfigError, match=said):
            make_plan(shrunk_config(tiny_dataset, **{**keys, **wrong}))


def test_folds_may_be_the_records_own(tiny_dataset, few_dataset):
    """Numbers of a field, such as the intensity, counted for each dataset."""
    pairs = ((str(tiny_dataset), 1.0), (str(few_dataset), 1.0))
    config = shrunk_config(tiny_dataset, **{
        "data.dir": "", "data.mixture": pairs, "data.folds": 2,
        "data.folds_from": "intensity",
    })  # fmt: skip
    with pytest.raises(ConfigError, match=r"seed 0: .* data\.folds=2"):
        make_plan(config)


def test_locations_name_several_datasets(mixed, tiny_dataset, few_dataset):
    again = open_location(mixed.location)
    assert again.contents == mixed.contents
    assert len(folders_of(mixed.location)) == 2
    assert without_folders(mixed.location) == (
        "synthetic_faces/tiny/4.0.0 + synthetic_faces/few/4.0.0"
    )
    pairs = (("elsewhere/tiny", 1.0), ("gone", 0.0), ("elsewhere/few", 3.0))
    moved = at_location(pairs, mixed.location)
    assert [weight for _, weight in moved] == [1.0, 3.0]
    assert open_mixture(moved).contents == mixed.contents


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ((("a", -1.0),), "0 or positive"),
        ((("a", 0.0),), "nothing is left"),
        ((("a", 1.0), ("a/", 1.0)), "twice"),
        (("a", "b"), "pairs of a dataset and its weight"),
        ((("a", "much"),), "pairs of a dataset and its weight"),
    ],
)
def test_wrong_mixtures_are_explained(pairs, said):
    config = to_config({"data": {"mixture": pairs}})
    with pytest.raises(ConfigError, match=said):
        validate(config, jax.device_count())


def test_one_of_dir_and_mixture_is_named(tiny_dataset):
    both = to_config({"data": {"dir": str(tiny_dataset), "mixture": [["x", 1.0]]}})
    with pytest.raises(ConfigError, match=r"set one of them"):
        validate(both, jax.device_count())
    lost = to_config({"data": {"mixture": [["x", 1.0], ["y", 0.0]]}})
    with pytest.raises(ConfigError, match=r"'x': no dataset there") as error:
        validate(lost, jax.device_count(), dataset=True)
    assert "'y'" not in str(error.value)
    with pytest.raises(ConfigError, match=r"data\.dir=''"):
        validate(to_config({}), jax.device_count())
