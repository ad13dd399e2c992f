"""The description of a run inside its checkpoints and exports."""

import dataclasses
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from smile_jax.config import Config, to_config
from smile_jax.config.default import all_keys
from smile_jax.config.factories import keys_of_other_methods
from smile_jax.core.pytree import flatten
from smile_jax.data.mixture import Weighted
from smile_jax.data.prompts import Prompts
from smile_jax.models import EncoderConfig, TextConfig
from smile_jax.models.encoder import VISION_TOWERS
from smile_jax.models.temporal import TemporalConfig
from smile_jax.objectives import SOURCES
from smile_jax.training.checkpoints import CheckpointError
from smile_jax.training.run_migration import FORMAT, upgrade

# Keys that say how a model is computed, not what: they may change on a run's way.
COMPUTED = ("remat", "scan", "attention")


@dataclasses.dataclass(frozen=True)
class RenderSettings:
    """Rendering settings of the data that a model was trained on.

    Attributes:
      yaws_deg: of all cameras.
      channels: groups of the stored pixels.
      clip: "views" or "dynamic".
      frames, size: that records hold; pixels a side.
      motion: whether records say how far the face has moved in each frame.
      pose, framing, still, magnify, band_hz: see `RenderConfig`; of the last
        three None where an earlier version did not say.
      extents_mm: smallest and largest side of what a picture shows; None: not known.
    """

    yaws_deg: tuple[float, ...]
    channels: tuple[str, ...]
    clip: str
    frames: int
    motion: bool
    size: int
    pose: str
    framing: str
    still: bool | None
    magnify: float | None
    band_hz: tuple[float, ...] | None
    extents_mm: tuple[float, float] | None


