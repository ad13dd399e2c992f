"""Order, position, sharing between processes, and damaged datasets."""

import itertools
import shutil

import numpy as np
import pytest

from smile_jax.data.batch_fields import example_fields, field_shapes
from smile_jax.data.dataset import open_dataset
from smile_jax.data.frames import FrameSampling
from smile_jax.data.pipeline import BlockedOrder, eval_batches, train_batches
from smile_jax.data.record_index import FILE
from smile_jax.data.records import DataError, RecordSource
from smile_jax.data.splits import released_folds, split_records, subject_folds

CLASSES = ("anger", "disgust", "fear", "happy", "sad", "surprise")


@pytest.fixture(scope="module")
def dataset(tiny_dataset):
    return open_dataset(tiny_dataset)


def take(dataset, count, first=0, **options):
    records = dataset.records_of(CLASSES)
    options = {"batch_size": 16, "seed": 3} | options
    stream = train_batches(
        dataset,
        records,
        {"label": dataset.labels_over(CLASSES)},
        FrameSampling(),
        first_step=first,
        **options,
    )
    return list(itertools.islice(stream, count))


def same(a, b):
    return all((x[key] == y[key]).all() for x, y in zip(a, b, strict=True) for key in x)


def test_order_is_a_function_of_the_seed(dataset):
    assert same(take(dataset, 4), take(dataset, 4))
    assert not same(take(dataset, 4), take(dataset, 4, seed=4))


def test_every_epoch_holds_every_record_in_another_order(dataset):
    batches = take(dataset, 12)  # two epochs of 96
    keys = [hash(v.tobytes()) for b in batches for v in b["views"]]
    assert sorted(keys[:96]) == sorted(keys[96:])
    assert keys[:96] != keys[96:]


def test_blocks_are_of_one_person_and_hold_everybody(dataset):
    people = dataset.subjects[dataset.records_of(CLASSES)]
    order = BlockedOrder(people, 4, seed=3)
    count = len(people)  # of each person a multiple of 4
    first, second = (
        np.array([order[i] for i in range(start, start + count)])
        for start in (0, count)
    )
    assert sorted(first) == sorted(second) == list(range(count))
    assert list(first) != list(second)
    for block in first.reshape(-1, 4):
        assert len(set(people[block])) == 1
    assert len({people[block[0]] for block in first.reshape(-1, 4)[:6]}) > 2
    again = BlockedOrder(people, 4, seed=3)
    assert [again[i] for i in range(count + 5, count, -1)] == [
        order[i] for i in range(count + 5, count, -1)
    ]


def test_a_last_block_is_filled_with_clips_seen_before():
    order = BlockedOrder(np.array(["a"] * 5 + ["b"]), 4, seed=0)
    epoch = [order[i] for i in range(12)]
    assert set(epoch) == set(range(6)) and epoch.count(5) == 4


def test_blocks_go_on_where_they_were_and_are_shared(dataset):
    blocks = take(dataset, 12, person_block=8)
    assert same(blocks[5:], take(dataset, 7, 5, person_block=8))
    parts = [
        take(dataset, 12, person_block=8, process=p, num_processes=2) for p in (0, 1)
    ]
    for whole, *shares in zip(blocks, *parts, strict=True):
        for share in shares:
            np.testing.assert_array_equal(whole["label"][share["row"]], share["label"])


@pytest.mark.parametrize("first", [1, 5, 9])
def test_the_batch_of_a_step_does_not_depend_on_the_start(dataset, first):
    assert same(take(dataset, 12)[first:], take(dataset, 12 - first, first))


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_each_global_batch(dataset, processes):
    whole = take(dataset, 3, first=2)
    shares = [
        take(dataset, 3, 2, process=p, num_processes=processes)
        for p in range(processes)
    ]
    for step, batch in enumerate(whole):
        rebuilt = np.zeros_like(batch["views"])
        for share in shares:
            assert len(share[step]["label"]) == 16 // processes
            rebuilt[share[step]["row"]] = share[step]["views"]
        np.testing.assert_array_equal(rebuilt, batch["views"])


@pytest.mark.slow
def test_worker_processes_change_nothing(dataset):
    assert same(take(dataset, 3), take(dataset, 3, workers=2))


def test_evaluation_sees_every_record_once(dataset):
    records = dataset.records_of(CLASSES)[:21]
    batches = list(eval_batches(dataset, records, FrameSampling(), batch_size=8))
    assert [int(b["weight"].sum()) for b in batches] == [8, 8, 5]
    seen = np.concatenate([b["views"][b["weight"]] for b in batches])
    source = RecordSource(dataset.path)
    for views, record in zip(seen, records, strict=True):
        np.testing.assert_array_equal(views, source[record]["views"])


def test_fields_come_by_name(dataset):
    """Those of the index, and whatever numbers the records hold."""
    needs = ("label", "subject", "seed", "yaw_deg")
    fields = example_fields(needs, dataset, CLASSES, np.zeros(0))
    shapes = field_shapes(needs, dataset)
    records = dataset.records_of(CLASSES)
    stream = train_batches(
        dataset, records, fields, FrameSampling(), batch_size=8, seed=0
    )
    batch = next(stream)
    for name in needs:
        shape, dtype = shapes[name]
        assert batch[name].shape == (8, *shape) and batch[name].dtype == dtype
    source = RecordSource(dataset.path)
    by_views = {source[r]["views"].tobytes(): r for r in records}
    for i, views in enumerate(batch["views"]):
        record = by_views[views.tobytes()]
        assert batch["seed"][i] == source[record]["seed"]
        assert batch["label"][i] == dataset.labels_over(CLASSES)[record]
        people = np.unique(dataset.subjects)
        assert people[batch["subject"][i]] == dataset.subjects[record]


