"""The methods of an evaluation: the run, and what it is compared with."""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from smile_jax.config.factories import knows_words, views_seen
from smile_jax.data.dataset import FaceDataset
from smile_jax.data.prompts import Prompts
from smile_jax.evaluation.base import Evaluation, Fold, SubsetFeatures
from smile_jax.evaluation.clip_set import ClipSet
from smile_jax.evaluation.embed import EmbeddedSet, view_subsets
from smile_jax.evaluation.motion_baseline import motion_features
from smile_jax.evaluation.pixel_baseline import PixelComponents, leading_counts
from smile_jax.evaluation.registry import fields_of
from smile_jax.evaluation.trained_run import BEFORE, RUN, UNTRAINED, TrainedRun
from smile_jax.faces.captions import compress_actions
from smile_jax.inference.prompting import CaptionGrounding, PromptClassifier
from smile_jax.objectives import OBJECTIVES, SOURCES
from smile_jax.objectives.supervised import SupervisedClassification
from smile_jax.training.run_plan import class_prompts

# Embeddings by the digest of what computed them.
Embedded = dict[str, EmbeddedSet]


@dataclasses.dataclass(frozen=True)
class FoldClips:
    """The clips of a fold as rows of a run's clips, training clips first.

    Attributes:
      rows: (n + m,) places among the clips of the run.
      split: n.
    """

    rows: np.ndarray
    split: int


