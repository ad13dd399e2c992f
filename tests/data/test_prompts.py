"""The prompt bank's words."""

import dataclasses
import json

import numpy as np
import pytest

from smile_jax.data.prompts import (
    BUILT_IN,
    PromptError,
    Prompts,
    make_prompts,
    plain_prompts,
    read_prompt_file,
)
from smile_jax.faces import EXPRESSIONS
from smile_jax.faces import class_spellings as names
from smile_jax.models import HashTokenizer

YAWS = (-60.0, -15.0, 0.0, 15.0, 80.0)


@pytest.mark.parametrize(
    "classes", [EXPRESSIONS, names.COMA, names.FACESCAPE, names.FOUR_DME]
)
@pytest.mark.parametrize("style", ["plain", "facs", "all"])
def test_every_class_of_every_builder_has_prompts(classes, style):
    prompts = make_prompts(classes, style=style, yaws_deg=YAWS)
    counts = np.bincount(prompts.owners, minlength=len(classes) * prompts.groups)
    assert (counts > 0).all() and prompts.groups == 1 + len(YAWS)
    own = {
        k: {t for t, o in zip(prompts.texts, prompts.owners, strict=True) if o == k}
        for k in range(len(classes))
    }
    assert len({frozenset(texts) for texts in own.values()}) == len(classes)
    HashTokenizer()(prompts.texts)  # no two words share an id


def test_emotions_and_micro_expressions_have_several_in_both_styles():
    for name in (*EXPRESSIONS, *names.FOUR_DME):
        book = read_prompt_file(BUILT_IN)
        assert len(book.descriptions(name, "plain")) >= 2
        assert len(book.descriptions(name, "facs")) >= 2


def test_views_are_named_from_the_faces_own_side():
    prompts = make_prompts(("happy", "sad"), style="plain", yaws_deg=YAWS)
    by_view = {
        v: [
            t
            for t, o in zip(prompts.texts, prompts.owners, strict=True)
            if o // 2 == 1 + v
        ]
        for v in range(len(YAWS))
    }
    for v, words in enumerate(
        (
            "from its right",
            "slightly from its right",
            "from the front",
            "slightly from its left",
            "in profile from its left",
        )
    ):
        assert all(words in text for text in by_view[v])
    assert not any(
        "from" in t for t, o in zip(prompts.texts, prompts.owners, strict=True) if o < 2
    )


def test_classes_of_several_labels_are_joined():
    prompts = make_prompts(("positive", "positive+repression"), style="plain")
    joined = [t for t, o in zip(prompts.texts, prompts.owners, strict=True) if o == 1]
    assert "a face with a positive emotion and a face that hides an emotion" in joined


def test_unknown_classes_and_styles_are_named():
    with pytest.raises(PromptError, match=r"'smirk'.*prompts\.file"):
        make_prompts(("happy", "smirk"))


def test_captions_are_their_own_classes():
    prompts = plain_prompts(["jaw dropped", "brows raised"])
    assert prompts.classes == prompts.texts and prompts.owners.tolist() == [0, 1]


GOOD = """
templates: ["{}", "a photo of {}"]
classes:
  happy: ["a grin"]
  sad: {facs: ["corners down"], plain: ["tears"]}
"""


def test_kept_prompts_are_the_same():
    prompts = make_prompts(("happy", "sad"), yaws_deg=(-30.0, 0.0))
    kept = Prompts.from_json(json.loads(json.dumps(prompts.to_json())))
    assert kept == prompts
    assert kept != dataclasses.replace(prompts, owners=prompts.owners + 1)


def test_bring_your_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    prompts = make_prompts(("happy", "sad"), file=path)
    assert prompts.texts == (
        "a grin", "a photo of a grin", "tears", "a photo of tears",
        "corners down", "a photo of corners down",
    )  # fmt: skip
    assert prompts.owners.tolist() == [0, 0, 1, 1, 1, 1]
    with pytest.raises(PromptError, match="class 'happy' has no 'facs' prompts"):
        make_prompts(("happy",), file=path, style="facs")
    with pytest.raises(PromptError, match="view_templates"):
        make_prompts(("happy",), file=path, yaws_deg=(0.0,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: [", "not YAML"),
        ("happy: [a]", "expected a mapping with the key `classes`"),
        ("classes: {happy: [a]}\nclases: 1", r"unknown keys \['clases'\]"),
        ("classes: {happy: a}", "classes: happy: expected a list"),
        ("classes: {happy: [a, a]}", "list of different texts"),
        ("classes: {happy: [' ']}", "list of different texts"),
        ("classes: {happy: {funny: [a]}}", "some of"),
        ("templates: ['a face']\nclasses: {happy: [a]}", "must have {}"),
        ("templates: ['{x}']\nclasses: {happy: [a]}", "must have {}"),
        (
            "view_templates: ['{}']\nclasses: {happy: [a]}",
            "must have {} and {view}",
        ),
        ("views: [1]\nclasses: {happy: [a]}", "views: expected"),
        ("views: {9: ['{sid}']}\nclasses: {happy: [a]}", "{side} is the only place"),
        ("views: {9: ['{']}\nclasses: {happy: [a]}", "{side} is the only place"),
        ("templates: []\nclasses: {happy: [a]}", "name one, or leave the key out"),
        ("templates: ['{.x}']\nclasses: {happy: [a]}", "must have {}"),
        ("classes: {happy: [a], happy: [b]}", "the key 'happy' comes twice"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(PromptError, match=message) as error:
        make_prompts(("happy",), file=path)
    assert str(path) in str(error.value)


def test_classes_that_share_a_description_do_not_go_together(tmp_path):
    path = tmp_path / "words.yaml"
    path.write_text("classes: {happy: [a, b], glad: [b]}")
    with pytest.raises(PromptError, match="'b' describes both happy and glad"):
        make_prompts(("happy", "glad"), file=path)
    assert make_prompts(("glad",), file=path).texts == ("b",)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PromptError, match=r"none\.yaml: cannot be read"):
        make_prompts(("happy",), file=tmp_path / "none.yaml")
