"""The train step: augment, embed, three losses, mean gradient, update."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from smile_jax import parallel
from smile_jax.data.augment import AugmentConfig, augment_clips
from smile_jax.losses import LossWeights, smile_objective
from smile_jax.models import Smile
from smile_jax.training.state import TrainState, stream_key, update_average

MAX_LOGIT_SCALE = np.log(100.0)


@dataclasses.dataclass(frozen=True)
class StepConfig:
    """What the step needs to know beside the model and the optimiser."""

    augment: AugmentConfig
    loss: LossWeights
    channels: tuple[str, ...]  # groups in the dataset's pixels
    inputs: tuple[str, ...]  # groups that the model sees
    num_views: int  # V of a step
    text_source: str  # "weak" or "none"
    train_text: bool
    ema_decay: float


def make_train_step(
    model: Smile,
    optimizer: optax.GradientTransformation,
    tokens: np.ndarray,
    config: StepConfig,
) -> Callable:
    """Returns `step(state, batch) -> (state, metrics)` for `parallel.pmap_step`."""
    axis = model.axis_name
    prompts = jnp.asarray(tokens)

    def objective(params, state, batch, clips, view_ids):
        variables = {"params": params}
        e: Any = model.apply(variables, clips, view_ids, train=True)  # Embeddings
        bank = state.bank
        if config.train_text:
            bank = model.apply(variables, prompts, method="encode_text")
        has_text = config.text_source != "none"
        loss, metrics = smile_objective(
            e.projected,
            e.joint,
            e.views,
            e.redundancy,
            e.shared,
            bank if has_text else None,
            jax.nn.one_hot(batch["label"], len(bank)) if has_text else None,
            logit_scale=params["logit_scale"],
            loss_weights=config.loss,
            axis_name=axis,
        )
        return loss, (metrics, bank)

    def step(state: TrainState, batch: dict) -> tuple[TrainState, dict]:
        clips, view_ids = augment_clips(
            batch["views"],
            batch["row"],
            stream_key(state.key, "augment", state.step),
            config.augment,
            channels=config.channels,
            inputs=config.inputs,
            num_views=config.num_views,
        )
        gradient = jax.grad(objective, has_aux=True)
        grads, (metrics, bank) = gradient(state.params, state, batch, clips, view_ids)
        grads, metrics = parallel.pmean((grads, metrics), axis)
        updates, moments = optimizer.update(grads, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        params["logit_scale"] = jnp.clip(params["logit_scale"], 0, MAX_LOGIT_SCALE)
        metrics["gradient_norm"] = optax.tree.norm(grads)
        return state.replace(
            step=state.step + 1,
            params=params,
            ema=update_average(state.ema, params, config.ema_decay, state.step),
            optimizer=moments,
            bank=bank,
        ), metrics

    return step


def init_state(
    model: Smile,
    optimizer: optax.GradientTransformation,
    tokens: np.ndarray,
    clip_shape: tuple[int, ...],
    seed: int,
) -> TrainState:
    """Fresh parameters and optimiser state, on the host.

    Args:
      model: to initialise.
      optimizer: to initialise.
      tokens: (K, M, L) prompt tokens, for the bank.
      clip_shape: (T, V, H, W, C) of one clip.
      seed: root of all randomness of the run.
    """
    root = jax.random.PRNGKey(seed)
    single = model.clone(axis_name=None)

    @jax.jit
    def create() -> TrainState:
        # Two examples, for a batch of one has no variance.
        clips = jnp.zeros((2, *clip_shape))
        view_ids = jnp.zeros((2, clip_shape[1]), jnp.int32)
        (_, bank), variables = single.init_with_output(
            stream_key(root, "init", 0),
            clips,
            view_ids,
            jnp.asarray(tokens),
            method="initialize",
        )
        params = variables["params"]
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            ema=jax.tree.map(jnp.copy, params),
            optimizer=optimizer.init(params),
            bank=bank,
            key=root,
        )

    return jax.device_get(create())