def test_labels_over_chosen_classes(dataset):
    chosen = CLASSES[::-1][:4]
    labels = dataset.labels_over(chosen)
    for label, of_all in zip(labels, dataset.labels, strict=True):
        name = dataset.classes[of_all]
        assert (chosen[label] == name) if label >= 0 else (name not in chosen)
    assert (labels == -1).any() and (labels >= 0).any()


def test_views_are_spread_over_the_yaws(dataset):
    assert dataset.yaws_deg == (-30.0, 0.0, 30.0)
    assert dataset.spread_views(1) == (1,)  # the middle one
    assert dataset.spread_views(2) == (0, 2)
    assert dataset.spread_views(3) == (0, 1, 2)


def test_subject_folds_are_disjoint_and_even(dataset):
    records = dataset.records_of(CLASSES)
    folds = subject_folds(dataset.subjects[records], 4, seed=0)
    sizes = np.bincount(list(folds.values()))
    assert sizes.tolist() == [2, 2, 2, 2]
    seen = []
    for fold in range(4):
        train, test = split_records(dataset.subjects, records, folds, fold)
        assert not set(dataset.subjects[train]) & set(dataset.subjects[test])
        assert len(train) + len(test) == len(records)
        seen += test.tolist()
    assert sorted(seen) == sorted(records.tolist())
    assert folds != subject_folds(dataset.subjects[records], 4, seed=1)
    with pytest.raises(ValueError, match="choose 2 to 8"):
        subject_folds(dataset.subjects, 9, seed=0)


def test_missing_dataset_says_how_to_build_one(tmp_path):
    with pytest.raises(DataError, match="smile-jax build <name>"):
        open_dataset(tmp_path / "synthetic_faces" / "static")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "scan.obj").touch()
    with pytest.raises(DataError, match=r"only scan\.obj"):
        open_dataset(tmp_path / "other")


@pytest.fixture
def copied(tiny_dataset, tmp_path):
    shutil.copytree(tiny_dataset, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_corrupt_shard_is_named(copied):
    shard = next(copied.rglob("*array_record-*"))
    content = bytearray(shard.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = b"\x00" * 20_000
    shard.write_bytes(content)
    with pytest.raises(DataError, match="--overwrite"):
        dataset = open_dataset(copied)
        source = RecordSource(dataset.path)
        for i in range(len(source)):
            source[i]


def test_missing_shard_is_named(copied):
    next(copied.rglob("*array_record-*")).unlink()
    with pytest.raises(DataError, match="a shard is missing"):
        open_dataset(copied)


def test_without_its_index_a_dataset_is_read_whole(copied, dataset):
    next(copied.rglob(FILE)).unlink()
    opened = open_dataset(copied)
    for name in ("labels", "subjects", "sequences", "intensities"):
        np.testing.assert_array_equal(getattr(opened, name), getattr(dataset, name))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"])
def test_damaged_index_is_named(copied, content):
    next(copied.rglob(FILE)).write_bytes(content)
    with pytest.raises(DataError, match=rf"{FILE}: damaged"):
        open_dataset(copied)


def test_shards_of_another_build_are_refused(copied):
    shard = next(copied.rglob("*array_record-*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{shard.name}: \d+ bytes, \d+ when it"):
        open_dataset(copied)


def test_other_file_formats_are_named(copied):
    info = next(copied.rglob("dataset_info.json"))
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))
    with pytest.raises(DataError, match=r"written as tfrecord.*array_record"):
        open_dataset(copied)


def test_dataset_of_another_project(copied):
    next(copied.rglob("metadata.json")).write_text("{}")
    with pytest.raises(DataError, match="not a dataset of this project"):
        open_dataset(copied)


def test_labels_are_over_the_classes_of_the_run(dataset):
    """In its order, not the dataset's; -1 for those that it leaves out."""
    classes = ("surprise", "anger")
    labels = example_fields(["label"], dataset, classes, np.zeros(0))["label"]
    names = np.array([*dataset.classes, "none"])[dataset.labels]
    for number, name in ((0, "surprise"), (1, "anger"), (-1, "happy")):
        assert (labels[names == name] == number).all() and (names == name).any()


def test_folds_of_a_release():
    subjects = np.array(["a", "b", "a", "c"])
    assert released_folds(subjects, np.array([3, 1, 3, 2]), 3) == {
        "a": 2, "b": 0, "c": 1,
    }  # fmt: skip
    for numbers, folds, said in (
        ([3, 1, 1, 2], 3, "a is in the folds 3 and 1"),
        ([1, 1, 1, 2], 3, "name the folds .1, 2., and data.folds=3"),
        ([-1, 1, -1, 1], 2, "a clip of no fold"),
    ):
        with pytest.raises(ValueError, match=said):
            released_folds(subjects, np.array(numbers), folds)
