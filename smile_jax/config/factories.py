"""From the config to the dataclasses of the pure code, by the names of their fields."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from smile_jax.config.default import Config
from smile_jax.data.channels import CHANNELS, num_channels
from smile_jax.data.frames import Sampling
from smile_jax.models.encoder import VISION_TOWERS, EncoderConfig
from smile_jax.models.temporal import TemporalConfig
from smile_jax.models.text_tower import TextConfig
from smile_jax.objectives import OBJECTIVES, SOURCES, Objective, TextSource


def by_field_name(kind: type, *values: Mapping[str, Any]) -> Any:
    """A dataclass whose fields are taken from mappings, the last one first."""
    given: dict[str, Any] = {}
    for mapping in values:
        given |= mapping
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in given.items() if name in names})


def encoder_config(config: Config, num_views: int) -> EncoderConfig:
    """An encoder from scratch for a dataset of so many cameras."""
    m = config.model
    vision = by_field_name(VISION_TOWERS[m.vision.kind], vars(m.vision))
    towers = {"vision": vision, "text": by_field_name(TextConfig, vars(m.text))}
    others = {
        "num_views": num_views,
        "private": m.redundancy == "private",
        "temporal": TemporalConfig(
            kind=m.temporal,
            depth=m.temporal_depth,
            heads=m.temporal_heads,
            gain=config.data.dynamic_gain,
        ),
    }
    return by_field_name(EncoderConfig, vars(m), towers, others)


def sampling(config: Config) -> Sampling:
    """How a run takes frames of a record."""
    return by_field_name(Sampling, vars(config.data), vars(config.augment))


def views_compared(config: Config) -> int:
    """How many views of a clip a method sees: those of each window and copy."""
    return config.data.views * config.data.crops * config.augment.copies


def make_objective(
    config: Config, *, num_prompts: int, embed_dim: int = 0
) -> Objective:
    """The method that a config names, for a bank of so many prompts, of the width of
    the joint space, which a text tower that is given may say; 0: the config's."""
    # Small pictures are of the geometry, or of all where the model does not see it.
    inputs = tuple(name for name in config.data.inputs if name in CHANNELS)
    geometry = tuple(name for name in inputs if name in ("depth", "normals"))
    return by_field_name(
        OBJECTIVES[config.objective.name],
        vars(config.model),
        vars(config.loss),
        {
            "redundancy_mode": config.model.redundancy,
            "num_classes": len(config.data.classes),
            "num_prompts": num_prompts,
            "embed_dim": embed_dim or config.model.embed_dim,
            "thumbnails": geometry or inputs,
            "thumbnail_channels": num_channels(geometry or inputs),
            "batch_size": config.train.batch_size,
            "moments": 4 if config.data.moments else 1,
        },
    )


def source_class(config: Config) -> type[TextSource]:
    """The kind of text source that a config names."""
    return SOURCES[config.text_source]


def knows_words(config: Config) -> bool:
    """Whether a run learns to compare faces with prompts, in the joint space."""
    return source_class(config).has_text and OBJECTIVES[config.objective.name].uses_text


def make_source(config: Config, steps: int) -> TextSource:
    """The text source that a config names, of a run of so many steps."""
    warmup = {"warmup_steps": round(config.pseudo.warmup * steps)}
    return by_field_name(source_class(config), vars(config.pseudo), warmup)


def needs(config: Config) -> set[str]:
    """Fields of a batch that its method and text source ask for."""
    objective = make_objective(config, num_prompts=len(config.data.classes))
    return {*objective.needed(), *source_class(config).needs()}


def uses_labels(config: Config) -> bool:
    """Whether a run learns from labels of training subjects."""
    method = OBJECTIVES[config.objective.name]
    return method.uses_labels or source_class(config).uses_labels


def sees_labelled_only(config: Config) -> bool:
    """Whether a run sees clips of `data.classes` alone: each needs its class."""
    method = OBJECTIVES[config.objective.name]
    return "label" in method.needs or source_class(config).one_class
