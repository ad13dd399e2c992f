"""Prompts of the classes of every builder."""

import pytest

from smile_jax.data.prompts import class_prompts
from smile_jax.faces import EXPRESSIONS
from smile_jax.faces import dataset_names as names


@pytest.mark.parametrize(
    "classes", [EXPRESSIONS, names.COMA, names.FACESCAPE, names.FOUR_DME]
)
def test_every_class_of_every_builder_has_prompts(classes):
    prompts = class_prompts(classes)
    assert len(prompts) == len(classes)
    assert len({len(texts) for texts in prompts}) == 1
    assert len({tuple(texts) for texts in prompts}) == len(classes)