@dataclasses.dataclass(frozen=True)
class RunInfo:
    """Everything that a checkpoint's reader must know beside the state.

    Attributes:
      config: as it was when the checkpoint was written.
      folds: subject -> test fold.
      dataset: path that the run read.
      people, contents: of the dataset, see `FaceDataset`; "" where an earlier version
        did not tell.
      steps: of the whole schedule.
      prompts: of the classes.
      rendering: of the dataset.
      model: settings of the encoder.
      mean, std: of each input channel, pixels in [0, 1].
      labels_seen: people -> subjects whose labels went in, here or in runs before.
      versions: of the libraries that wrote it.
      data_position: examples drawn so far.
    """

    config: Config
    folds: dict[str, int]
    dataset: str
    people: str
    contents: str
    steps: int
    prompts: Prompts
    rendering: RenderSettings
    model: EncoderConfig
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels_seen: dict[str, list[str]]
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    data_position: int = 0

    def to_json(self) -> dict[str, Any]:
        """Returns the description for JSON; `from_json` reads it."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return fields | {
            "format": FORMAT,
            "config": dataclasses.asdict(self.config),
            "prompts": self.prompts.to_json(),
            "rendering": dataclasses.asdict(self.rendering),
            "model": _model_to_json(self.model),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], where: Any) -> "RunInfo":
        """Reads what any version since the second wrote.

        Args:
          stored: as JSON gives it; what else is in it is left out.
          where: to name in errors.

        Raises:
          CheckpointError: it is too old, or of a newer version.
        """
        new = upgrade(stored, where)
        model = new["model"]
        rendering: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in new["rendering"].items()
        }
        # The tower's own kind: published weights and other runs bring theirs.
        vision = VISION_TOWERS[model["vision"].pop("kind")]
        parts: dict[str, Any] = {"vision": vision(**model["vision"])}
        parts["text"] = TextConfig(**model["text"])
        parts["temporal"] = TemporalConfig(**model["temporal"])
        return cls(
            # A key that `run_migration.NEW_KEYS` forgot must not take today's default.
            config=to_config(new["config"], complete=True),
            folds=new["folds"],
            dataset=new["dataset"],
            people=new["people"],
            contents=new["contents"],
            steps=new["steps"],
            prompts=Prompts.from_json(new["prompts"]),
            rendering=RenderSettings(**rendering),
            model=EncoderConfig(**model | parts),
            mean=tuple(new["mean"]),
            std=tuple(new["std"]),
            labels_seen=new["labels_seen"],
            versions=new["versions"],
            data_position=new["data_position"],
        )


def _model_to_json(model: EncoderConfig) -> dict[str, Any]:
    found = dataclasses.asdict(model)
    for tower in ("vision", "text"):
        for name in COMPUTED:
            found[tower].pop(name, None)
    kinds = {settings: kind for kind, settings in VISION_TOWERS.items()}
    found["vision"]["kind"] = kinds[type(model.vision)]
    return found


def check_same_run(stored: RunInfo, current: RunInfo, workdir: pathlib.Path) -> None:
    """Refuses to continue a run as another one.

    It would see what it must not, or nobody could say what its result is of.

    Raises:
      CheckpointError: naming what differs.
    """
    # These change nothing of what is learned.
    free = {"data.dir", "data.mixture", "data.threads", "data.workers"}
    free |= {f"model.{tower}.{k}" for tower in ("vision", "text") for k in COMPUTED}
    free |= {k for k in all_keys() if k.startswith(("train.", "evaluation."))}
    free -= {"train.batch_size"}
    # Nor do those that nothing reads, which a run of before may not have had.
    free |= keys_of_other_methods(current.config)
    if "dynamic" not in (current.config.data.clip, current.config.model.temporal):
        free.add("data.dynamic_gain")
    if not SOURCES[current.config.text_source].makes_targets:
        free |= {k for k in all_keys() if k.startswith("pseudo.")}
    ours, theirs = (
        flatten(dataclasses.asdict(run.config), sep=".") for run in (current, stored)
    )
    differing = [
        f"config.{key}: {theirs[key]!r} became {ours[key]!r}"
        for key in sorted(ours.keys() - free)
        if ours[key] != theirs[key]
    ]
    differing += other_data(stored, current)
    before, now = (mixed_names(run.config.data.mixture) for run in (stored, current))
    if before != now:
        differing.append(f"config.data.mixture: {before} became {now}")
    words = f"the words of {stored.config.prompts.file or 'prompts'}"
    if stored.folds != current.folds:
        differing.append("the subjects' folds changed")
    if stored.steps != current.steps:
        differing.append("the schedule changed")
    if stored.prompts.to_json() != current.prompts.to_json():
        differing.append(f"{words} changed")
    if differing:
        listed = "\n  ".join(differing)
        raise CheckpointError(
            f"{workdir} holds another run, which cannot be continued as this one:\n  "
            f"{listed}\nUse another --workdir, or the config of that run"
        )


def mixed_names(mixture: Weighted) -> list[tuple[str, float]]:
    """The datasets of a mixture and their weights, wherever they are."""
    found = []
    for path, weight in mixture:
        parts = pathlib.PurePath(path).parts
        if parts and re.fullmatch(r"\d+\.\d+\.\d+", parts[-1]):
            parts = parts[:-1]
        if weight:
            found.append(("/".join(parts[-2:]), float(weight)))
    return found


def other_data(stored: RunInfo, current: RunInfo) -> list[str]:
    """Lists known differences between a run's data and what is there now."""
    found = []
    ours, theirs = (dataclasses.asdict(run.rendering) for run in (current, stored))
    for name in ours:
        if ours[name] != theirs[name] and None not in (ours[name], theirs[name]):
            found.append(f"the dataset's {name}: {theirs[name]} became {ours[name]}")
    if stored.people and stored.people != current.people:
        found.append(f"the dataset's people: {stored.people} became {current.people}")
    if stored.contents and stored.contents != current.contents:
        found.append(
            f"the records of {current.dataset} are not those of {stored.dataset}: "
            "other clips, labels or captions, or another order"
        )
    return found
