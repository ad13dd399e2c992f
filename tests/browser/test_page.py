"""What the page asks a model."""

from types import SimpleNamespace

import pytest

from smile_jax.config import to_config
from smile_jax.data.prompts import PromptError
from smile_jax.experiments import ict_minilm, ict_none

pytest.importorskip("gradio", reason="the page needs the extra `page`")


def page_of(experiment, folder):
    from smile_jax.browser.page import Page

    info = SimpleNamespace(
        config=to_config(experiment.get_config()),
        rendering=SimpleNamespace(yaws_deg=(0.0,)),
    )
    model = SimpleNamespace(
        info=info, question=lambda texts=(), head="zero_shot": (list(texts), head)
    )
    return Page(model, folder, "")


def test_what_is_typed_is_asked_and_nothing_asks_for_classes(tmp_path):
    page = page_of(ict_minilm, tmp_path)
    assert page.ask(" a face \n\nno face") == (["a face", "no face"], "zero_shot")
    assert page.ask("") == ([], "zero_shot")
    with pytest.raises(PromptError, match="two prompts or more"):
        page.ask("a face")


def test_a_run_that_knows_no_words_is_asked_by_its_probe(tmp_path):
    assert page_of(ict_none, tmp_path).ask("") == ([], "probe")
