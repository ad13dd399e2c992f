"""The model that a fresh run starts from: random, published weights, another run."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from smile_jax.config import Config
from smile_jax.config.factories import encoder_config, knows_words
from smile_jax.core.pytree import flatten
from smile_jax.data.channels import CHANNELS
from smile_jax.models import EncoderConfig, HashTokenizer, load_pretrained
from smile_jax.models.encoder import PARTS
from smile_jax.models.pretrained import inflate_statistics
from smile_jax.objectives import SOURCES
from smile_jax.training.model_spec import ModelSpec, merge_lora, read_model
from smile_jax.training.run_info import COMPUTED

# RGB pixels in [0, 1] become (x - 0.5) / 0.25 for towers from scratch (this project's
# choice).
_MEAN, _STD = (0.5,) * 3, (0.25,) * 3

# It depends on the cameras, so another run's may not fit. (Heads are a method's: they
# are taken where they fit.)
_REPLACEABLE = ("fusion/view_embedding/", "cross_view/view_embedding/")


def fresh_spec(config: Config, *, num_views: int, image_size: int) -> ModelSpec:
    """The model of a run that has no checkpoint yet.

    Args:
      config: `model.start_from`, `model.pretrained`, `model.pretrained_text` say.
      num_views: cameras of the dataset.
      image_size: pixels a side.

    Raises:
      PretrainedError, CheckpointError, ValueError: naming what cannot be used.
    """
    m, groups = config.model, [CHANNELS[name] for name in config.data.inputs]
    spec = ModelSpec(
        encoder_config(config, num_views),
        HashTokenizer(m.text.context_length, m.text.vocab_size),
        inflate_statistics(_MEAN, groups),
        inflate_statistics(_STD, groups),
    )
    if m.start_from:
        spec = _from_run(spec, config, sum(groups))
    if m.pretrained:
        spec = _with_towers(spec, m.pretrained, image_size, groups)
    if m.pretrained_text:
        spec = _with_text(spec, m.pretrained_text)
    return dataclasses.replace(spec, model=_as_tuned(spec.model, config))


def place_params(
    params: dict[str, np.ndarray], given: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Random flat parameters with those that are given in their places.

    Raises:
      ValueError: naming parameters that do not fit.
    """
    wrong = []
    for name, value in given.items():
        if name in params and params[name].shape == value.shape:
            params = params | {name: np.asarray(value, params[name].dtype)}
        elif name.split("/")[0] in PARTS and not name.startswith(_REPLACEABLE):
            ours = params[name].shape if name in params else "not in this model"
            wrong.append(f"{name}: {value.shape} does not fit ({ours})")
    if wrong:
        raise ValueError(
            "parameters to start from do not fit this run's model:\n  "
            + "\n  ".join(wrong)
        )
    return params


def with_config_settings(model: EncoderConfig, config: Config) -> EncoderConfig:
    """Returns the model as the config computes it: what a run may change on its way."""
    keys = {"vision": config.model.vision, "text": config.model.text}
    towers = {
        name: getattr(model, name).replace(
            **{key: getattr(chosen, key) for key in COMPUTED}
        )
        for name, chosen in keys.items()
    }
    return dataclasses.replace(model, **towers)


def _with_towers(
    spec: ModelSpec, name: str, image_size: int, groups: Sequence[int]
) -> ModelSpec:
    """Both towers of a CLIP or SigLIP."""
    towers, params, tokenizer = load_pretrained(
        name, image_size=image_size, channel_groups=groups
    )
    c = towers.config
    if not c.paired or c.vision is None or c.text is None or tokenizer is None:
        raise ValueError(
            f"model.pretrained={name!r}: a {c.family} model with one tower; name a "
            "CLIP or SigLIP, or set model.pretrained_text for a text tower alone"
        )
    if spec.model.private:
        raise ValueError(
            "objective.smile.redundancy_mode='private' halves the fused feature, which "
            f"the projection of model.pretrained={name!r} does not; use 'whitened' or "
            "'literal'"
        )
    model = dataclasses.replace(
        spec.model,
        vision=c.vision,
        text=c.text,
        embed_dim=c.embed_dim,
        joint_projection=c.visual_projection,
        logit_bias=c.logit_bias,
    )
    return ModelSpec(
        model,
        tokenizer,
        c.mean,
        c.std,
        flatten(params),
        (f"towers of {name} ({c.family})",),
    )


def _with_text(spec: ModelSpec, name: str) -> ModelSpec:
    """A text tower in place of the other; the joint space becomes its own."""
    towers, params, tokenizer = load_pretrained(name)
    c = towers.config
    if c.text is None or tokenizer is None:
        raise ValueError(f"model.pretrained_text={name!r}: it has no text tower")
    kept = {
        key: value
        for key, value in spec.params.items()
        if not key.startswith(("text/", "joint_head/", "logit_"))
    }
    text = {k: x for k, x in flatten(params).items() if k.startswith("text/")}
    model = dataclasses.replace(
        spec.model,
        text=c.text,
        embed_dim=c.embed_dim,
        joint_projection=True,
        logit_bias=False,
    )
    return dataclasses.replace(
        spec,
        model=model,
        tokenizer=tokenizer,
        params=kept | text,
        sources=(*spec.sources, f"text tower of {name} ({c.family})"),
    )


def _from_run(spec: ModelSpec, config: Config, channels: int) -> ModelSpec:
    """The averaged parameters, towers and tokenizer of another run."""
    workdir = pathlib.Path(config.model.start_from)
    stored = read_model(workdir)
    other, params = merge_lora(stored.spec, flatten(stored.averaged))
    if len(other.mean) != channels:
        raise ValueError(
            f"model.start_from={str(workdir)!r}: its model sees {len(other.mean)} "
            f"channels, this run's data.inputs have {channels}"
        )
    guesses = SOURCES[config.text_source].makes_targets
    before = stored.info.config
    if before.data.local_mean != config.data.local_mean:
        raise ValueError(
            f"model.start_from={str(workdir)!r}: its model learned from pictures with "
            f"data.local_mean={before.data.local_mean}, this run has "
            f"{config.data.local_mean}; set it to {before.data.local_mean}"
        )
    if guesses and not knows_words(before):
        raise ValueError(
            f"model.start_from={str(workdir)!r}: that run did not learn to compare "
            f"faces with words (text_source={before.text_source!r}, objective.name="
            f"{before.objective.name!r}), so its zero-shot guesses mean nothing; start "
            "from one that did"
        )
    model = dataclasses.replace(
        other.model,
        num_views=spec.model.num_views,
        private=spec.model.private,
        temporal=spec.model.temporal,
        cross_view=spec.model.cross_view,
    )
    if not model.cross_view:
        params = {k: x for k, x in params.items() if not k.startswith("cross_view/")}
    if other.model.temporal != model.temporal:  # time is learned anew
        params = {k: x for k, x in params.items() if not k.startswith("temporal/")}
    return dataclasses.replace(
        other,
        model=model,
        params=params,
        sources=(f"{workdir}, step {stored.step}",),
    )


def _as_tuned(model: EncoderConfig, config: Config) -> EncoderConfig:
    """The config's say on a tower wherever it is from."""
    tune = config.tune
    regimes = {"vision": tune.vision, "text": tune.text}
    towers = {
        name: getattr(model, name).replace(
            dtype=getattr(config.model, name).dtype,
            lora_rank=tune.lora_rank if regime == "lora" else 0,
            lora_alpha=tune.lora_alpha,
        )
        for name, regime in regimes.items()
    }
    return with_config_settings(dataclasses.replace(model, **towers), config)
