"""What a run keeps of its training people."""

import dataclasses

import numpy as np
import pytest

from smile_jax.evaluation.linear_probe import linear_probe
from smile_jax.inference.reference_set import FILE, ReferenceSet
from smile_jax.training.checkpoints import CheckpointError


def known(rng, count=200, **more) -> ReferenceSet:
    """People around one direction, each with an own one."""
    people = np.repeat(np.arange(count // 10), 10)
    own = rng.normal(size=(count // 10, 8))[people]
    features = (
        np.array([6.0] + [0.0] * 7) + 0.6 * own + 0.2 * rng.normal(size=(count, 8))
    )
    fields = {
        "classes": ("happy", "sad"),
        "captions": np.zeros((0, 4), np.float32),
        "probe": np.zeros((8, 2), np.float32),
        "bias": np.zeros(2, np.float32),
        "step": 7,
    }
    return ReferenceSet.of_clips(
        features,
        rng.normal(size=(count, 4)),
        np.arange(count) % 3 - 1,
        np.array([f"s{i}" for i in range(count)]),
        np.array([f"p{i}" for i in people]),
        **fields | more,
    )


def test_what_is_far_from_everybody_is_told(rng):
    found = known(rng)
    own = found.distance(found.features)
    assert (own < 1).mean() > 0.98  # their own clips are among them
    other = found.distance(np.array([[-6.0] + [0.0] * 7, [0, 6.0] + [0] * 6]))
    assert (other > 2).all()
    # Of people held out: about 1 % lies farther.
    rest = known(np.random.default_rng(5))
    assert (found.distance(rest.features) <= 1).mean() > 0.9


def test_the_nearest_are_named(rng):
    found = known(rng)
    ((first, *_),) = found.nearest(found.features[11:12], 3)
    assert first == ("s11", "sad")
    ((first, *_),) = found.nearest(found.features[9:10], 1)
    assert first == ("s9", "")


def test_it_is_read_as_it_was_written(rng, tmp_path):
    found = known(rng)
    assert ReferenceSet.load(tmp_path) is None
    found.save(tmp_path)
    read = ReferenceSet.load(tmp_path)
    for field in dataclasses.fields(ReferenceSet):
        expected, got = getattr(found, field.name), getattr(read, field.name)
        assert type(expected) is type(got)
        np.testing.assert_array_equal(expected, got, err_msg=field.name)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"known\.safetensors: damaged"):
        ReferenceSet.load(tmp_path)


def test_of_one_person_nobody_is_far(rng):
    one = ReferenceSet.of_clips(
        rng.normal(size=(5, 8)), rng.normal(size=(5, 4)), np.zeros(5),
        np.array(list("abcde")), np.array(["p"] * 5), classes=("happy",),
        captions=np.zeros((0, 4), np.float32), probe=np.zeros((8, 1), np.float32),
        bias=np.zeros(1, np.float32), step=1,
    )  # fmt: skip
    assert one.far == 1.0


@pytest.mark.parametrize("classes", [2, 3])
def test_the_probe_as_a_matrix_answers_as_the_probe(rng, classes):
    features = rng.normal(size=(120, 6)) * [1, 10, 0.1, 1, 1, 1] + 5
    labels = (features[:, 0] > 5).astype(int) + (classes > 2) * (features[:, 1] > 12)
    people = np.repeat(np.arange(12), 10)
    found = linear_probe(features[:90], labels[:90], people[:90])
    weights, bias = found.as_matrix(classes + 1)
    answers = (features[90:] @ weights + bias).argmax(axis=1)
    np.testing.assert_array_equal(answers, found(features[90:]))
    assert bias[classes] == -np.inf  # nobody shows it
