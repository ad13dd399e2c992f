"""The train step: augment, embed, a method's terms, mean gradient, update."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from smile_jax.core import parallel
from smile_jax.core.pytree import merge, select
from smile_jax.data.augment import (
    AugmentConfig,
    augment_clips,
    draw_patches,
    small_pictures,
)
from smile_jax.data.frames import TIMES
from smile_jax.losses import Prior
from smile_jax.models import Encoder
from smile_jax.models.temporal import Timing, timing_of
from smile_jax.objectives import Inputs, Objective, Targets, TextSource, total
from smile_jax.objectives.base import THUMBNAIL
from smile_jax.training.global_gradient import term_norms
from smile_jax.training.micro_batches import in_micro_batches
from smile_jax.training.prompt_bank import TextInputs, bank_of_views, encode_bank
from smile_jax.training.state import TrainState, stream_key, update_average
from smile_jax.training.update import update

MAX_LOGIT_SCALE = np.log(100.0)


@dataclasses.dataclass(frozen=True)
class StepConfig:
    """Settings of the step beside model, method and optimiser."""

    augment: AugmentConfig
    channels: tuple[str, ...]  # groups in the dataset's pixels
    inputs: tuple[str, ...]  # groups that the model sees
    mean: tuple[float, ...]  # of each input channel, pixels in [0, 1]
    std: tuple[float, ...]
    motion_gain: float | None  # of dynamic images
    local_mean: float  # width of what is subtracted from pictures, share of the side
    num_views: int  # V of a step
    crops: int  # windows of each clip, whose frames follow each other in a batch
    plain_view: Callable  # how a teacher sees pixels
    train_text: bool
    ema_decay: float
    from_random: bool  # the vision tower was random at the start
    clip_norm: float  # of the gradient
    micro_batches: int  # parts of a device's batch that the towers see in turn
    shard_moments: bool  # the optimiser's moments lie in pieces
    term_gradients: bool  # also give the norm of each term's gradient
    patches: int  # of an image; 0 for a tower that knows none
    kept_patches: int  # of them in training
    hides_patches: bool  # the method guesses the others


def make_train_step(
    model: Encoder,
    objective: Objective,
    source: TextSource,
    optimizer: optax.GradientTransformation,
    text: TextInputs,
    config: StepConfig,
) -> Callable:
    """Returns `step(state, batch) -> (state, metrics)` for `parallel.pmap_step`."""
    axis = model.axis_name

    def terms_of(trained, state, batch, targets):
        params = merge(state.params, trained)
        features, view_ids, error = encode_batch(model, config, params, state, batch)
        embeddings: Any = model.apply(
            {"params": params}, features, view_ids, train=True, method="fuse"
        )
        embeddings = embeddings.replace(heads=embeddings.heads | error)
        bank = state.bank
        # A frozen text tower's bank never changes; one that trains needs its gradient.
        if config.train_text:
            bank = encode_bank(model, params, text)
        inputs = Inputs(
            embeddings=embeddings,
            # Only what the method asked for: it cannot come to depend on more.
            batch={name: batch[name] for name in objective.needed()},
            bank=bank[0] if source.has_text else None,
            view_bank=bank_of_views(bank, view_ids),
            targets=targets,
            logit_scale=params["logit_scale"],
            extra=state.extra,
            thumbnails=small_pictures(
                batch["views"],
                batch["apex"],
                view_ids,
                channels=config.channels,
                wanted=objective.thumbnails,
                size=THUMBNAIL,
            )
            if objective.sees_thumbnails
            else None,
        )
        with jax.named_scope(type(objective).__name__):
            terms = objective.terms(inputs, axis)
            extra = objective.carry(jax.lax.stop_gradient(inputs), axis)
        return terms, bank, extra

    def loss(trained, *given):
        terms, bank, extra = terms_of(trained, *given)
        value, metrics = total(terms)
        return value, (metrics, bank, extra)

    # Traced once: which branches there are is settled by method, source and config.
    def step(state: TrainState, batch: dict) -> tuple[TrainState, dict]:
        # Before the gradient, for a teacher's guesses are constants.
        targets, prior = make_targets(model, source, config, state, batch)
        trained = select(state.params, state.ema)
        given = (state, batch, targets)
        # Differentiated inside pmap, and only then averaged: see
        # `training.global_gradient`.
        gradient, (metrics, bank, extra) = jax.grad(loss, has_aux=True)(trained, *given)
        # Equal on all devices but for rounding, which must not part them.
        metrics = parallel.pmean(metrics, axis)
        if config.term_gradients:
            metrics |= norms_of_terms(terms_of, trained, given, axis)
        with jax.named_scope("update"):
            trained, moments, norms = update(
                optimizer,
                gradient,
                state.optimizer,
                trained,
                clip_norm=config.clip_norm,
                in_pieces=config.shard_moments,
                axis_name=axis,
            )
        # CLIP's clamp: without it cosines become one-hot and gradients die.
        trained["logit_scale"] = jnp.clip(trained["logit_scale"], 0, MAX_LOGIT_SCALE)
        return state.replace(
            step=state.step + 1,
            params=merge(state.params, trained),
            ema=update_average(
                state.ema,
                trained,
                config.ema_decay,
                state.step,
                from_random=config.from_random,
            ),
            optimizer=moments,
            bank=bank,
            prior=prior,
            extra=extra,
        ), metrics | norms

    return step


def norms_of_terms(
    terms_of: Callable, trained: Any, given: Any, axis_name: str | None
) -> dict[str, Any]:
    """Returns the norms of the terms' own gradients, as metrics."""

    def weighted(trained: Any) -> dict[str, Any]:
        terms, _, _ = terms_of(trained, *given)
        return {name: term.weight * term.loss for name, term in terms.items()}

    found = term_norms(weighted, trained, axis_name)
    return {f"{name}/gradient_norm": norm for name, norm in found.items()}


