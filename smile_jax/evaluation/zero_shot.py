"""Zero-shot recognition: the class whose prompts are nearest.

By fused and single-view embeddings, by parts of the prompts, in other words, and by way
of captions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from typing_extensions import override

from smile_jax.evaluation.base import Evaluation, Fold, Outcome

_VIEW, _TEMPLATE, _STYLE, _WORDS = "view ", "template: ", "style: ", "prompts: "
_GROUNDED, _OWN = "by way of captions: ", "its own"


class ZeroShotPrompts(Evaluation):
    """Classification by the nearest prompt; it uses no labels itself."""

    name = "zero_shot"
    title = "zero-shot"
    labels = "none"
    needs_text = True
    cheap = True

    @override
    def run(self, fold: Fold) -> Outcome:
        test, words = fold.test, fold.words
        assert test is not None
        own = words[""]
        found = {"": own.predict(test.joint)}
        for v, camera in enumerate(fold.cameras):
            found[f"{_VIEW}{v}"] = own.predict_view(test.views[:, v], camera)
        for name, bank in own.parts().items():
            found[name] = (test.joint @ bank.T).argmax(-1)
        for file in [file for file in words if file]:
            found[_WORDS + file] = words[file].predict(test.joint)
        for file, said in words.items():
            if said.grounded is not None:
                answers = (test.joint @ said.grounded.T).argmax(-1)
                found[_GROUNDED + (file or _OWN)] = answers
        sure = own.probabilities(test.joint, fold.scale).max(axis=1)
        return Outcome(fold.test_of("label"), found, confidence=sure)

    @override
    def extras(self, scores: Mapping[str, Any]) -> dict[str, Any]:
        def of(kind: str) -> dict[str, Any]:
            return {
                name.removeprefix(kind): score
                for name, score in scores.items()
                if name.startswith(kind)
            }

        return {
            "zero_shot_views": of(_VIEW),
            "sensitivity": {
                "templates": _spread(of(_TEMPLATE)),
                "styles": _spread(of(_STYLE)),
            },
            "other_prompts": of(_WORDS),
            "zero_shot_grounded": of(_GROUNDED),
        }


def _spread(scores: dict[str, Any]) -> dict[str, Any] | None:
    """Accuracy by wording, their mean and deviation; None without several."""
    if len(scores) < 2:
        return None
    accuracies = {name: s["accuracy"] for name, s in scores.items()}
    values = list(accuracies.values())
    deviation = float(np.std(values, ddof=1))
    return {"accuracy": accuracies, "mean": float(np.mean(values)), "std": deviation}
