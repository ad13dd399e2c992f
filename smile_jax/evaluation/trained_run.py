"""A trained run as evaluation opens it: its config, plan, dataset and parameters."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from smile_jax.config import Config, ConfigError, with_values
from smile_jax.config.default import all_keys
from smile_jax.config.factories import knows_words, views_seen
from smile_jax.data.mixture import at_location
from smile_jax.models import Encoder
from smile_jax.training.assembly import spec_of_fresh_run
from smile_jax.training.checkpoints import CheckpointError
from smile_jax.training.initial_state import random_params
from smile_jax.training.model_spec import StoredModel, read_model
from smile_jax.training.run_description import run_info
from smile_jax.training.run_info import other_data
from smile_jax.training.run_plan import Plan, images_a_step, make_plan

# Methods of an evaluation: the run itself, whatever its method, what it started from,
# and an untrained model of its shape.
RUN, BEFORE, UNTRAINED = "smile", "before_training", "random_init"


class ProtocolError(ValueError):
    """An evaluation that would not be a fair one; the message says why."""


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """A finished run and the dataset that it was trained on.

    Attributes:
      workdir: folder of the run.
      config: the run's own, except `evaluation` and where the dataset is.
      plan: who is trained on and who is tested.
      stored: the run's model.
    """

    workdir: pathlib.Path
    config: Config
    plan: Plan
    stored: StoredModel

    @property
    def as_predicted(self) -> bool:
        """True if clips are looked at as `predict` does, which reads the run alone."""
        now, own = self.config, self.stored.info.config
        same = now.evaluation.parameters == own.evaluation.parameters
        return same and views_seen(now) == views_seen(own)

    @property
    def text_source(self) -> str:
        """The name of the run's text source."""
        return self.config.text_source

    @functools.cached_property
    def model(self) -> Encoder:
        """The run's model."""
        return Encoder(self.stored.spec.model)

    @property
    def params(self) -> Any:
        """Trained parameters or their average, as the config says."""
        averaged = self.config.evaluation.parameters == "ema"
        return self.stored.averaged if averaged else self.stored.last

    @functools.cached_property
    def random(self) -> Any:
        """Parameters of an untrained model."""
        return self._at_start({})

    def _at_start(self, given: Mapping[str, np.ndarray]) -> Any:
        shape, seed = self.plan.clip_shape, self.config.seed
        return random_params(self.model, shape, seed, given)

    @functools.cached_property
    def knew_words(self) -> bool:
        """True if its starting point compares faces with prompts.

        Published towers and some runs do.
        """
        start = self.config.model.start_from
        return not start or knows_words(read_model(pathlib.Path(start)).info.config)

    def before_training(self) -> dict[str, Any]:
        """Parameters that it started from, where its vision tower was not random."""
        if not (self.config.model.start_from or self.config.model.pretrained):
            return {}
        try:
            spec = spec_of_fresh_run(self.config, self.plan)
        except (ValueError, CheckpointError) as error:
            print(f"no row `{BEFORE}`: what it started from is gone ({error})")
            return {}
        return {BEFORE: self._at_start(spec.params)}


def load_run(
    workdir: pathlib.Path, settings: Mapping[str, str] | None = None
) -> TrainedRun:
    """Reads a run's newest checkpoint and opens its dataset.

    Args:
      workdir: of the run.
      settings: keys of `config.evaluation` that are to differ from the run's, as text.

    Raises:
      CheckpointError: there is none, or another version wrote it.
      ProtocolError: the dataset is not the one trained on.
      ConfigError: a setting that there is not.
    """
    stored = read_model(workdir)
    info, config = stored.info, stored.info.config
    keys = {f"evaluation.{k}": value for k, value in _parsed(settings or {}).items()}
    # Absolute, wherever this is started.
    if config.data.mixture:
        keys["data.mixture"] = at_location(config.data.mixture, info.dataset)
    else:
        keys["data.dir"] = info.dataset
    config = with_values(config, keys)
    plan = make_plan(config, info.prompts)
    if plan.folds != info.folds:
        raise ProtocolError(
            f"{plan.dataset.path}: its subjects are not those of the training run, so "
            "the stored folds do not apply; point data.dir at the dataset trained on"
        )
    other = other_data(info, run_info(config, plan, stored.spec))
    if other:
        listed = "\n  ".join(other)
        raise ProtocolError(
            f"{workdir}: the dataset there is not the one trained on:\n  {listed}\n"
            "Put that one back, or train again on this one"
        )
    return TrainedRun(workdir, config, plan, stored)


def _parsed(settings: Mapping[str, str]) -> dict[str, Any]:
    """Settings of `config.evaluation`, checked and as numbers."""
    keys = {
        name.removeprefix("evaluation."): field
        for name, field in all_keys().items()
        if name.startswith("evaluation.")
    }
    found: dict[str, Any] = {}
    for name, text in settings.items():
        if name not in keys:
            raise ConfigError(f"--set={name}: must be one of {', '.join(keys)}")
        choices = keys[name].metadata["choices"]
        if choices and text not in choices:
            raise ConfigError(f"--set={name}={text}: must be one of {choices}")
        low = keys[name].metadata["low"]
        if not choices and not (text.isdecimal() and int(text) >= low):
            raise ConfigError(f"--set={name}={text}: must be a number from {low} on")
        found[name] = text if choices else int(text)
    return found


def load_runs(
    workdir: pathlib.Path, protocol: str, settings: Mapping[str, str] | None = None
) -> list[TrainedRun]:
    """The run itself; with "kfold" those of its `fold_<i>` folders if it has any.

    Raises:
      ProtocolError: the runs of the folds do not belong together, or some are missing.
    """
    folders = sorted(workdir.glob("fold_*"))
    if protocol in ("holdout", "validation") or not folders:
        return [load_run(workdir, settings)]
    runs = [load_run(folder, settings) for folder in folders]
    tested = sorted(run.config.data.fold for run in runs)
    if tested != list(range(runs[0].config.data.folds)):
        raise ProtocolError(
            f"{workdir}: its runs hold out the folds {tested}, expected each of 0 to "
            f"{runs[0].config.data.folds - 1} once; train the missing ones"
        )
    first, *others = (run.stored.info for run in runs)
    for other in others:
        for what, same in {
            "folds": other.folds == first.folds,
            "text_source": other.config.text_source == first.config.text_source,
            "objective": other.config.objective == first.config.objective,
            "dataset": other.dataset == first.dataset,
            "prompts": other.prompts.to_json() == first.prompts.to_json(),
        }.items():
            if not same:
                raise ProtocolError(
                    f"{workdir}: its runs differ in {what}; train them alike"
                )
    return runs


def images_seen(run: TrainedRun) -> int:
    """Pictures that training looked at."""
    return run.stored.step * images_a_step(run.config, run.plan)


def labels_used(run: TrainedRun, method: str) -> str:
    """Whose expression labels went into a method before it is scored, in words."""
    if method == BEFORE:
        return "of what it started from"
    if method != RUN:
        return "none"
    seen = run.stored.info.labels_seen
    return ", ".join(f"of {len(v)} people ({k})" for k, v in seen.items()) or "none"
