"""The table of evaluations: results, report, model card and training read it."""

from collections.abc import Collection

from smile_jax.data.dataset import FaceDataset
from smile_jax.evaluation.base import Evaluation
from smile_jax.evaluation.classifier import Classifier
from smile_jax.evaluation.few_people import FewPeople
from smile_jax.evaluation.head_pose_probe import HeadPose
from smile_jax.evaluation.identity_probe import CentredProbe, IdentityProbe
from smile_jax.evaluation.knn import Neighbours, TwentyNeighbours
from smile_jax.evaluation.linear_probe import LinearProbe
from smile_jax.evaluation.missing_views import CrossViewProbe, MissingViews
from smile_jax.evaluation.multilabel import ActionUnits, Emotions, EmotionsInWords
from smile_jax.evaluation.zero_shot import ZeroShotPrompts

EVALUATIONS: tuple[Evaluation, ...] = (
    LinearProbe(),
    Classifier(),
    FewPeople(),
    Neighbours(),
    TwentyNeighbours(),
    ZeroShotPrompts(),
    IdentityProbe(),
    CentredProbe(),
    MissingViews(),
    CrossViewProbe(),
    Emotions(),
    EmotionsInWords(),
    ActionUnits(),
    HeadPose(),
)


def applicable(
    dataset: FaceDataset, evaluations: Collection[Evaluation] = EVALUATIONS
) -> list[Evaluation]:
    """Returns the evaluations whose fields a dataset has."""
    return [e for e in evaluations if set(e.fields) <= dataset.field_names]


def fields_of(evaluations: Collection[Evaluation]) -> set[str]:
    """Names of all fields that they need."""
    return {name for e in evaluations for name in e.fields}