def encode_batch(
    model: Encoder, config: StepConfig, params: Any, state: TrainState, batch: dict
) -> tuple[Any, Any, dict[str, Any]]:
    """Embeds augmented views by micro-batches.

    Returns:
      Features, which views they are, and the "decoder"'s error of a method that hides
      patches.
    """
    # Keys of the step, folded with rows further down: the same draws on 1 or 256
    # devices, and after a resumption.
    key = stream_key(state.key, "augment", state.step)
    chooser = stream_key(state.key, "patches", state.step)

    def encode(params: Any, part: dict) -> tuple[Any, Any, dict[str, Any]]:
        with jax.named_scope("augment"):
            clips, view_ids = augment_clips(
                part["views"],
                part["row"],
                key,
                config.augment,
                channels=config.channels,
                inputs=config.inputs,
                num_views=config.num_views,
                mean=config.mean,
                std=config.std,
                motion_gain=config.motion_gain,
                local_mean=config.local_mean,
            )
        kept = None
        if config.kept_patches < config.patches:
            kept = draw_patches(
                part["row"],
                chooser,
                views=config.num_views * config.augment.copies,
                patches=config.patches,
                kept=config.kept_patches,
            )
        how = "reconstruct" if config.hides_patches else "encode"
        seen: Any = [
            model.apply({"params": params}, *window, kept, method=how)
            for window in windows_of(clips, timing_of(part), config.crops)
        ]
        # To what follows, another window is another view.
        view_ids = jnp.tile(view_ids, (1, config.crops))
        if not config.hides_patches:
            return jnp.concatenate(seen, axis=1), view_ids, {}
        features, error = (jnp.concatenate(x, axis=1) for x in zip(*seen, strict=True))
        return features, view_ids, {"decoder": error}

    # Augmentation is inside the micro-batch, so only one part is ever float32.
    pixels = {name: batch[name] for name in ("views", "row", *TIMES)}
    return in_micro_batches(encode, config.micro_batches)(params, pixels)


def windows_of(clips: Any, timing: Timing, crops: int) -> list[tuple[Any, Timing]]:
    """Returns clips [B, T, ...] and timing of each window of a batch."""
    if crops == 1:
        return [(clips, timing)]
    seconds = jnp.split(timing.time_s, crops, axis=1)
    return [
        (some, Timing(seconds[i], timing.apex[:, i]))
        for i, some in enumerate(jnp.split(clips, crops, axis=1))
    ]


def make_targets(
    model: Encoder,
    source: TextSource,
    config: StepConfig,
    state: TrainState,
    batch: dict,
) -> tuple[Targets | None, Prior]:
    """Targets over the bank, and the prior after this batch.

    The batch names prompts; or else the averaged model's zero-shot probabilities of the
    clip as it is, fused over views, become targets.
    """
    if not source.makes_targets:
        return source.targets(batch, state.bank.shape[1]), state.prior

    def encode(params: Any, part: dict) -> tuple[Any, Any]:
        clips, view_ids = config.plain_view(part["views"])
        first, *_ = windows_of(clips, timing_of(part), config.crops)
        return model.apply({"params": params}, *first, method="encode"), view_ids

    teacher = state.averaged
    pixels = {name: batch[name] for name in ("views", *TIMES)}
    seen = in_micro_batches(encode, config.micro_batches)(teacher, pixels)
    e: Any = model.apply({"params": teacher}, *seen, train=False, method="fuse")
    logits = jnp.exp(teacher["logit_scale"]) * e.joint @ state.bank[0].T
    return source.guesses(logits, state.prior, state.step, model.axis_name)
