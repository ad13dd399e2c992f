"""The train step: augment, embed, three losses, mean gradient, update."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from smile_jax import parallel
from smile_jax.data.augment import (
    AugmentConfig,
    augment_clips,
    draw_patches,
    plain_clips,
)
from smile_jax.losses import LossWeights, pseudo_targets, smile_objective
from smile_jax.models import Smile
from smile_jax.training.accumulate import in_micro_batches
from smile_jax.training.bank import TextInputs, encode_bank
from smile_jax.training.sharding import update
from smile_jax.training.state import TrainState, stream_key, update_average
from smile_jax.training.tuning import merge, select

MAX_LOGIT_SCALE = np.log(100.0)


@dataclasses.dataclass(frozen=True)
class PseudoConfig:
    """How text source "pseudo" makes targets; see `experiments/base.py`."""

    warmup_steps: int = 0
    momentum: float = 0.99
    temperature: float = 0.5
    sinkhorn_steps: int = 0
    align: bool = True
    frequencies: tuple[float, ...] = ()  # of the classes; uniform if empty


@dataclasses.dataclass(frozen=True)
class StepConfig:
    """What the step needs to know beside the model and the optimiser."""

    augment: AugmentConfig
    loss: LossWeights
    pseudo: PseudoConfig
    channels: tuple[str, ...]  # groups in the dataset's pixels
    inputs: tuple[str, ...]  # groups that the model sees
    mean: tuple[float, ...]  # of each input channel, pixels in [0, 1]
    std: tuple[float, ...]
    num_views: int  # V of a step
    teacher_views: tuple[int, ...]  # which views "pseudo" looks at
    text_source: str  # "weak", "captions", "pseudo" or "none"
    train_text: bool
    ema_decay: float
    from_random: bool  # the vision tower was random at the start
    clip_norm: float  # of the gradient
    micro_batches: int = 1  # parts of a device's batch that the towers see in turn
    shard_moments: bool = False  # the optimiser's moments lie in pieces
    patches: int = 0  # of an image
    kept_patches: int = 0  # of them in training


def make_train_step(
    model: Smile,
    optimizer: optax.GradientTransformation,
    text: TextInputs,
    config: StepConfig,
) -> Callable:
    """Returns `step(state, batch) -> (state, metrics)` for `parallel.pmap_step`."""
    axis = model.axis_name
    has_text = config.text_source != "none"

    def objective(trained, state, batch, targets, text_weight):
        params = merge(state.params, trained)
        features, view_ids = encode_batch(model, config, params, state, batch)
        e: Any = model.apply(  # Embeddings
            {"params": params}, features, view_ids, train=True, method="relate"
        )
        bank = state.bank
        if config.train_text:
            bank = encode_bank(model, params, text)
        loss, metrics = smile_objective(
            e.projected,
            e.joint,
            e.views,
            e.redundancy,
            e.shared,
            bank[0] if has_text else None,
            targets,
            view_bank=bank[1 + view_ids] if len(bank) > 1 else None,
            text_weight=text_weight,
            logit_scale=params["logit_scale"],
            loss_weights=config.loss,
            axis_name=axis,
        )
        return loss, (metrics, bank)

    def step(state: TrainState, batch: dict) -> tuple[TrainState, dict]:
        targets, prior, text_weight = make_targets(model, config, state, batch)
        trained = select(state.params, state.ema)
        gradient, (metrics, bank) = jax.grad(objective, has_aux=True)(
            trained, state, batch, targets, text_weight
        )
        metrics = parallel.pmean(metrics, axis)
        trained, moments, metrics["gradient_norm"] = update(
            optimizer,
            gradient,
            state.optimizer,
            trained,
            clip_norm=config.clip_norm,
            in_pieces=config.shard_moments,
            axis_name=axis,
        )
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
        ), metrics

    return step


def encode_batch(
    model: Smile, config: StepConfig, params: Any, state: TrainState, batch: dict
) -> tuple[Any, Any]:
    """Features of augmented views, and which views they are, by micro-batches."""
    key = stream_key(state.key, "augment", state.step)
    chooser = stream_key(state.key, "patches", state.step)

    def encode(params: Any, part: dict) -> tuple[Any, Any]:
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
        )
        kept = None
        if config.kept_patches < config.patches:
            kept = draw_patches(
                part["row"],
                chooser,
                views=config.num_views,
                patches=config.patches,
                kept=config.kept_patches,
            )
        return model.apply({"params": params}, clips, kept, method="encode"), view_ids

    pixels = {name: batch[name] for name in ("views", "row")}
    return in_micro_batches(encode, config.micro_batches)(params, pixels)


def make_targets(
    model: Smile, config: StepConfig, state: TrainState, batch: dict
) -> tuple[Any, Any, Any]:
    """Targets over the bank, the prior after this batch, and the weight of terms 2, 3.

    Labels or captions name their prompt. Without labels the averaged model's zero-shot
    probabilities of the clip as it is, fused over views, become targets; while it
    warms up, term 1 is alone.
    """
    classes = state.bank.shape[1]
    if config.text_source != "pseudo":
        known = config.text_source != "none"
        targets = jax.nn.one_hot(batch["label"], classes) if known else None
        return targets, state.prior, 1.0

    def encode(params: Any, pixels: Any) -> tuple[Any, Any]:
        clips, view_ids = plain_clips(
            pixels,
            config.teacher_views,
            channels=config.channels,
            inputs=config.inputs,
            relight=config.augment.relight,
            mean=config.mean,
            std=config.std,
        )
        return model.apply({"params": params}, clips, method="encode"), view_ids

    c, teacher = config.pseudo, state.averaged
    seen = in_micro_batches(encode, config.micro_batches)(teacher, batch["views"])
    e: Any = model.apply({"params": teacher}, *seen, train=False, method="relate")
    targets, prior = pseudo_targets(
        jnp.exp(teacher["logit_scale"]) * e.joint @ state.bank[0].T,
        state.prior,
        wanted=jnp.asarray(c.frequencies or [1 / classes] * classes)
        if c.align
        else None,
        momentum=c.momentum,
        temperature=c.temperature,
        sinkhorn_steps=c.sinkhorn_steps,
        axis_name=model.axis_name,
    )
    return targets, prior, (state.step >= c.warmup_steps).astype(jnp.float32)
