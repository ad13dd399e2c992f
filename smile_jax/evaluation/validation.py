"""Scores during training, on people held out of the training folds."""

from collections.abc import Callable
from typing import Any

import numpy as np

from smile_jax.config import Config
from smile_jax.config.factories import knows_words, views_seen
from smile_jax.data.batch_fields import read_fields
from smile_jax.evaluation.base import Fold, summarize
from smile_jax.evaluation.embed import ClipReader, embed_shared
from smile_jax.evaluation.registry import EVALUATIONS, applicable, fields_of
from smile_jax.inference.prompting import PromptClassifier
from smile_jax.models import Encoder
from smile_jax.training.assembly import tune_config
from smile_jax.training.model_spec import ModelSpec
from smile_jax.training.run_plan import Plan


def make_scorer(
    config: Config, plan: Plan, spec: ModelSpec
) -> Callable[[Any], dict[str, float]]:
    """Makes the scorer of `data.validation_fold`'s people for use during training.

    They are neither trained on nor tested on; neighbours are people that are trained
    on.

    All processes of a run must call the scorer: they share the work, and each gets the
    same scores.

    Returns:
      Nested parameters on the host to "validation/<evaluation>", the first metric of
      each that tables show.
    """
    records = np.concatenate([plan.train_records, plan.validation_records])
    chosen = [e for e in applicable(plan.dataset, EVALUATIONS) if e.cheap]
    if not knows_words(config):
        chosen = [e for e in chosen if not e.needs_text]
    fields = read_fields(fields_of(chosen), plan.dataset, config.data.classes, records)
    model = Encoder(spec.model)
    reader = ClipReader.of_run(config, spec, plan.dataset)
    split = len(plan.train_records)
    frozen = tune_config(config).text == "frozen"  # else its prompts are new each time

    def score(params: Any) -> dict[str, float]:
        embedded = embed_shared(reader, records, model, params)
        words = {}
        if any(e.needs_text for e in chosen):
            words = {
                "": PromptClassifier(
                    model, params, spec.tokenizer, plan.prompts, keep=frozen
                )
            }
        fold = Fold(
            embedded.fused,
            split,
            fields,
            config.data.classes,
            embedded.rows(np.arange(split, len(records))),
            words,
            plan.dataset.spread_views(views_seen(config)),
        )
        scores = {e: summarize(e, [e.run(fold)], fold.classes)[e.name] for e in chosen}
        return {f"validation/{e.name}": x[e.shown[0]] for e, x in scores.items()}

    return score
