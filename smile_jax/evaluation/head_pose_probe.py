"""Head pose (yaw, pitch, roll), read off features by ridge regression."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from typing_extensions import override

from smile_jax.evaluation.base import Evaluation, Fold, Outcome

_ANGLES = ("yaw", "pitch", "roll")
_STRENGTHS = np.logspace(-2, 6, 17)  # chosen among by leave-one-out on training clips


class HeadPose(Evaluation):
    """R2 of yaw, pitch and roll of test people, for records that know them.

    High where features tell how a head is turned, which an expression's need not.
    """

    name = "head_pose"
    title = "head pose, R2"
    shown = _ANGLES
    fields = ("pose_deg",)
    labels = "pose of training people"

    @override
    def run(self, fold: Fold) -> Outcome:
        probe = make_pipeline(StandardScaler(), RidgeCV(_STRENGTHS))
        probe.fit(fold.features[: fold.split], fold.train_of("pose_deg"))
        answers = probe.predict(fold.features[fold.split :])
        return Outcome(fold.test_of("pose_deg"), {"": answers})

    @override
    def in_words(self, answer: Any, classes: Sequence[str]) -> str:
        return " ".join(
            f"{angle} {degrees:.0f}"
            for angle, degrees in zip(_ANGLES, answer, strict=True)
        )

    @override
    def score(
        self, parts: list[tuple[np.ndarray, np.ndarray]], classes: Sequence[str]
    ) -> Mapping[str, float]:
        truth, answers = (np.concatenate(x) for x in zip(*parts, strict=True))
        found = r2_score(truth, answers, multioutput="raw_values")
        return dict(zip(self.shown, map(float, found), strict=True))