class RunMethods:
    """A run, and what it is compared with, on the clips of its folds.

    Clips are embedded once, however many folds they are in.

    Attributes:
      names: of the methods, in the order of tables.
      embedded: for the next run, which may have the same untrained model.
    """

    def __init__(
        self,
        run: TrainedRun,
        clips: ClipSet,
        words: Mapping[str, Prompts],
        evaluations: Sequence[Evaluation],
        tested_on: FaceDataset,
        *,
        baselines: bool,
        before: Embedded | None = None,
    ) -> None:
        """Embeds the clips.

        Args:
          run: that is tested.
          clips: of all its folds.
          words: other prompts, by their file.
          evaluations: that will be taken.
          tested_on: dataset of the test clips.
          baselines: compare the run with others.
          before: `embedded` of a run on the same clips.
        """
        self._run, self._clips, self._tested_on = run, clips, tested_on
        self._classes = run.config.data.classes
        self._fields = clips.fields(
            fields_of(evaluations) | {"label", "subject"}, self._classes
        )
        self._asks = any(e.needs_text for e in evaluations)
        self._banks: dict[str, dict[str, PromptClassifier]] = {}
        self._joined: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._prompts = {"": run.plan.prompts, **words}
        self._towers = {RUN: run.params}
        if baselines:
            self._towers |= {**run.before_training(), UNTRAINED: run.random}
        self._subsets = view_subsets(views_seen(run.config))
        self._digests = {n: _digest(run, clips, p) for n, p in self._towers.items()}
        known = before or {}
        missing = {
            name: params
            for name, params in self._towers.items()
            if self._digests[name] not in known
        }
        found, pixels = clips.embed(
            run.model, missing, self._subsets, run.workdir, pixels=baselines
        )
        self.embedded = {
            digest: found[name] if name in found else known[digest]
            for name, digest in self._digests.items()
        }
        self._pixels = None if pixels is None else PixelComponents(pixels)
        self._numbers = self._measured() if baselines else {}
        self.names = [*self._towers, *(["pixels_pca"] if baselines else [])]
        self.names += list(self._numbers)

    def _measured(self) -> dict[str, np.ndarray]:
        """Features that take no picture, where records have them."""
        clips, found = self._clips, {}
        if clips.stores("motion"):
            own = clips.fields(("motion", "frame_index"), self._classes)
            found["motion"] = motion_features(own["motion"], own["frame_index"])
        if clips.stores("actions"):
            found["actions"] = compress_actions(
                clips.fields(["actions"], ())["actions"]
            )
        return found

    def fold(self, method: str, own: FoldClips, learners: np.ndarray) -> Fold:
        """Returns a method's features of a fold.

        Args:
          method: of `names`.
          own: the clips.
          learners: rows of the training clips that show one of the run's classes.
        """
        given: dict[str, Any]
        if method in self._towers:
            given = self._of_tower(method, own, learners)
        elif method in self._numbers:
            given = {"features": self._numbers[method][own.rows]}
        else:
            assert self._pixels is not None
            count = self._run.config.evaluation.pca_components
            found = self._pixels.features(learners, own.rows, count)
            given = {"features": found, "leading": leading_counts(found.shape[1])}
        fields = {name: values[own.rows] for name, values in self._fields.items()}
        return Fold(split=own.split, fields=fields, classes=self._classes, **given)

    def images(self, learners: np.ndarray) -> np.ndarray:
        """Returns joint embeddings of some clips by the run."""
        return self.embedded[self._digests[RUN]].joint[learners]

    def _of_tower(
        self, method: str, own: FoldClips, learners: np.ndarray
    ) -> dict[str, Any]:
        params = self._towers[method]
        embedded = self.embedded[self._digests[method]]
        features = embedded.fused[own.rows]
        views = SubsetFeatures(
            self._subsets,
            embedded.partial_fused,
            embedded.partial,
            own.rows,
            own.split,
        )
        return {
            "features": features,
            "test": embedded.rows(own.rows[own.split :]),
            "some_views": views if self._subsets else None,
            "cameras": self._tested_on.spread_views(views_seen(self._run.config)),
            "scale": float(np.exp(params["logit_scale"])),
            "logits": _logits(self._run, method, features),
            **(self._words_of(method, embedded.joint[learners]) if self._asks else {}),
        }

    def _words_of(self, method: str, images: np.ndarray) -> dict[str, Any]:
        """Banks by which a method is zero-shot: nothing where it knows no text.

        Args:
          method: that is asked.
          images: joint embeddings of the training clips.
        """
        run = self._run
        trained = method == RUN and knows_words(run.config)
        if not (trained or (method == BEFORE and run.knew_words)):
            return {}
        grounds = None
        if trained and SOURCES[run.text_source].own_texts:
            grounds = CaptionGrounding(self._captions, images)
        if method not in self._banks:
            self._banks[method] = {
                f: self._said(method, x) for f, x in self._prompts.items()
            }
        banks = {
            f: bank.grounded_by(grounds) for f, bank in self._banks[method].items()
        }
        if "emotions" not in run.plan.dataset.stored:
            return {"words": banks}
        if method not in self._joined:
            self._joined[method] = self._emotions_that_join(method)
        return {"words": banks, "joined": self._joined[method]}

    @functools.cached_property
    def _captions(self) -> np.ndarray:
        """Prototypes of the texts that the run was trained with."""
        return self._said(RUN, self._run.plan.train_prompts).bank[0]

    def _emotions_that_join(self, method: str) -> tuple[np.ndarray, np.ndarray]:
        """See `Fold.joined`."""
        run, dataset = self._run, self._run.plan.dataset
        names = dataset.classes
        sets = [*((n,) for n in names), *itertools.combinations(names, 2)]
        prompts = class_prompts(run.config, dataset, ["+".join(s) for s in sets])
        members = np.array([[name in s for name in names] for s in sets], np.uint8)
        return members, self._said(method, prompts).bank[0]

    def _said(self, method: str, prompts: Prompts) -> PromptClassifier:
        run = self._run
        return PromptClassifier(
            run.model, self._towers[method], run.stored.spec.tokenizer, prompts
        )


def _digest(run: TrainedRun, clips: ClipSet, params: Any) -> str:
    """Returns a digest of all that embeddings depend on."""
    told = hashlib.sha256(repr(run.stored.spec.model).encode())
    for reader, records in clips.parts:
        told.update(f"{reader.dataset.location} {reader.view} {reader.how}".encode())
        told.update(records.tobytes())
    for path, x in jax.tree.leaves_with_path(params):
        told.update(jax.tree_util.keystr(path).encode())
        told.update(np.ascontiguousarray(x).tobytes())
    return told.hexdigest()


def _logits(run: TrainedRun, method: str, fused: np.ndarray) -> np.ndarray | None:
    """Returns logits of the run's own classifier; None if it has none."""
    objective = OBJECTIVES[run.config.objective.name]
    if method != RUN or not issubclass(objective, SupervisedClassification):
        return None
    head = run.params["classifier"]
    return fused @ np.asarray(head["kernel"]) + np.asarray(head["bias"])
