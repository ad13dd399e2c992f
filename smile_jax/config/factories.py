"""Factories: from the config to the dataclasses that the pure code takes."""

from typing import Any

from smile_jax.config.default import Config, VisionKeys, all_keys
from smile_jax.data.channels import CHANNELS, num_channels
from smile_jax.data.frames import FrameSampling
from smile_jax.models.encoder import VISION_TOWERS, EncoderConfig
from smile_jax.models.temporal import TemporalConfig
from smile_jax.models.text_tower import TextConfig
from smile_jax.models.tower import TowerConfig
from smile_jax.objectives import OBJECTIVES, SOURCES, Objective, TextSource


def encoder_config(config: Config, num_views: int) -> EncoderConfig:
    """Returns an encoder from scratch for a dataset of so many cameras."""
    m = config.model
    return EncoderConfig(
        vision=_vision_config(m.vision),
        text=TextConfig(**vars(m.text)),
        num_views=num_views,
        temporal=TemporalConfig(
            kind=m.temporal,
            depth=m.temporal_depth,
            heads=m.temporal_heads,
            gain=config.data.dynamic_gain,
        ),
        embed_dim=m.embed_dim,
        private=config.objective.name == "smile"
        and config.objective.smile.redundancy_mode == "private",
        logit_scale_init=m.logit_scale_init,
        cross_view=m.cross_view,
    )


def _vision_config(keys: VisionKeys) -> TowerConfig:
    """Returns the settings of a vision tower: the keys that its kind has."""
    kind = VISION_TOWERS[keys.kind]
    return kind(**{name: x for name, x in vars(keys).items() if kind.has(name)})


def sampling(config: Config) -> FrameSampling:
    """Returns how a run takes frames from a record."""
    data, augment = config.data, config.augment
    return FrameSampling(
        clip=data.clip,
        frames=data.frames,
        sampling=data.sampling,
        speed=augment.speed,
        phase=augment.phase,
        crops=data.crops,
        moments=data.moments,
    )


def views_seen(config: Config) -> int:
    """Returns how many views of a clip are looked at outside training."""
    return config.evaluation.views or config.data.views


def views_compared(config: Config) -> int:
    """Returns how many views of a clip a method compares, over windows and copies."""
    return config.data.views * config.data.crops * config.augment.copies


def make_objective(
    config: Config, *, num_prompts: int, embed_dim: int = 0
) -> Objective:
    """Returns the method that a config names.

    Args:
      config: whose section `objective.<section>` holds the method's own settings.
      num_prompts: K, prompts of the bank.
      embed_dim: E, if a given text tower decides it; 0: the config's.
    """
    # Small pictures are of the geometry, or of all where the model does not see it.
    inputs = tuple(name for name in config.data.inputs if name in CHANNELS)
    geometry = tuple(name for name in inputs if name in ("depth", "normals"))
    method = OBJECTIVES[config.objective.name]
    own = getattr(config.objective, method.section) if method.section else None
    return method(
        **(vars(own) if own else {}),
        num_classes=len(config.data.classes),
        num_prompts=num_prompts,
        embed_dim=embed_dim or config.model.embed_dim,
        projector_dim=config.model.projector_dim,
        cross_view=config.model.cross_view,
        batch_size=config.train.batch_size,
        moments=4 if config.data.moments else 1,
        thumbnails=geometry or inputs,
        thumbnail_channels=num_channels(geometry or inputs),
    )


def keys_of_other_methods(config: Config) -> set[str]:
    """Returns the keys of all sections of methods that the config does not name."""
    own = OBJECTIVES[config.objective.name].section
    return {
        key
        for key in all_keys()
        if key.startswith("objective.") and key.split(".")[1] not in ("name", own)
    }


def source_class(config: Config) -> type[TextSource]:
    """Returns the kind of text source that a config names."""
    return SOURCES[config.text_source]


def knows_words(config: Config) -> bool:
    """Returns True if a run learns to compare faces with prompts."""
    return source_class(config).has_text and OBJECTIVES[config.objective.name].uses_text


def make_source(config: Config, steps: int) -> TextSource:
    """Returns the text source that a config names, for a run of so many steps."""
    kind: Any = source_class(config)
    if not kind.makes_targets:
        return kind()
    own = dict(vars(config.pseudo))
    warmup = own.pop("warmup")
    return kind(**own, warmup_steps=round(warmup * steps))


def needs(config: Config) -> set[str]:
    """Returns the fields of a batch that the method and the text source ask for."""
    objective = make_objective(config, num_prompts=len(config.data.classes))
    return {*objective.needed(), *source_class(config).needs()}


def uses_labels(config: Config) -> bool:
    """Returns True if a run learns from labels of training subjects."""
    method = OBJECTIVES[config.objective.name]
    return method.uses_labels or source_class(config).uses_labels


def sees_labelled_only(config: Config) -> bool:
    """Returns True if a run sees clips of `data.classes` alone.

    Then each clip needs its class.
    """
    method = OBJECTIVES[config.objective.name]
    return "label" in method.needs or source_class(config).one_class
